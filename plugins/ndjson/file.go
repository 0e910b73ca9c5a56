package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// anchorBytes of the beginning of a file, and of the text before a position,
// tell whether the file is the one that was read.
const anchorBytes = 4 << 10

// ioWait is how long to wait after the file system failed, for the time that a
// network share takes to come back.
const ioWait = 10 * time.Second

// openFile opens a regular file. Without O_NONBLOCK a named pipe would hold the
// call until somebody writes to it.
func openFile(path string) (*os.File, position, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, position{}, openFault(path, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file; a pipe cannot be read again after a crash, so write it to a file first")
	}
	if err != nil {
		_ = f.Close() // only read from
		return nil, position{}, openFault(path, err)
	}
	return f, positionOf(info), nil
}

// positionOf returns the beginning of a file.
func positionOf(info fs.FileInfo) position {
	p := position{size: info.Size(), mtime: info.ModTime().UnixNano(), line: 1}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		p.inode = st.Ino
	}
	return p
}

func openFault(path string, err error) error {
	var hint string
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint = "there is no such file: check the path in the connection's settings"
	case errors.Is(err, fs.ErrPermission):
		hint = "the user that rosterd runs as may not read it: change the file's permissions"
	default:
		hint = cause(err).Error()
	}
	return sdk.Fail(sdk.CodeConfig, fmt.Errorf("open %s: %s", path, hint))
}

func readFault(path string, err error) error {
	return sdk.Retry(ioWait, fmt.Errorf("read %s: %w", filepath.Base(path), cause(err)))
}

func changed(path, what string) error {
	return sdk.Fail(sdk.CodeChanged, fmt.Errorf(
		"%s %s while it was being read: write a file under another name, rename it when it is complete, and run the job again", path, what))
}

// cause is err without the path that package os puts before it.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// anchor sums up the beginning of a file and the text before an offset.
func anchor(f io.ReaderAt, offset int64) (uint64, error) {
	h := fnv.New64a()
	for _, from := range []int64{0, max(0, offset-anchorBytes)} {
		if _, err := io.Copy(h, io.NewSectionReader(f, from, min(anchorBytes, offset-from))); err != nil {
			return 0, err
		}
	}
	return h.Sum64(), nil
}

// resume decides where to go on behind a cursor. Within a walk the file may
// grow and must otherwise stay as it is. Behind the end of a walk, a file that
// cannot be the one that was read is read from its beginning.
func (c *connection) resume(f *os.File, found position, after sdk.Cursor) (position, error) {
	found.settings = c.settings.fingerprint()
	if len(after) == 0 {
		return found, nil
	}
	pos, err := parseCursor(after)
	if err != nil {
		return position{}, sdk.Fail(sdk.CodeConfig, err)
	}
	var fault string
	switch {
	case pos.settings != found.settings:
		fault = "is read with other settings"
	case pos.inode != found.inode:
		fault = "was replaced"
	case found.size < pos.size:
		fault = "became shorter"
	case found.size == pos.size && found.mtime != pos.mtime:
		fault = "was written to"
	case found.size > pos.size:
		sum, err := anchor(f, pos.offset)
		if err != nil {
			return position{}, readFault(c.settings.Path, err)
		}
		if sum != pos.anchor {
			fault = "was written anew"
		}
	}
	switch {
	case fault == "":
		found.offset, found.line, found.whole = pos.offset, pos.line, pos.whole
		return found, nil
	case pos.whole:
		return found, nil
	}
	return position{}, changed(c.settings.Path, fault)
}
