package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// changeSetsDir is where change sets are kept in the state directory.
const changeSetsDir = "changesets"

const (
	changeSetExt = ".cs"
	tempExt      = ".tmp"
	maxRunID     = 128
)

// ChangeSets keeps change sets, one sealed file a run. It is safe for
// concurrent use.
//
// A file is a header, blocks, an index and a footer; numbers are little-endian:
//
//	header  "rosterd" 1, key id (4 bytes), salt (32 bytes)
//	block   sealed: n, n ends of data, n ends of ids (32 bits each), the data
//	        joined with commas, the ids
//	index   sealed: the number of entries, the number of blocks, and for each
//	        block its entries and its sealed length (32 bits each)
//	footer  the index's place (64 bits) and sealed length (32 bits), "end."
//
// Every part is sealed with AES-256-GCM under a key that is derived from the
// salt and used for this file only, so that the number of the block can be the
// nonce. The header, the part, its number and the run are authenticated with
// it: no block can be cut off, moved, or taken from another file.
type ChangeSets struct {
	dir  string
	keys *Keyring
}

// NewChangeSets returns the change sets in a state directory. It makes their
// directory and removes what a crash left unfinished; the caller holds the
// lock of the state directory.
func NewChangeSets(stateDir string, keys *Keyring) (*ChangeSets, error) {
	s := &ChangeSets{dir: filepath.Join(stateDir, changeSetsDir), keys: keys}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, Explain(fmt.Errorf("make the directory of the change sets: %w", err))
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list the change sets: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), tempExt) {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, e.Name())); err != nil {
			return nil, fmt.Errorf("remove an unfinished change set: %w", err)
		}
	}
	return s, nil
}

// Remove removes the change set of a run. It is no error when there is none.
func (s *ChangeSets) Remove(run string) error {
	path, err := s.path(run)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the change set of run %s: %w", run, err)
	}
	return nil
}

// List returns the runs that have a change set, sorted.
func (s *ChangeSets) List() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list the change sets: %w", err)
	}
	var runs []string
	for _, e := range entries {
		if run, ok := strings.CutSuffix(e.Name(), changeSetExt); ok {
			runs = append(runs, run)
		}
	}
	slices.Sort(runs)
	return runs, nil
}

// path returns the file of a run. Ids become file names, so that none may
// lead out of the directory.
func (s *ChangeSets) path(run string) (string, error) {
	ok := run != "" && len(run) <= maxRunID
	for _, c := range []byte(run) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}
	if !ok {
		return "", fmt.Errorf("change set of run %q: %w: an id has 1 to %d letters, digits, - or _", run, roster.ErrInvalid, maxRunID)
	}
	return filepath.Join(s.dir, run+changeSetExt), nil
}

// CopyChangeSets writes the change sets of one state directory into another, sealed
// with another key. The caller holds the locks of both.
func CopyChangeSets(ctx context.Context, fromDir string, from *Keyring, toDir string, to *Keyring) error {
	source, target := &ChangeSets{dir: filepath.Join(fromDir, changeSetsDir), keys: from}, &ChangeSets{dir: filepath.Join(toDir, changeSetsDir), keys: to}
	runs, err := source.List()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, run := range runs {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = copyChangeSet(source, target, run)
		}
	}
	return err
}

func copyChangeSet(from, to *ChangeSets, run string) (err error) {
	set, err := from.Open(run)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	w, err := to.Create(run)
	if err != nil {
		return err
	}
	defer w.Abort()
	err = set.Entries(0, set.Len(), func(entry int, data []byte) error {
		ids, err := set.IDs(entry, entry+1)
		if err != nil {
			return err
		}
		return w.Append(ids[0], data)
	})
	if err != nil {
		return err
	}
	_, _, err = w.Finish()
	return err
}

const (
	changeSetMagic  = "rosterd\x01"
	changeSetHeader = len(changeSetMagic) + len(KeyID{}) + changeSetSalt
	changeSetSalt   = 32
	footerMagic     = "end."
	footerBytes     = 8 + 4 + len(footerMagic)

	partBlock byte = 'b'
	partIndex byte = 'i'
)

// fileSeal seals the parts of one change set.
type fileSeal struct {
	aead   cipher.AEAD
	header []byte
	run    string
}

func (k *Keyring) fileSeal(header []byte, run string) (*fileSeal, error) {
	key, err := k.derive("change set "+run, header[changeSetHeader-changeSetSalt:])
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &fileSeal{aead: aead, header: header, run: run}, nil
}

// place returns the nonce of a part and what is authenticated with it.
func (f *fileSeal) place(part byte, number int) (nonce, data []byte) {
	nonce = make([]byte, 12)
	nonce[0] = part
	binary.LittleEndian.PutUint64(nonce[4:], uint64(number))
	data = make([]byte, 0, len(f.header)+len(nonce)+len(f.run))
	data = append(append(append(data, f.header...), nonce...), f.run...)
	return nonce, data
}

// seal seals plain in place: the room for the tag must be in its capacity for
// that to need no copy.
func (f *fileSeal) seal(plain []byte, part byte, number int) []byte {
	nonce, data := f.place(part, number)
	return f.aead.Seal(plain[:0], nonce, plain, data)
}

// open opens sealed in place.
func (f *fileSeal) open(sealed []byte, part byte, number int) ([]byte, error) {
	nonce, data := f.place(part, number)
	plain, err := f.aead.Open(sealed[:0], nonce, sealed, data)
	if err != nil {
		return nil, fmt.Errorf("%w: a part of the change set of run %s was changed", ErrSealed, f.run)
	}
	return plain, nil
}
