package pipeline

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Erased tells of persons who were erased at their wish, so that a run leaves them
// out. It serves concurrent calls.
type Erased interface {
	// Record reports whether a record of the source is one of theirs.
	Record(kind sdk.Kind, id string) bool
	// Mentioned reports whether a text holds an address that is left out.
	Mentioned(text []byte) bool
}

// sieve takes the records of persons who were erased out of what is read.
type sieve struct {
	erased Erased
	mu     sync.Mutex
	// ids are those that were taken out, by kind: their records are not gone.
	ids map[sdk.Kind][]string
	n   int
}

// reading wraps what reads pages. It is read itself where nobody was erased.
func (s *sieve) reading(read readFunc) readFunc {
	if s.erased == nil {
		return read
	}
	return func(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
		page, err := read(ctx, req)
		if err != nil {
			return nil, err
		}
		return s.page(page)
	}
}

// page returns a page without the records of persons who were erased.
func (s *sieve) page(page *sdk.Page) (*sdk.Page, error) {
	var out []int
	for i := range page.Rows {
		if s.row(page, page.Row(i)) {
			out = append(out, i)
		}
	}
	rejected := slices.DeleteFunc(slices.Clone(page.Rejected), func(r sdk.Rejected) bool {
		return s.leaves(page.Kind, r.ID, r.ID != "" && s.erased.Record(page.Kind, r.ID) || s.erased.Mentioned(r.Raw))
	})
	if len(out) == 0 && len(rejected) == len(page.Rejected) {
		return page, nil
	}
	next, err := without(page, out)
	if err != nil {
		return nil, fmt.Errorf("leave out who was erased: %w", err)
	}
	next.Rejected, next.Removed = rejected, page.Removed
	return next, nil
}

func (s *sieve) row(page *sdk.Page, row sdk.Row) bool {
	id := row.ID()
	found := s.erased.Record(page.Kind, id)
	for i := 0; i < len(page.Columns) && !found; i++ {
		if cell := row.Cell(i); cell.Kind() == sdk.CellString || cell.Kind() == sdk.CellJSON {
			found = s.erased.Mentioned(cell.Bytes())
		}
	}
	return s.leaves(page.Kind, id, found)
}

// refused reports whether a refused record is one that is left out.
func (s *sieve) refused(q roster.Quarantined) bool {
	if s.erased == nil {
		return false
	}
	return s.leaves(q.Kind, q.Record, q.Record != "" && s.erased.Record(q.Kind, q.Record) || s.erased.Mentioned(q.Payload))
}

// leaves notes that a record is left out, if it is.
func (s *sieve) leaves(kind sdk.Kind, id string, out bool) bool {
	if !out {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[sdk.Kind][]string{}
	}
	s.ids[kind] = append(s.ids[kind], id)
	s.n++
	return true
}

// left returns the ids of a kind that were taken out.
func (s *sieve) left(kind sdk.Kind) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[kind]
}

// owner returns the id of a staff member to whom a record refers, empty for one who
// was erased.
func (s *sieve) owner(id string) string {
	if s.erased != nil && id != "" && s.erased.Record(sdk.KindStaff, id) {
		return ""
	}
	return id
}

// without copies a page but for some of its rows, which are in ascending order.
func without(page *sdk.Page, out []int) (*sdk.Page, error) {
	b := sdk.NewPageBuilder(page.Kind, page.Columns)
	b.Grow(page.Rows, len(page.Cells))
	for i := range page.Rows {
		if len(out) > 0 && out[0] == i {
			out = out[1:]
			continue
		}
		row := page.Row(i)
		b.Add(row.ID(), row.Club(), row.Position())
		for at := range page.Columns {
			addCell(b, row.Cell(at))
		}
	}
	return b.Page(page.Next, page.Done)
}

func addCell(b *sdk.PageBuilder, cell sdk.Cell) {
	switch value := cell.Bytes(); cell.Kind() {
	case sdk.CellAbsent:
		b.Absent()
	case sdk.CellNull:
		b.Null()
	case sdk.CellString:
		b.Bytes(value)
	case sdk.CellNumber:
		b.Number(string(value))
	case sdk.CellBool:
		b.Bool(value[0] == 1)
	case sdk.CellJSON:
		b.JSON(value)
	}
}
