package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// reading is a walk over the files that stands at a position. in is nil when
// nothing is to be read behind it.
type reading struct {
	pos position
	in  *input
	// rows and bytes are those of the page before: the next is as large.
	rows, bytes int
}

func (r *reading) close() {
	if r.in != nil {
		r.in.close()
	}
}

// resume opens what is to be read behind a cursor. A cursor from the middle of
// a walk holds only as long as its file is the same; one from the end of a
// walk finds what came since: appended rows, later files, or everything where
// that cannot be told.
func (c *connection) resume(after sdk.Cursor) (*reading, error) {
	start := position{settings: c.settings.fingerprint()}
	pos := position{whole: true}
	if len(after) > 0 {
		var err error
		if pos, err = parseCursor(after); err != nil {
			return nil, sdk.Fail(sdk.CodeConfig, err)
		}
	}
	paths, err := c.settings.list()
	if err != nil {
		if _, gone := os.Stat(c.settings.Path); !pos.whole && errors.Is(gone, fs.ErrNotExist) {
			return nil, changed(c.settings.Path, "was removed while it was being read")
		}
		return nil, err
	}
	i := pos.find(paths)
	switch {
	case pos.settings != start.settings && !pos.whole:
		return nil, sdk.Fail(sdk.CodeChanged, fmt.Errorf("the connection's settings changed while %s was being read: run the job again", c.settings.Path))
	case i < 0 && !pos.whole:
		return nil, changed(c.settings.Path, "no longer has the file that was being read")
	case !pos.whole:
		return c.goOn(pos, paths[i])
	case pos.settings != start.settings, i < 0, !pos.sameEarlier(paths[:i]):
		return c.from(start, paths)
	}
	return c.since(pos, paths, i)
}

// from begins with the first of the files.
func (c *connection) from(start position, paths []string) (*reading, error) {
	if len(paths) == 0 {
		c.log.Warn("no file to read", "path", c.settings.Path)
		return &reading{pos: c.nothing()}, nil
	}
	pos, err := start.fileAt(paths[0])
	if err != nil {
		return nil, err
	}
	return c.goOn(pos, paths[0])
}

// nothing is the position behind a walk that found no file.
func (c *connection) nothing() position {
	return position{whole: true, settings: c.settings.fingerprint(), encoding: encodingAuto}
}

// goOn opens the file of a position that must not have changed.
func (c *connection) goOn(pos position, path string) (*reading, error) {
	in, err := openInput(path, c.settings, pos)
	if err != nil {
		return nil, err
	}
	if pos.at.offset > 0 {
		if err := in.skipTo(pos.at); err != nil {
			in.close()
			return nil, err
		}
	}
	return &reading{pos: pos, in: in}, nil
}

// since looks for what came behind the end of a walk, whose last file was
// paths[i].
func (c *connection) since(pos position, paths []string, i int) (*reading, error) {
	found, err := pos.fileAt(paths[i])
	if err != nil {
		return nil, err
	}
	if found.file == pos.file {
		next, path, err := pos.behind(paths[i], paths)
		switch {
		case err != nil:
			return nil, err
		case path == "":
			return &reading{pos: next}, nil
		}
		return c.goOn(next, path)
	}
	if found.file.inode != pos.file.inode || found.file.size <= pos.file.size {
		return c.goOn(found, paths[i])
	}
	return c.appended(pos, found, paths[i])
}

// appended goes on behind what was read of a file that grew, or reads it from
// its beginning where the part that was read is another one.
func (c *connection) appended(pos, found position, path string) (*reading, error) {
	pos.whole, pos.file = false, found.file
	in, err := openInput(path, c.settings, pos)
	if err != nil {
		return c.goOn(found, path)
	}
	same, err := in.extends(pos.at)
	if err == nil && same {
		return &reading{pos: pos, in: in}, nil
	}
	in.close()
	if err != nil {
		return nil, err
	}
	return c.goOn(found, path)
}
