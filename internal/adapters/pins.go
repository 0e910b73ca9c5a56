package adapters

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Pin names one adapter program that may be started.
type Pin struct {
	Name string `json:"name"`
	// Version is the adapter's own, for people; it is not compared.
	Version string `json:"version"`
	// Protocol is the version of the contract that the program speaks; it is
	// not compared.
	Protocol int `json:"protocol"`
	// SHA256 is the digest of the program's file in hexadecimal.
	SHA256 string `json:"sha256"`
}

// maxLockBytes bounds a file of pins.
const maxLockBytes = 1 << 20

// ReadLock reads the pins of a file. Its lines are JSON objects. The error of a
// file that does not exist wraps [os.ErrNotExist].
func ReadLock(path string) ([]Pin, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the pins of adapters: %w", err)
	}
	if st.Size() > maxLockBytes {
		return nil, fmt.Errorf("read the pins of adapters: %s has more than %d bytes; write it again with `rosterd adapter lock --update`",
			path, maxLockBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the pins of adapters: %w", err)
	}
	var pins []Pin
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		pin, err := parsePin(lines.Bytes())
		if err == nil && slices.ContainsFunc(pins, func(p Pin) bool { return p.Name == pin.Name }) {
			err = fmt.Errorf("%s stands here for the second time", pin.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("read the pins of adapters: %s:%d: %w; write the file again with `rosterd adapter lock --update`",
				path, n, err)
		}
		pins = append(pins, pin)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the pins of adapters: %s: %w; write it again with `rosterd adapter lock --update`", path, err)
	}
	return pins, nil
}

func parsePin(line []byte) (Pin, error) {
	var pin Pin
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&pin); err != nil {
		return pin, fmt.Errorf("not a pin: %w", err)
	}
	if sum, err := hex.DecodeString(pin.SHA256); err != nil || len(sum) != 32 || !programName.MatchString(pin.Name) {
		return pin, errors.New("not a pin: no name of an adapter or no SHA-256")
	}
	return pin, nil
}

// WriteLock replaces a file of pins as a whole: a reader, and a crash, meet the
// old one or the new one. The same pins in any order are the same bytes.
func WriteLock(path string, pins []Pin) (err error) {
	pins = slices.SortedFunc(slices.Values(pins), func(a, b Pin) int { return cmp.Compare(a.Name, b.Name) })
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	for _, pin := range pins {
		if err := enc.Encode(pin); err != nil {
			return fmt.Errorf("write the pins of adapters: %w", err)
		}
	}
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("write the pins of adapters: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write the pins of adapters: %w", err), os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(text.Bytes())
	if err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename in a folder last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// checkPin compares a program's digest with its pin. Without a file of pins
// every program is accepted.
func checkPin(lock, name, path, sum string) error {
	if lock == "" {
		return nil
	}
	pins, err := ReadLock(lock)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrPin, name, err)
	}
	i := slices.IndexFunc(pins, func(p Pin) bool { return p.Name == name })
	switch {
	case i < 0:
		return fmt.Errorf("%w: %s (%s, SHA-256 %s) is not in %s; if it is wanted there, run `rosterd adapter lock`",
			ErrPin, name, path, sum, lock)
	case pins[i].SHA256 != sum:
		return fmt.Errorf("%w: %s has SHA-256 %s, but %s has %s (version %s); put that file back, or accept this one with"+
			" `rosterd adapter lock --update`", ErrPin, path, sum, lock, pins[i].SHA256, pins[i].Version)
	}
	return nil
}
