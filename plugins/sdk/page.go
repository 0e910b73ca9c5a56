package sdk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxPageBytes bounds the cells of a page. It stays well under the message
// limit of the transport (8 MiB), which also carries ends and rejections.
const MaxPageBytes = 4 << 20

// MaxColumns bounds the columns of a page.
const MaxColumns = 1024

// metaCells are the cells that lead each row: id, club and position.
const metaCells = 3

// Page is a batch of records of one kind with one cursor behind it, packed:
// the column names once, then all cells in one buffer, row by row. Each row
// starts with three string cells: the record's id, its club's id in the
// outside system (empty where there is only one), and its position in the
// source for people ("line 12"; may be empty).
//
// Make one with [PageBuilder]. A page is not changed after it is made.
type Page struct {
	Kind    Kind
	Columns []string
	// Rows is the number of records.
	Rows int
	// Ends holds, for each cell, where it ends in Cells, as little-endian
	// 32-bit numbers.
	Ends []byte
	// Cells holds the cells, each led by a byte of [CellKind].
	Cells []byte
	// Rejected are the records that could not be read.
	Rejected []Rejected
	// Removed are the ids of records that the system says are gone.
	Removed []string
	// Next is the cursor behind the page.
	Next Cursor
	// Done says that there is nothing behind Next at this moment.
	Done bool
}

// Rejected is a record that an adapter could not read.
type Rejected struct {
	// ID is the record's id where it could be read.
	ID string
	// Position says where it stands in the source ("line 12").
	Position string
	// Reason says what is wrong with it, without its values.
	Reason string
	// Raw is what was read, at most [MaxRawBytes] of it. It is kept sealed.
	Raw []byte
}

// MaxRawBytes bounds [Rejected].Raw.
const MaxRawBytes = 4 << 10

// CellKind is the type of one value.
type CellKind byte

// The kinds of cell.
const (
	// CellAbsent: the record has no such field.
	CellAbsent CellKind = iota
	// CellNull: the field is there and empty by intent.
	CellNull
	// CellString: UTF-8 text. Ids, phones and postal codes are strings.
	CellString
	// CellNumber: a JSON number as text, so that no digit is lost.
	CellNumber
	// CellBool: one byte, 0 or 1.
	CellBool
	// CellJSON: an object or an array as JSON.
	CellJSON
)

// Cell is one value, led by its kind. It points into its page.
type Cell []byte

// Kind returns the cell's type.
func (c Cell) Kind() CellKind { return CellKind(c[0]) }

// Bytes returns the value: text, digits, one byte of a bool, or JSON.
func (c Cell) Bytes() []byte { return c[1:] }

// Row is one record of a page.
type Row struct {
	page  *Page
	first int
}

// Row returns record i of the page, which must have passed [Page.Validate].
func (p *Page) Row(i int) Row { return Row{page: p, first: i * (metaCells + len(p.Columns))} }

// ID returns the record's id.
func (r Row) ID() string { return string(r.IDCell().Bytes()) }

// IDCell is the cell that holds [Row.ID].
func (r Row) IDCell() Cell { return r.page.cell(r.first) }

// Club returns the id of the record's club in the outside system.
func (r Row) Club() string { return string(r.page.cell(r.first + 1).Bytes()) }

// ClubCell is the cell that holds [Row.Club].
func (r Row) ClubCell() Cell { return r.page.cell(r.first + 1) }

// Position says where the record stands in the source.
func (r Row) Position() string { return string(r.page.cell(r.first + 2).Bytes()) }

// Cell returns the value in the column with index col.
func (r Row) Cell(col int) Cell { return r.page.cell(r.first + metaCells + col) }

func (p *Page) cell(i int) Cell {
	start := uint32(0)
	if i > 0 {
		start = p.end(i - 1)
	}
	return Cell(p.Cells[start:p.end(i)])
}

func (p *Page) end(i int) uint32 { return binary.LittleEndian.Uint32(p.Ends[4*i:]) }

// ErrPage is wrapped by the errors of [Page.Validate].
var ErrPage = errors.New("malformed page")

// Validate checks that the page can be read without panic and keeps the
// contract's bounds. A page from another process is validated before use.
func (p *Page) Validate() error {
	if err := p.validateHead(); err != nil {
		return err
	}
	cells := p.Rows * (metaCells + len(p.Columns))
	if len(p.Ends) != 4*cells {
		return fmt.Errorf("%w: %d ends for %d cells", ErrPage, len(p.Ends)/4, cells)
	}
	start := uint32(0)
	for i := range cells {
		end := p.end(i)
		if end <= start || int(end) > len(p.Cells) {
			return fmt.Errorf("%w: cell %d ends at %d", ErrPage, i, end)
		}
		if err := validateCell(Cell(p.Cells[start:end]), i%(metaCells+len(p.Columns))); err != nil {
			return err
		}
		start = end
	}
	if int(start) != len(p.Cells) {
		return fmt.Errorf("%w: %d bytes behind the last cell", ErrPage, len(p.Cells)-int(start))
	}
	// Each cell is led by an ASCII byte, which would cut a character that
	// reached over the cell's end: the whole is UTF-8 when every cell is.
	if !utf8.Valid(p.Cells) {
		return fmt.Errorf("%w: a value that is not UTF-8", ErrPage)
	}
	return nil
}

func (p *Page) validateHead() error {
	switch {
	case !p.Kind.Valid():
		return fmt.Errorf("%w: unknown kind %q", ErrPage, p.Kind)
	case len(p.Columns) > MaxColumns:
		return fmt.Errorf("%w: %d columns, at most %d", ErrPage, len(p.Columns), MaxColumns)
	case p.Rows < 0 || p.Rows > MaxPageBytes/metaCells:
		return fmt.Errorf("%w: %d rows", ErrPage, p.Rows)
	case len(p.Cells) > MaxPageBytes:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrPage, len(p.Cells), MaxPageBytes)
	case len(p.Next) > MaxCursorBytes:
		return fmt.Errorf("%w: cursor of %d bytes, at most %d", ErrPage, len(p.Next), MaxCursorBytes)
	}
	for _, id := range p.Removed {
		if id == "" || !utf8.ValidString(id) {
			return fmt.Errorf("%w: a removed record without an id", ErrPage)
		}
	}
	for _, r := range p.Rejected {
		if len(r.Raw) > MaxRawBytes {
			return fmt.Errorf("%w: %d raw bytes of a rejected record, at most %d", ErrPage, len(r.Raw), MaxRawBytes)
		}
	}
	seen := make(map[string]struct{}, len(p.Columns))
	for _, name := range p.Columns {
		if _, ok := seen[name]; ok || name == "" {
			return fmt.Errorf("%w: column %q is empty or twice there", ErrPage, name)
		}
		seen[name] = struct{}{}
	}
	return nil
}

func validateCell(c Cell, column int) error {
	kind := c.Kind()
	switch {
	case column < metaCells && kind != CellString:
		return fmt.Errorf("%w: id, club and position are strings", ErrPage)
	case column == 0 && len(c) == 1:
		return fmt.Errorf("%w: a record without an id", ErrPage)
	case kind > CellJSON:
		return fmt.Errorf("%w: unknown kind of cell %d", ErrPage, kind)
	case kind <= CellNull && len(c) != 1:
		return fmt.Errorf("%w: an absent or null cell with a value", ErrPage)
	case kind == CellBool && (len(c) != 2 || c[1] > 1):
		return fmt.Errorf("%w: a bool that is neither 0 nor 1", ErrPage)
	}
	return nil
}
