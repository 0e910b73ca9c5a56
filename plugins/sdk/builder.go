package sdk

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// PageBuilder packs records into a [Page]. Each record is begun with Add,
// followed by one value for each column, in their order.
//
//	b := sdk.NewPageBuilder(sdk.KindMember, []string{"first_name", "email"})
//	b.Add("m-1", "1", "line 2")
//	b.String("Ann")
//	b.Absent()
//	page, err := b.Page(cursor, done)
//
// A builder serves one goroutine.
type PageBuilder struct {
	page Page
	ends int
}

// NewPageBuilder starts a page of one kind with the given columns.
func NewPageBuilder(kind Kind, columns []string) *PageBuilder {
	return &PageBuilder{page: Page{Kind: kind, Columns: columns}}
}

// Add begins a record.
func (b *PageBuilder) Add(id, club, position string) {
	b.page.Rows++
	b.String(id)
	b.String(club)
	b.String(position)
}

// String adds text, which must be UTF-8.
func (b *PageBuilder) String(s string) {
	b.page.Cells = append(append(b.page.Cells, byte(CellString)), s...)
	b.end()
}

// Bytes adds text, which must be UTF-8 and is copied.
func (b *PageBuilder) Bytes(s []byte) { b.cell(CellString, s) }

// Number adds a number, given as JSON text.
func (b *PageBuilder) Number(digits string) { b.cell(CellNumber, []byte(digits)) }

// Bool adds a bool.
func (b *PageBuilder) Bool(v bool) {
	if v {
		b.cell(CellBool, []byte{1})
		return
	}
	b.cell(CellBool, []byte{0})
}

// Null adds a field that is empty by intent.
func (b *PageBuilder) Null() { b.cell(CellNull, nil) }

// Absent adds a field that the record does not have.
func (b *PageBuilder) Absent() { b.cell(CellAbsent, nil) }

// JSON adds an object or an array.
func (b *PageBuilder) JSON(raw []byte) { b.cell(CellJSON, raw) }

// Reject adds a record that could not be read. Raw is cut to [MaxRawBytes].
func (b *PageBuilder) Reject(r Rejected) {
	if len(r.Raw) > MaxRawBytes {
		r.Raw = r.Raw[:MaxRawBytes]
	}
	b.page.Rejected = append(b.page.Rejected, r)
}

// Remove adds the id of a record that is gone from the system.
func (b *PageBuilder) Remove(id string) { b.page.Removed = append(b.page.Removed, id) }

// Grow makes room for records that take so many bytes of cells in all, so that
// packing them does not copy what is there again and again. A source that knows
// the size of its last page passes that.
func (b *PageBuilder) Grow(records, bytes int) {
	b.page.Cells = slices.Grow(b.page.Cells, min(bytes, MaxPageBytes))
	b.page.Ends = slices.Grow(b.page.Ends, 4*records*(metaCells+len(b.page.Columns)))
}

// Rows returns the number of records added.
func (b *PageBuilder) Rows() int { return b.page.Rows }

// Size returns the bytes of the cells added. A source ends its page when the
// next record could pass [MaxPageBytes].
func (b *PageBuilder) Size() int { return len(b.page.Cells) }

// Page ends the page. It fails when a record has too few or too many values or
// a bound of the contract is passed.
func (b *PageBuilder) Page(next Cursor, done bool) (*Page, error) {
	if want := b.page.Rows * (metaCells + len(b.page.Columns)); b.ends != want {
		return nil, fmt.Errorf("%w: %d cells where %d records of %d columns make %d",
			ErrPage, b.ends, b.page.Rows, len(b.page.Columns), want)
	}
	b.page.Next, b.page.Done = next, done
	if err := b.page.Validate(); err != nil {
		return nil, err
	}
	return &b.page, nil
}

func (b *PageBuilder) cell(kind CellKind, value []byte) {
	b.page.Cells = append(append(b.page.Cells, byte(kind)), value...)
	b.end()
}

func (b *PageBuilder) end() {
	b.page.Ends = binary.LittleEndian.AppendUint32(b.page.Ends, uint32(len(b.page.Cells)))
	b.ends++
}
