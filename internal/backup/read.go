package backup

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// What is read of an archive at most, beside what its files hold.
const (
	maxFiles    = 100_000
	maxManifest = 64 << 20
)

// Unpack writes the files of an archive into an empty folder, on disk, and checks
// them against the manifest. What is wrong with the archive is [ErrArchive] or
// [ErrFormat]; the folder then holds what was read so far.
func Unpack(archive io.Reader, dir string) (Manifest, error) {
	var m Manifest
	z, err := gzip.NewReader(archive)
	if err != nil {
		return m, damaged(err)
	}
	t := tar.NewReader(z)
	var found []File
	for {
		head, err := t.Next()
		if err != nil {
			return m, damaged(fmt.Errorf("it ends before its manifest: %w", err))
		}
		if head.Name == manifestName {
			if m, err = readManifest(t); err != nil {
				return m, err
			}
			break
		}
		if head.Typeflag != tar.TypeReg || !allowed().MatchString(head.Name) || len(found) == maxFiles {
			return m, fmt.Errorf("%w: it holds something that no backup holds", ErrArchive)
		}
		f, err := unpackOne(t, dir, head.Name)
		if err != nil {
			return m, err
		}
		found = append(found, f)
	}
	if _, err := t.Next(); !errors.Is(err, io.EOF) {
		return m, fmt.Errorf("%w: something follows its manifest", ErrArchive)
	}
	// The checksum of the compression stands behind the end of the archive.
	if _, err := io.Copy(io.Discard, z); err != nil {
		return m, damaged(err)
	}
	return m, compare(m, found)
}

func readManifest(r io.Reader) (Manifest, error) {
	var m Manifest
	if err := json.NewDecoder(io.LimitReader(r, maxManifest)).Decode(&m); err != nil {
		return m, damaged(fmt.Errorf("read its manifest: %w", err))
	}
	if m.Format != Format {
		return m, fmt.Errorf("%w: it is %d and this rosterd knows %d: install the rosterd that wrote it or a later one", ErrFormat, m.Format, Format)
	}
	return m, nil
}

func compare(m Manifest, found []File) error {
	if !slices.Equal(m.Files, found) {
		return fmt.Errorf("%w: its files are not those of its manifest", ErrArchive)
	}
	if !slices.ContainsFunc(found, func(f File) bool { return f.Name == Database }) {
		return fmt.Errorf("%w: it has no database", ErrArchive)
	}
	return nil
}

func unpackOne(from io.Reader, dir, name string) (File, error) {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return File{}, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return File{}, err
	}
	sum := sha256.New()
	source := &sourceReader{r: from}
	size, err := io.Copy(io.MultiWriter(f, sum), source)
	if source.err != nil {
		err = damaged(source.err)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return File{}, fmt.Errorf("unpack %s: %w", name, err)
	}
	return File{Name: name, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// sourceReader tells a fault of the archive from one of the disk.
type sourceReader struct {
	r   io.Reader
	err error
}

// Read reads from the archive.
func (s *sourceReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// damaged makes a fault of reading an archive one of the archive, unless it is one
// of the file system.
func damaged(err error) error {
	if _, ok := errors.AsType[*os.PathError](err); ok {
		return err
	}
	return fmt.Errorf("%w: %w", ErrArchive, err)
}
