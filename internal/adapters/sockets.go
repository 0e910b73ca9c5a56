package adapters

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// socketPrefix begins the names of the directories that go-plugin makes, one
// for each process.
const socketPrefix = "plugin-dir"

// maxSocketName is the longest name of a socket below the runtime directory:
// /plugin-dir and /plugin, each with up to ten random digits.
const maxSocketName = len("/"+socketPrefix) + 10 + len("/plugin") + 10

// maxSocketPath is what the kernel takes for a Unix socket (sun_path without
// the final NUL).
const maxSocketPath = 107

// MaxRuntimeDir bounds the length of [Options].RuntimeDir in bytes.
const MaxRuntimeDir = maxSocketPath - maxSocketName

// prepareRuntimeDir makes the directory private. It returns the absolute path.
func prepareRuntimeDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil || dir == "" {
		return "", fmt.Errorf("runtime directory of adapters %q: %w", dir, errors.Join(err, os.ErrInvalid))
	}
	if len(abs) > MaxRuntimeDir {
		return "", fmt.Errorf("runtime directory of adapters %s: the path has %d bytes, at most %d leave room"+
			" for the names of sockets below it; choose a shorter one", abs, len(abs), MaxRuntimeDir)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return "", fmt.Errorf("make runtime directory of adapters: %w", err)
	}
	// The address of a socket is compared with this path: it must not lead
	// through a link.
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return "", fmt.Errorf("runtime directory of adapters: %w", err)
	}
	if err := os.Chmod(abs, 0o700); err != nil {
		return "", fmt.Errorf("make runtime directory of adapters private: %w", err)
	}
	return abs, nil
}

// wipe removes the sockets that a killed daemon left.
func wipe(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, socketPrefix+"*"))
	if err != nil {
		return fmt.Errorf("list runtime directory of adapters: %w", err)
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove left-over sockets: %w", err)
		}
	}
	return nil
}
