package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// appendLines appends lines to a file with one write and waits until they are on
// the disk. With an error the result says what is known of them.
func appendLines(path string, text []byte) (sdk.Result, error) {
	f, size, err := openEnd(path)
	switch {
	case errors.Is(err, errBusy):
		res := refusal(sdk.ClassRetry, sdk.CodeUnavailable, "")
		res.After = busyWait
		return res, err
	case err != nil:
		return refusal(sdk.ClassFail, sdk.CodeConfig, ""), err
	}
	if _, err := f.Write(text); err != nil {
		res := refusal(sdk.ClassRetry, sdk.CodeUnavailable, "")
		res.After = ioWait
		// What was written of it is taken back: none of it was done.
		if undo := f.Truncate(size); undo != nil {
			res = sdk.Result{Outcome: sdk.OutcomeUnknown, Code: sdk.CodeUnavailable}
		}
		_ = f.Close() // the write has failed already
		return res, err
	}
	err = f.Sync()
	if err = errors.Join(err, f.Close()); err != nil {
		return sdk.Result{Outcome: sdk.OutcomeUnknown, Code: sdk.CodeUnavailable}, err
	}
	return sdk.Result{}, nil
}

// openEnd opens a file for appending behind its last whole line, alone, and
// makes it where it is missing.
func openEnd(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = create(path)
	}
	if err != nil {
		return nil, 0, err
	}
	size, err := settleEnd(f)
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, 0, err
	}
	return f, size, nil
}

// create makes the file, so that it is found after a power cut too.
func create(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// settleEnd takes the file for this process and cuts off a last line that a
// crash left without its end: nobody was told that it was written.
func settleEnd(f *os.File) (size int64, err error) {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return 0, errBusy
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, errors.New("it is not a regular file")
	case info.Size() == 0:
		return 0, nil
	}
	size = info.Size()
	end, err := lastLine(f, size)
	if err != nil || end == size {
		return size, err
	}
	return end, f.Truncate(end)
}

// lastLine returns where the last whole line of a file ends.
func lastLine(f io.ReaderAt, size int64) (int64, error) {
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return size, err
	}
	chunk := make([]byte, chunkBytes)
	for end := size; end > 0; {
		from := max(0, end-chunkBytes)
		if _, err := f.ReadAt(chunk[:end-from], from); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(chunk[:end-from], '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		end = from
	}
	return 0, nil
}

// writable tries to open a file for writing without changing anything.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		info, err := os.Stat(filepath.Dir(path))
		if err == nil && !info.IsDir() {
			err = errors.New("its folder is none")
		}
		return err
	}
	if err != nil {
		return err
	}
	return f.Close()
}
