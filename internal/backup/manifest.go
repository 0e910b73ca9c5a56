package backup

import (
	"errors"
	"regexp"
	"time"
)

// Format is the version of the archive's layout.
const Format = 1

// The names in an archive and in a state directory.
const (
	Database     = "rosterd.db"
	ChangeSets   = "changesets"
	Notes        = "served"
	manifestName = "manifest.json"
)

// ErrArchive says that a file is no backup, or is not what was written.
var ErrArchive = errors.New("the backup is damaged")

// ErrFormat says that a backup was written by a later program.
var ErrFormat = errors.New("unknown format of the backup")

// Manifest says what is in an archive.
type Manifest struct {
	Format int       `json:"format"`
	Made   time.Time `json:"made"`
	// Version is the program's.
	Version string `json:"version"`
	Schema  int    `json:"schema"`
	Install string `json:"install"`
	// Key is the id of the master key, which is not in the archive.
	Key string `json:"key_id"`
	// Runs are those that were under way or waited to be approved.
	Runs  []string `json:"runs"`
	Files []File   `json:"files"`
	// Missing are parts of the state that a person has to keep elsewhere.
	Missing []string `json:"not_included"`
}

// File is one file of an archive.
type File struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	// SHA256 is in hex.
	SHA256 string `json:"sha256"`
}

// Bytes is the size of all files.
func (m Manifest) Bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// Count is the number of files in a folder of the archive.
func (m Manifest) Count(folder string) (n int) {
	for _, f := range m.Files {
		if len(f.Name) > len(folder) && f.Name[:len(folder)+1] == folder+"/" {
			n++
		}
	}
	return n
}

// allowed are the names of files in an archive: none leads out of the folder that
// it is unpacked into.
func allowed() *regexp.Regexp {
	return regexp.MustCompile(`^(rosterd\.db|changesets/[A-Za-z0-9_-]{1,128}\.cs|served/[A-Za-z0-9%._~-]{1,200}\.notes)$`)
}
