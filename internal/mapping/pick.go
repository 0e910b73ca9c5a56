package mapping

import (
	"encoding/binary"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// pick packs some rows of a page into a page of their own, so that a worker is
// sent nothing else. A record's cells stand together, so no cell is looked at.
// The page must have passed [sdk.Page.Validate].
func pick(page *sdk.Page, rows []int) *sdk.Page {
	stride := len(page.Ends) / page.Rows // The bytes of one row's ends.
	size := 0
	for _, row := range rows {
		from, to := rowBounds(page.Ends, stride, row)
		size += int(to - from)
	}
	picked := &sdk.Page{
		Kind: page.Kind, Columns: page.Columns, Rows: len(rows),
		Ends: make([]byte, 0, stride*len(rows)), Cells: make([]byte, 0, size),
	}
	for _, row := range rows {
		from, to := rowBounds(page.Ends, stride, row)
		moved := uint32(len(picked.Cells)) - from //nolint:gosec // A page is bounded; what wraps around wraps back.
		for ends := page.Ends[row*stride : (row+1)*stride]; len(ends) > 0; ends = ends[4:] {
			picked.Ends = binary.LittleEndian.AppendUint32(picked.Ends, binary.LittleEndian.Uint32(ends)+moved)
		}
		picked.Cells = append(picked.Cells, page.Cells[from:to]...)
	}
	return picked
}

// rowBounds returns where the cells of a row begin and end.
func rowBounds(ends []byte, stride, row int) (from, to uint32) {
	if row > 0 {
		from = binary.LittleEndian.Uint32(ends[row*stride-4:])
	}
	return from, binary.LittleEndian.Uint32(ends[(row+1)*stride-4:])
}
