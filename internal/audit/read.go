package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// ErrDamaged says that the log is not as it was written.
var ErrDamaged = errors.New("the audit log was changed or damaged")

// Read calls visit with every entry of a file, in order; a file that is not there has
// none. It fails with [ErrDamaged] at the first line that is not the one that was
// written behind the one before, naming its place. A last line without an end is
// one that is being written.
func Read(path string, visit func(Entry) error) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	lines.Split(wholeLines)
	var before Entry
	for n := 1; lines.Scan(); n++ {
		e, err := follow(before, lines.Bytes())
		if err != nil {
			return fmt.Errorf("read the audit log: %s:%d: %w", path, n, err)
		}
		if err := visit(e); err != nil {
			return err
		}
		before = e
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	return nil
}

// wholeLines is [bufio.ScanLines] without what follows the last line's end.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	advance, token, err = bufio.ScanLines(data, false)
	if advance == 0 && atEOF {
		return len(data), nil, err
	}
	return advance, token, err
}

// follow reads the entry that follows on one.
func follow(before Entry, line []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	sum, err := e.sum()
	switch {
	case err != nil:
		return e, err
	case e.Hash != sum:
		return e, fmt.Errorf("%w: the line is not what was written", ErrDamaged)
	case e.Seq != before.Seq+1 || e.Before != before.Hash:
		return e, fmt.Errorf("%w: entry %d follows entry %d", ErrDamaged, e.Seq, before.Seq)
	}
	return e, nil
}
