package main

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The bounds of what a row may be. A quote that is never closed would make the
// rest of the file one value; the bounds end it.
const (
	maxValueBytes = 64 << 10
	maxRowBytes   = 1 << 20
	firstBuffer   = 256 << 10
)

// Why a row is rejected. The words are the same for every row of one cause, so
// that rejected rows can be counted by cause, and hold no values.
const (
	faultFewer    = "it has fewer values than the header line has columns"
	faultMore     = "it has more values than the header line has columns"
	faultStray    = "a quote stands inside a value: quotes go around a whole value and are doubled within it"
	faultUnclosed = "a quote is opened and not closed within 64 KiB"
	faultValue    = "a value is longer than 64 KiB"
	faultRow      = "the row is longer than 1 MiB"
)

// field is one value of a row, as positions in row.raw without its quotes.
type field struct {
	from, to int
	// escaped says that doubled quotes or CRLF line breaks have to be
	// replaced before the value can be used.
	escaped bool
}

// row is one record of the file. It points into the scanner's buffer and is
// good until the next one is asked for.
type row struct {
	// line is where the row starts, counted from 1.
	line int
	raw  []byte
	// fields are the values; of a row with a fault, those before the fault.
	fields []field
	// fault says why the row cannot be used; empty for a good one.
	fault string
}

// scanner cuts UTF-8 text into rows after RFC 4180, reading it once in large
// blocks. A row with a fault costs only its own first line: scanning goes on
// at the line behind it, so a stray quote cannot swallow the rows that follow.
//
// Rows that start with a fault may be scanned more than once, each time over at
// most as many values as there are columns; the work stays linear in the
// length of the text.
type scanner struct {
	src   io.Reader
	comma byte
	// columns is the number of values that a row must have; 0 accepts any.
	columns int

	buf      []byte
	from, to int // what is not consumed is buf[from:to]
	summed   int // buf[:summed] is in sum
	ended    bool
	failed   error

	offset int64  // of buf[from] in the text
	line   int    // of buf[from]
	sum    uint32 // CRC-32C of the text before the last settled byte
	// open says that the last row ended with the text and not with a line
	// break, so that what is appended to the text may belong to it.
	open bool

	fields []field
	// lineEnd is where the line that a quoted row is being scanned in ends,
	// counted from the start of the row.
	lineEnd int
}

func newScanner(src io.Reader, comma byte) *scanner {
	return &scanner{src: src, comma: comma, line: 1, buf: make([]byte, firstBuffer)}
}

// castagnoli is computed in hardware on the machines that matter.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// reset moves the scanner to another place of the text, from which src reads.
func (s *scanner) reset(src io.Reader, at place) {
	s.src, s.from, s.to, s.summed = src, 0, 0, 0
	s.ended, s.failed = false, nil
	s.offset, s.line, s.sum, s.open = at.offset, at.line, at.sum, at.open
}

// place returns how far the text was consumed.
func (s *scanner) place() place {
	s.settle()
	return place{offset: s.offset, line: s.line, sum: s.sum, open: s.open}
}

// next returns the next row that is not empty; false at the end of the text.
func (s *scanner) next() (row, bool, error) {
	end, more, err := s.skipEmpty()
	if err != nil || !more {
		return row{}, false, err
	}
	if end > maxRowBytes {
		return s.overlong()
	}
	line := trimEnd(s.buf[s.from : s.from+end])
	if bytes.IndexByte(line, '"') >= 0 {
		return s.quotedRow(end)
	}
	r := row{line: s.line, raw: line}
	r.fields, r.fault = s.split(line)
	s.endRow(end)
	return r, true, nil
}

// atEnd reports whether only empty lines are left.
func (s *scanner) atEnd() (bool, error) {
	_, more, err := s.skipEmpty()
	return !more, err
}

// skipEmpty consumes lines without a value and returns the length of the line
// behind them, its line break included.
func (s *scanner) skipEmpty() (end int, more bool, err error) {
	for {
		end, err = s.lineLength()
		if err != nil || end == 0 {
			return 0, false, err
		}
		if end > maxRowBytes || !s.blank(s.buf[s.from:s.from+end]) {
			return end, true, nil
		}
		s.endRow(end)
	}
}

// blank reports whether a line holds nothing but delimiters and white space:
// spreadsheets write such lines behind their data.
func (s *scanner) blank(line []byte) bool {
	for _, c := range line {
		if c != s.comma && c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// lineLength returns the length of the line at hand with its line break, 0 at
// the end of the text, and more than maxRowBytes for a line beyond that.
func (s *scanner) lineLength() (int, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(s.buf[s.from+seen:s.to], '\n'); i >= 0 {
			return seen + i + 1, nil
		}
		seen = s.to - s.from
		if seen > maxRowBytes {
			return seen, nil
		}
		if more, err := s.fill(); err != nil || !more {
			return seen, err
		}
	}
}

// split cuts a line without quotes.
func (s *scanner) split(line []byte) ([]field, string) {
	s.fields = s.fields[:0]
	from := 0
	for {
		to := bytes.IndexByte(line[from:], s.comma)
		if to < 0 {
			to = len(line)
		} else {
			to += from
		}
		if to-from > maxValueBytes {
			return s.fields, faultValue
		}
		s.fields = append(s.fields, field{from: from, to: to})
		if to == len(line) {
			return s.fields, s.countFault()
		}
		from = to + 1
	}
}

// countFault compares the number of values with the header line's.
func (s *scanner) countFault() string {
	switch {
	case s.columns == 0 || len(s.fields) == s.columns:
		return ""
	case len(s.fields) < s.columns:
		return faultFewer
	}
	return faultMore
}

// quotedRow scans a row that has quotes in its first line, which is lineEnd
// bytes long. The row may go on behind that line.
func (s *scanner) quotedRow(lineEnd int) (row, bool, error) {
	s.fields, s.lineEnd = s.fields[:0], lineEnd
	pos, fault := 0, ""
	for done := false; !done && fault == ""; {
		var err error
		pos, done, fault, err = s.quotedField(pos)
		if err != nil {
			return row{}, false, err
		}
		switch {
		case fault != "":
		case pos > maxRowBytes:
			fault = faultRow
		case !done && s.columns > 0 && len(s.fields) == s.columns:
			fault = faultMore
		}
	}
	if fault == "" {
		fault = s.countFault()
	}
	r := row{line: s.line, fields: s.fields, fault: fault}
	if fault != "" {
		r.raw = trimEnd(s.buf[s.from : s.from+lineEnd])
		s.endRow(lineEnd)
		return r, true, nil
	}
	r.raw = s.buf[s.from : s.from+pos]
	s.endRow(pos)
	return r, true, nil
}

// quotedField scans the value at pos and the delimiter or line break behind
// it, and returns where the next value starts; done behind the last one.
func (s *scanner) quotedField(pos int) (next int, done bool, fault string, err error) {
	first, err := s.byteAt(pos)
	if err != nil {
		return pos, false, "", err
	}
	if first != '"' {
		return s.bareField(pos)
	}
	f := field{from: pos + 1}
	pos, f.escaped, fault, err = s.closingQuote(pos + 1)
	if err != nil || fault != "" {
		return pos, false, fault, err
	}
	f.to = pos
	s.fields = append(s.fields, f)
	return s.behindQuote(pos + 1)
}

// behindQuote accepts a delimiter, a line break or the end of the text.
func (s *scanner) behindQuote(pos int) (next int, done bool, fault string, err error) {
	c, err := s.byteAt(pos)
	if err != nil {
		return pos, false, "", err
	}
	if c == '\r' {
		after, err := s.byteAt(pos + 1)
		if err != nil {
			return pos, false, "", err
		}
		if after == '\n' || after == endOfText {
			pos, c = pos+1, after
		}
	}
	switch c {
	case int(s.comma):
		return pos + 1, false, "", nil
	case '\n':
		return pos + 1, true, "", nil
	case endOfText:
		return pos, true, "", nil
	}
	return pos, false, faultStray, nil
}

// bareField scans a value that has no quotes around it.
func (s *scanner) bareField(pos int) (next int, done bool, fault string, err error) {
	if pos >= s.lineEnd {
		// A quoted value went on over the end of the line.
		if s.lineEnd, err = s.lineLengthFrom(pos); err != nil {
			return pos, false, "", err
		}
	}
	value := s.buf[s.from+pos : s.from+s.lineEnd]
	if i := bytes.IndexByte(value, s.comma); i >= 0 {
		value, next = value[:i], pos+i+1
	} else {
		value, next, done = trimEnd(value), s.lineEnd, true
	}
	switch {
	case bytes.IndexByte(value, '"') >= 0:
		return pos, false, faultStray, nil
	case len(value) > maxValueBytes:
		return pos, false, faultValue, nil
	}
	s.fields = append(s.fields, field{from: pos, to: pos + len(value)})
	return next, done, "", nil
}

// lineLengthFrom returns where the line that pos stands in ends, counted from
// the start of the row.
func (s *scanner) lineLengthFrom(pos int) (int, error) {
	for seen := pos; ; seen = s.to - s.from {
		if i := bytes.IndexByte(s.buf[s.from+seen:s.to], '\n'); i >= 0 {
			return seen + i + 1, nil
		}
		if s.to-s.from > maxRowBytes {
			return s.to - s.from, nil
		}
		if more, err := s.fill(); err != nil || !more {
			return s.to - s.from, err
		}
	}
}

// closingQuote finds the quote that closes the value starting at pos.
func (s *scanner) closingQuote(pos int) (end int, escaped bool, fault string, err error) {
	start := pos
	for {
		i := bytes.IndexByte(s.buf[s.from+pos:s.to], '"')
		if i < 0 {
			pos = s.to - s.from
			if pos-start > maxValueBytes {
				return pos, false, faultUnclosed, nil
			}
			more, err := s.fill()
			if err != nil {
				return pos, false, "", err
			}
			if !more {
				return pos, false, faultUnclosed, nil
			}
			continue
		}
		pos += i
		if pos-start > maxValueBytes {
			return pos, false, faultUnclosed, nil
		}
		after, err := s.byteAt(pos + 1)
		if err != nil {
			return pos, false, "", err
		}
		if after != '"' {
			value := s.buf[s.from+start : s.from+pos]
			return pos, escaped || bytes.IndexByte(value, '\r') >= 0, "", nil
		}
		escaped = true
		pos += 2
	}
}

// endOfText is what byteAt returns behind the last byte.
const endOfText = -1

// byteAt returns the byte at pos, counted from the start of the row.
func (s *scanner) byteAt(pos int) (int, error) {
	for s.from+pos >= s.to {
		if s.to-s.from > maxRowBytes {
			return endOfText, nil
		}
		if more, err := s.fill(); err != nil || !more {
			return endOfText, err
		}
	}
	return int(s.buf[s.from+pos]), nil
}

// overlong rejects a line beyond maxRowBytes and consumes it to its end.
func (s *scanner) overlong() (row, bool, error) {
	r := row{line: s.line, fault: faultRow}
	r.raw = bytes.Clone(s.buf[s.from : s.from+maxKeptBytes])
	for {
		if i := bytes.IndexByte(s.buf[s.from:s.to], '\n'); i >= 0 {
			s.endRow(i + 1)
			return r, true, nil
		}
		s.consume(s.to - s.from)
		more, err := s.fill()
		if err != nil {
			return row{}, false, err
		}
		if !more {
			s.open = true
			return r, true, nil
		}
	}
}

// endRow consumes a row with its line break.
func (s *scanner) endRow(length int) {
	text := s.buf[s.from : s.from+length]
	s.open = text[length-1] != '\n'
	s.line += bytes.Count(text, []byte{'\n'})
	s.consume(length)
}

func (s *scanner) consume(n int) {
	s.from += n
	s.offset += int64(n)
}

// settle adds what was consumed to the sum.
func (s *scanner) settle() {
	s.sum = crc32.Update(s.sum, castagnoli(), s.buf[s.summed:s.from])
	s.summed = s.from
}

// fill reads more text behind what is buffered; false at the end of the text.
func (s *scanner) fill() (bool, error) {
	if s.failed != nil || s.ended {
		return false, s.failed
	}
	s.makeRoom()
	for range 100 {
		n, err := s.src.Read(s.buf[s.to:])
		s.to += n
		if errors.Is(err, io.EOF) {
			s.ended = true
			return n > 0, nil
		}
		if err != nil {
			s.failed = fmt.Errorf("read near line %d: %w", s.line, err)
			return false, s.failed
		}
		if n > 0 {
			return true, nil
		}
	}
	s.failed = fmt.Errorf("read near line %d: %w", s.line, io.ErrNoProgress)
	return false, s.failed
}

// makeRoom moves what is not consumed to the front of the buffer, or doubles
// the buffer when it is full of one row.
func (s *scanner) makeRoom() {
	s.settle()
	if s.from > 0 {
		copy(s.buf, s.buf[s.from:s.to])
		s.to -= s.from
		s.from, s.summed = 0, 0
	}
	if s.to == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
}

// trimEnd cuts the line break off a line; a carriage return at the end of the
// text counts as one.
func trimEnd(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}

// value returns the text of a field; scratch is overwritten when the text
// differs from what stands in the file.
func (r row) value(f field, scratch *[]byte) []byte {
	text := r.raw[f.from:f.to]
	if !f.escaped {
		return text
	}
	out := (*scratch)[:0]
	for i := 0; i < len(text); i++ {
		c := text[i]
		if i+1 < len(text) && ((c == '"' && text[i+1] == '"') || (c == '\r' && text[i+1] == '\n')) {
			i++
			c = text[i]
		}
		out = append(out, c)
	}
	*scratch = out
	return out
}
