package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// sampleBytes of a file's beginning decide how its text is encoded.
const sampleBytes = 1 << 20

// input is one file open for reading.
type input struct {
	path     string
	file     *os.File
	identity identity
	encoding encoding
	header   header
	scan     *scanner
	// start is where the text begins in a file that can be read from any
	// place: one in UTF-8, not compressed. -1 for the others.
	start int64
	// text is the decoded text, unbuffered.
	text io.Reader
}

// openInput opens a file and reads its header line. What an earlier page of the
// same file found is given by known: the delimiter, the encoding, and which
// file it has to be.
func openInput(path string, s settings, known position) (*input, error) {
	f, id, err := openFile(path)
	if err != nil {
		return nil, err
	}
	if known.file != (identity{}) {
		if err := sameFile(path, known.file, id); err != nil {
			_ = f.Close() // only read from
			return nil, err
		}
	}
	in := &input{path: path, file: f, identity: id}
	if err := in.begin(s, known); err != nil {
		_ = f.Close() // only read from
		return nil, in.classify(err)
	}
	return in, nil
}

// openFile opens a regular file. Without O_NONBLOCK a named pipe would hold the
// call until somebody writes to it.
func openFile(path string) (*os.File, identity, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, identity{}, openFault(path, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		_ = f.Close() // only read from
		return nil, identity{}, openFault(path, err)
	}
	return f, identityOf(info), nil
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

// cause is err without the path that package os puts before it.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func identityOf(info fs.FileInfo) identity {
	id := identity{size: info.Size(), mtime: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.inode = st.Ino
	}
	return id
}

// begin finds out what the file is and reads its header line.
func (in *input) begin(s settings, known position) error {
	in.encoding = s.Encoding
	if known.encoding != encodingAuto {
		in.encoding = known.encoding
	}
	if err := in.rewind(); err != nil {
		return err
	}
	comma := known.comma
	if comma == 0 {
		var err error
		if comma, err = s.comma(); err != nil {
			return err
		}
	}
	in.scan = newScanner(in.text, comma)
	var err error
	in.header, err = readHeader(in.scan, s)
	return err
}

// rewind sets text to the file's text from its beginning and finds out how the
// file is compressed and encoded.
func (in *input) rewind() error {
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	raw := bufio.NewReader(in.file)
	magic, err := raw.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var plain io.Reader = raw
	compressed := bytes.Equal(magic, []byte{0x1f, 0x8b})
	if compressed {
		if plain, err = gzip.NewReader(raw); err != nil {
			return err
		}
	}
	// A file that ends within the sample is told apart from a cut-off one by
	// the next read: a reader repeats its error.
	head := make([]byte, sampleBytes)
	n, err := io.ReadFull(plain, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	found, mark := findEncoding(head[:n], in.encoding)
	in.encoding, in.start = found, -1
	if found == encodingUTF8 && !compressed {
		in.start = int64(mark)
	}
	in.text = found.reader(io.MultiReader(bytes.NewReader(head[mark:n]), plain))
	return nil
}

// skipTo goes on at a place that an earlier page reached.
func (in *input) skipTo(at place) error {
	if in.start >= 0 {
		if _, err := in.file.Seek(in.start+at.offset, io.SeekStart); err != nil {
			return in.classify(err)
		}
		in.text = in.file
	} else if _, _, err := in.sumTo(at.offset); err != nil {
		return in.classify(err)
	}
	in.scan.reset(in.text, at)
	return nil
}

// sumTo reads the text up to offset again and returns its checksum, and
// whether the text is that long. What comes behind is left in text.
func (in *input) sumTo(offset int64) (sum uint32, enough bool, err error) {
	if err := in.rewind(); err != nil {
		return 0, false, err
	}
	h := crc32.New(castagnoli())
	n, err := io.CopyN(h, in.text, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return h.Sum32(), n == offset, err
}

// extends reports whether the file is what was read up to a place with more
// text appended, and then goes on there.
func (in *input) extends(at place) (bool, error) {
	sum, enough, err := in.sumTo(at.offset)
	if err != nil {
		return false, in.classify(err)
	}
	if !enough || sum != at.sum {
		return false, nil
	}
	in.scan.reset(in.text, at)
	if !at.open {
		return true, nil
	}
	c, err := in.scan.byteAt(0)
	if err != nil {
		return false, in.classify(err)
	}
	return c == '\n' || c == '\r' || c == endOfText, nil
}

// unchanged fails when the file was changed, replaced or removed since it was
// opened.
func (in *input) unchanged() error {
	info, err := os.Stat(in.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return changed(in.path, "was removed while it was being read")
	case err != nil:
		return changed(in.path, "cannot be looked at any more: "+cause(err).Error())
	}
	return sameFile(in.path, in.identity, identityOf(info))
}

func sameFile(path string, was, is identity) error {
	switch {
	case was == is:
		return nil
	case was.inode != is.inode:
		return changed(path, "was replaced while it was being read")
	case is.size < was.size:
		return changed(path, "became shorter while it was being read")
	}
	return changed(path, "was written to while it was being read")
}

func changed(path, what string) error {
	return sdk.Fail(sdk.CodeChanged, fmt.Errorf("%s %s: write the file under another name, rename it when it is complete, and run the job again", path, what))
}

// classify says what an error of reading means for the run. That the file
// changed explains any other error.
func (in *input) classify(err error) error {
	if err := in.unchanged(); err != nil {
		return err
	}
	name := filepath.Base(in.path)
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, io.ErrUnexpectedEOF), isFlate(err):
		return sdk.Fail(sdk.CodeData, fmt.Errorf("%s: the compressed file is damaged or not complete: copy it again", name))
	case errors.As(err, new(*fs.PathError)):
		return sdk.Retry(ioWait, fmt.Errorf("read %s: %w", name, cause(err)))
	}
	return sdk.Fail(sdk.CodeConfig, fmt.Errorf("%s: %w", name, err))
}

// ioWait is how long to wait after the file system failed, for the time that a
// network share takes to come back.
const ioWait = 10 * time.Second

func isFlate(err error) bool {
	_, ok := errors.AsType[flate.CorruptInputError](err)
	return ok
}

func (in *input) close() { _ = in.file.Close() } // only read from
