package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// maxHeaderBytes bounds the header line: it travels with every page.
const maxHeaderBytes = 64 << 10

// header is what the header line of a file says.
type header struct {
	columns []string
	id      int
	club    int // -1 without one
}

// readHeader reads the header line, finding the delimiter where the scanner
// has none yet.
func readHeader(scan *scanner, s settings) (header, error) {
	if err := findComma(scan, s); err != nil {
		return header{}, err
	}
	r, more, err := scan.next()
	switch {
	case err != nil:
		return header{}, err
	case !more:
		return header{}, errors.New("the file is empty: its first line must name the columns")
	case r.fault != "":
		return header{}, fmt.Errorf("line %d, the header line, cannot be used: %s", r.line, r.fault)
	case len(r.raw) > maxHeaderBytes || len(r.fields) > sdk.MaxColumns:
		return header{}, fmt.Errorf("line %d, the header line, has more than %d columns or %d bytes", r.line, sdk.MaxColumns, maxHeaderBytes)
	case !utf8.Valid(r.raw) || bytes.IndexByte(r.raw, 0) >= 0:
		return header{}, fmt.Errorf("line %d, the header line, is not text in the file's encoding: set encoding in the connection's settings", r.line)
	}
	names := columnNames(r)
	h := header{columns: names, id: index(names, s.ID), club: -1}
	if err := checkNames(names); err != nil {
		return header{}, fmt.Errorf("line %d, the header line: %w", r.line, err)
	}
	if h.id < 0 {
		return header{}, missingColumn("id", s.ID, names)
	}
	if s.Club != "" {
		if h.club = index(names, s.Club); h.club < 0 {
			return header{}, missingColumn("club", s.Club, names)
		}
	}
	scan.columns = len(names)
	return h, nil
}

// columnNames returns a header line's values without the space around them.
func columnNames(r row) []string {
	var scratch []byte
	names := make([]string, 0, len(r.fields))
	for _, f := range r.fields {
		names = append(names, strings.Trim(string(r.value(f, &scratch)), " \t\r\n\u00a0\u200b\ufeff"))
	}
	return names
}

func index(names []string, name string) int {
	for i, have := range names {
		if have == name {
			return i
		}
	}
	return -1
}

func checkNames(names []string) error {
	first := make(map[string]int, len(names))
	for i, name := range names {
		if strings.Contains(name, "\r") {
			return errors.New("lines end with a carriage return alone: save the file with line breaks of Unix (LF) or Windows (CRLF)")
		}
		if name == "" {
			return fmt.Errorf("column %d has no name: name it in the file, or take it out", i+1)
		}
		if j, ok := first[name]; ok {
			return fmt.Errorf("columns %d and %d have the same name: rename one of them in the file", j+1, i+1)
		}
		first[name] = i
	}
	return nil
}

// missingColumn names the columns that are there, unless the first line seems
// to be somebody's data: an error text holds none.
func missingColumn(setting, name string, names []string) error {
	if looksLikeData(names) {
		return fmt.Errorf("there is no column %q, as the setting %s asks for, and the first line looks like a record: "+
			"the file's first line must name the columns", name, setting)
	}
	const most = 50
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	return fmt.Errorf("there is no column %q: set %s to one of %q%s", name, setting, names, more)
}

// looksLikeData reports whether any of the names reads like an e-mail address,
// a number, a date or a telephone number.
func looksLikeData(names []string) bool {
	for _, name := range names {
		digits := 0
		for _, c := range name {
			if c >= '0' && c <= '9' {
				digits++
			}
		}
		if strings.Contains(name, "@") || 2*digits > len(name) || len(name) > 100 {
			return true
		}
	}
	return false
}

// commas are the delimiters that are looked for, the likeliest first.
const commas = ",;\t"

// findComma sets the scanner's delimiter from the text at hand, if it has none.
// A first line "sep=;", as spreadsheets write it, says so and is consumed.
func findComma(scan *scanner, s settings) error {
	end, more, err := scan.skipEmpty()
	if err != nil || !more {
		return err
	}
	line := trimEnd(scan.buf[scan.from : scan.from+end])
	if sep, ok := bytes.CutPrefix(line, []byte("sep=")); ok && len(sep) == 1 && strings.Contains(commas, string(sep)) {
		scan.endRow(end)
		if scan.comma == 0 {
			scan.comma = sep[0]
		}
	}
	if scan.comma != 0 {
		return nil
	}
	head := scan.buf[scan.from:min(scan.to, scan.from+maxHeaderBytes)]
	best := -1
	for _, comma := range []byte(commas) {
		if score := headerScore(head, comma, s); score > best {
			best, scan.comma = score, comma
		}
	}
	return nil
}

// headerScore says how well a delimiter suits a header line: the columns that
// the settings name weigh more than any number of others.
func headerScore(head []byte, comma byte, s settings) int {
	r, more, err := newScanner(bytes.NewReader(head), comma).next()
	if err != nil || !more || r.fault != "" {
		return 0
	}
	names := columnNames(r)
	score := len(names)
	for _, name := range []string{s.ID, s.Club} {
		if name != "" && index(names, name) >= 0 {
			score += maxHeaderBytes
		}
	}
	return score
}
