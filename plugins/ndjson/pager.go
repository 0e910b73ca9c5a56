package main

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// The bounds of a page beside its number of records.
const (
	// maxPageBytes leaves room for ids, clubs and positions.
	maxPageBytes     = sdk.MaxPageBytes - 1<<20
	maxPageCells     = 512 << 10
	maxRejectedBytes = 1 << 20
	maxIDBytes       = 256
	// metaBytes is what a record's id, club and position mostly take.
	metaBytes = 48
)

// Why a line is rejected, beside what the scanner says.
const (
	faultLong     = "it is longer than 1 MiB"
	faultUTF8     = "it is not valid UTF-8"
	faultCut      = "it is the last line, and neither a whole object nor ended by a line break: its writer may not have finished"
	faultNoID     = "it has no id: the key that the setting id names is missing, or neither a string nor a number"
	faultID       = "its id is longer than 256 bytes or holds control characters"
	faultClub     = "its club id is longer than 256 bytes, holds control characters, or is neither a string nor a number"
	faultKeys     = "it has more than 1,024 keys"
	faultEmptyKey = "it has an empty key"
	faultTwice    = "it has the same key twice"
)

// value is one value of a row, in the pager's text.
type value struct {
	column     int
	kind       sdk.CellKind
	start, end int
}

// row is one record: where its values begin and end, which of them are its id
// and club (-1 for none), and its line.
type row struct {
	first, end int
	id, club   int
	line       int64
}

// verdict is what became of a line.
type verdict int

const (
	// taken: it is in the page, or needs no place there.
	taken verdict = iota
	// full: the page has no room for it.
	full
	// unfinished: it has to be read again by the next walk.
	unfinished
)

// pager packs lines into a page. The columns are known only when all rows
// were read, so that they are kept until then. It serves one goroutine.
type pager struct {
	settings settings
	lines    lines
	pos      position

	columns []string
	index   map[string]int
	// seen holds for each column the line that it was last met in.
	seen   []int64
	text   []byte
	values []value
	rows   []row

	rejected      []sdk.Rejected
	rejectedBytes int
	key           []byte
}

func newPager(s settings) *pager { return &pager{settings: s, index: map[string]int{}} }

func (p *pager) reset(in io.ReaderAt, pos position) {
	p.pos = pos
	p.lines.reset(in, pos.offset)
	// The names go with the page that they were made for.
	p.columns, p.rejected, p.rejectedBytes = nil, nil, 0
	p.seen, p.text, p.values, p.rows = p.seen[:0], p.text[:0], p.values[:0], p.rows[:0]
	clear(p.index)
}

// fill reads lines until the page is full or the file has ended.
func (p *pager) fill(ctx context.Context, limit int) error {
	p.pos.whole = false
	for n := 0; len(p.rows)+len(p.rejected) < limit && p.rejectedBytes < maxRejectedBytes; n++ {
		if n%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		ln, more, err := p.lines.next()
		if err != nil {
			return err
		}
		if !more {
			p.pos.whole = true
			return nil
		}
		switch p.add(ln) {
		case full:
			return nil
		case unfinished:
			p.pos.whole = true
			return nil
		case taken:
		}
		p.pos.offset += ln.size
		p.pos.line++
	}
	var err error
	p.pos.whole, err = p.lines.atEnd()
	return err
}

// add takes one line.
func (p *pager) add(ln line) verdict {
	text := ln.text
	if p.pos.offset == 0 {
		text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	}
	if !ln.long && len(bytes.TrimSpace(text)) == 0 {
		return taken
	}
	before := mark{len(p.columns), len(p.values), len(p.text), len(p.rows)}
	fault := faultLong
	if !ln.long {
		fault = p.record(text)
	}
	if fault == "" {
		if len(p.columns) <= sdk.MaxColumns && !p.tooLarge() {
			return taken
		}
		if before.rows > 0 {
			p.undo(before)
			return full
		}
		fault = faultKeys
	}
	p.undo(before)
	return p.reject(ln, text, fault)
}

// mark is how far a page was filled.
type mark struct{ columns, values, text, rows int }

// tooLarge reports whether the page passes its bounds: every column takes a
// byte in every row, also where the row has no such key.
func (p *pager) tooLarge() bool {
	cells := len(p.rows) * (3 + len(p.columns))
	return cells > maxPageCells || len(p.text)+cells > maxPageBytes
}

// undo takes back what was added behind a mark.
func (p *pager) undo(to mark) {
	for _, name := range p.columns[to.columns:] {
		delete(p.index, name)
	}
	p.columns, p.seen = p.columns[:to.columns], p.seen[:to.columns]
	p.values, p.text, p.rows = p.values[:to.values], p.text[:to.text], p.rows[:to.rows]
}

// reject hands on what is left of a line that cannot be a record.
func (p *pager) reject(ln line, text []byte, fault string) verdict {
	if !ln.broken {
		fault = faultCut
	}
	raw := bytes.Clone(text[:min(len(text), sdk.MaxRawBytes)])
	p.rejectedBytes += len(raw)
	p.rejected = append(p.rejected, sdk.Rejected{Position: string(p.where(p.pos.line)), Reason: fault, Raw: raw})
	if !ln.broken {
		return unfinished
	}
	return taken
}

func (p *pager) where(line int64) []byte {
	p.key = strconv.AppendInt(append(p.key[:0], "line "...), line, 10)
	return p.key
}

// record reads one object and adds it as a row; it returns what is wrong with
// it.
func (p *pager) record(text []byte) (fault string) {
	if !utf8.Valid(text) {
		return faultUTF8
	}
	r := row{first: len(p.values), id: -1, club: -1, line: p.pos.line}
	if fault := p.object(text, &r); fault != "" {
		return fault
	}
	r.end = len(p.values)
	switch id, ok := p.word(r.id); {
	case !ok || len(id) == 0:
		return faultNoID
	case !isID(id):
		return faultID
	}
	if r.club >= 0 && p.values[r.club].kind == sdk.CellNull {
		r.club = -1
	}
	if club, ok := p.word(r.club); r.club >= 0 && (!ok || !isID(club)) {
		return faultClub
	}
	p.rows = append(p.rows, r)
	return ""
}

// word returns a value that can be an id.
func (p *pager) word(i int) ([]byte, bool) {
	if i < 0 {
		return nil, false
	}
	v := p.values[i]
	return bytes.TrimSpace(p.text[v.start:v.end]), v.kind == sdk.CellString || v.kind == sdk.CellNumber
}

// isID keeps out what could not be a key or would tear a log line apart.
func isID(id []byte) bool {
	return len(id) <= maxIDBytes && !slices.ContainsFunc(id, func(c byte) bool { return c < ' ' || c == 0x7f })
}

// column returns the index of the column with a name. Objects of one file
// mostly have the same keys in the same order, so that the guess is right.
func (p *pager) column(name []byte, guess int) int {
	if guess < len(p.columns) && p.columns[guess] == string(name) {
		return guess
	}
	if i, ok := p.index[string(name)]; ok {
		return i
	}
	i := len(p.columns)
	p.columns = append(p.columns, string(name))
	p.index[p.columns[i]] = i
	p.seen = append(p.seen, 0)
	return i
}

// page packs the rows.
func (p *pager) page(kind sdk.Kind) (*sdk.Page, error) {
	b := sdk.NewPageBuilder(kind, p.columns)
	b.Grow(len(p.rows), len(p.text)+len(p.rows)*(3+len(p.columns)+metaBytes))
	slots := make([]int, len(p.columns))
	for _, r := range p.rows {
		for i := range slots {
			slots[i] = -1
		}
		for i := r.first; i < r.end; i++ {
			slots[p.values[i].column] = i
		}
		id, _ := p.word(r.id)
		club, _ := p.word(r.club)
		// These conversions stay on the stack for ids of the usual length.
		b.Add(string(id), string(club), string(p.where(r.line)))
		for _, i := range slots {
			if i < 0 {
				b.Absent()
				continue
			}
			p.put(b, p.values[i])
		}
	}
	for _, r := range p.rejected {
		b.Reject(r)
	}
	return b.Page(p.pos.cursor(), p.pos.whole)
}

func (p *pager) put(b *sdk.PageBuilder, v value) {
	text := p.text[v.start:v.end]
	switch v.kind {
	case sdk.CellString:
		b.Bytes(text)
	case sdk.CellNumber:
		b.Number(string(text))
	case sdk.CellBool:
		b.Bool(text[0] == 't')
	case sdk.CellJSON:
		b.JSON(text)
	case sdk.CellNull, sdk.CellAbsent:
		b.Null()
	}
}
