package adapters

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"syscall"
)

// program is the open file of an adapter: what is read, what is compared with
// its pin and what is executed are one file, whatever becomes of its path.
type program struct {
	name string
	path string
	file *os.File
	is   fileID
	// lock is the file with the digests that are accepted; empty for none.
	lock string
	// sum is the file's SHA-256 in hexadecimal, once it was verified.
	sum string
}

// fileID tells whether a path leads to the same file with the same content.
type fileID struct {
	device, inode     uint64
	size              int64
	modified, changed syscall.Timespec
}

// identify is the identity of a file, zero for one that is not there.
func identify(st os.FileInfo, err error) fileID {
	if err != nil {
		return fileID{}
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}
	}
	return fileID{device: sys.Dev, inode: sys.Ino, size: sys.Size, modified: sys.Mtim, changed: sys.Ctim}
}

func openProgram(name, path, lock string) (*program, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrStart, name, err)
	}
	return &program{name: name, path: path, file: file, is: identify(file.Stat()), lock: lock}, nil
}

// verify computes the digest and compares it with the pin, which is read at
// every start: a change that an operator accepts needs no restart.
func (p *program) verify() error {
	sum, err := p.digest()
	if err != nil {
		return err
	}
	p.sum = sum
	return checkPin(p.lock, p.name, p.path, sum)
}

func (p *program) digest() (string, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(p.file, 0, math.MaxInt64)); err != nil {
		return "", fmt.Errorf("%w: %s: read the program: %w", ErrStart, p.name, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// confirm makes sure that what runs is what was verified: the file may have
// been written to in between. While a program runs the kernel refuses writing
// to it, and nobody can set a file's time of change back.
func (p *program) confirm() error {
	if identify(p.file.Stat()) == p.is {
		return nil
	}
	sum, err := p.digest()
	if err != nil {
		return err
	}
	if sum != p.sum {
		return fmt.Errorf("%w: the file %s was written to while it was started (SHA-256 %s, then %s);"+
			" replace programs by renaming", ErrPin, p.path, p.sum, sum)
	}
	return nil
}

func (p *program) close() error {
	if err := p.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close %s: %w", p.path, err)
	}
	return nil
}
