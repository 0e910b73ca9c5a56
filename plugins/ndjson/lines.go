package main

import (
	"bytes"
	"errors"
	"io"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// maxLineBytes bounds a line; a longer one is rejected without being held.
const maxLineBytes = 1 << 20

// chunkBytes are read at once.
const chunkBytes = 256 << 10

// lines cuts a text into lines.
type lines struct {
	in  io.ReaderAt
	buf []byte
	// text[from:] is what was read and not handed out; at is the offset of
	// text[0] in the file.
	text  []byte
	from  int
	at    int64
	ended bool
}

// line is one line of the file without its line break.
type line struct {
	text []byte
	// size is what it takes in the file, the line break included.
	size int64
	// broken says that a line break ends it.
	broken bool
	// long says that the line passes [maxLineBytes]; text is its beginning.
	long bool
}

func (l *lines) reset(in io.ReaderAt, at int64) {
	l.in, l.at, l.from, l.ended = in, at, 0, false
	l.text = l.text[:0]
	if l.buf == nil {
		l.buf = make([]byte, 0, chunkBytes)
	}
}

// next returns the next line; more is false behind the last one. The line is
// valid until the next call.
func (l *lines) next() (_ line, more bool, err error) {
	searched := l.from
	for {
		if i := bytes.IndexByte(l.text[searched:], '\n'); i >= 0 {
			end := searched + i
			ln := line{text: l.text[l.from:end], size: int64(end + 1 - l.from), broken: true}
			ln.long = len(ln.text) > maxLineBytes
			l.from = end + 1
			return ln, true, nil
		}
		searched = len(l.text)
		rest := len(l.text) - l.from
		switch {
		case rest > maxLineBytes:
			return l.skip()
		case l.ended && rest == 0:
			return line{}, false, nil
		case l.ended:
			ln := line{text: l.text[l.from:], size: int64(rest)}
			l.from = len(l.text)
			return ln, true, nil
		}
		searched -= l.from
		if err := l.read(); err != nil {
			return line{}, false, err
		}
	}
}

// read drops what was handed out and reads on.
func (l *lines) read() error {
	rest := copy(l.buf[:cap(l.buf)], l.text[l.from:])
	l.at += int64(l.from)
	l.from = 0
	if rest+chunkBytes/2 > cap(l.buf) {
		grown := make([]byte, rest, 2*cap(l.buf))
		copy(grown, l.buf[:rest])
		l.buf = grown
	}
	free := l.buf[rest:cap(l.buf)]
	n, err := l.in.ReadAt(free, l.at+int64(rest))
	l.text = l.buf[:rest+n]
	if errors.Is(err, io.EOF) {
		l.ended = true
		return nil
	}
	return err
}

// skip passes over a line that is too long, keeping its beginning.
func (l *lines) skip() (line, bool, error) {
	ln := line{text: bytes.Clone(l.text[l.from : l.from+sdk.MaxRawBytes]), long: true}
	for {
		if i := bytes.IndexByte(l.text[l.from:], '\n'); i >= 0 {
			ln.size, ln.broken = ln.size+int64(i+1), true
			l.from += i + 1
			return ln, true, nil
		}
		ln.size += int64(len(l.text) - l.from)
		l.from = len(l.text)
		if l.ended {
			return ln, true, nil
		}
		if err := l.read(); err != nil {
			return line{}, false, err
		}
	}
}

// atEnd reports whether nothing is left.
func (l *lines) atEnd() (bool, error) {
	for l.from == len(l.text) && !l.ended {
		if err := l.read(); err != nil {
			return false, err
		}
	}
	return l.from == len(l.text), nil
}
