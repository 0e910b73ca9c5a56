package sdktest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Record is one record of a [Source].
type Record struct {
	// Kind is [sdk.KindMember] when it is empty.
	Kind     sdk.Kind
	ID       string
	Club     string
	Position string
	// Fields hold string, bool, nil, [json.Number] and [json.RawMessage].
	Fields map[string]any
}

// Source is an [sdk.Source] in memory, for tests of what reads from one. Its
// cursors are exact. It serves concurrent calls.
type Source struct {
	mu      sync.Mutex
	records []Record
	err     error
	reads   int
}

// NewSource makes a source of records, which it delivers in their order.
func NewSource(records ...Record) *Source { return &Source{records: records} }

// Append adds records behind the others.
func (s *Source) Append(records ...Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, records...)
}

// Fail makes every read return err until it is called with nil.
func (s *Source) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Reads returns how often Read was called.
func (s *Source) Reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// Read implements [sdk.Source].
func (s *Source) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.err != nil {
		return nil, s.err
	}
	from := 0
	if len(req.After) > 0 {
		n, err := strconv.Atoi(string(req.After))
		if err != nil || n < 0 || n > len(s.records) {
			return nil, sdk.Fail(sdk.CodeConfig, fmt.Errorf("read: the cursor is none of this source"))
		}
		from = n
	}
	return s.page(req, from)
}

// page packs the records of a kind from an index on.
func (s *Source) page(req sdk.ReadRequest, from int) (*sdk.Page, error) {
	var chosen []Record
	next := from
	for next < len(s.records) && len(chosen) < req.Limit {
		if r := s.records[next]; kindOf(r) == req.Kind {
			chosen = append(chosen, r)
		}
		next++
	}
	b := pack(req.Kind, chosen)
	return b.Page(sdk.Cursor(strconv.Itoa(next)), !slices.ContainsFunc(s.records[next:], func(r Record) bool { return kindOf(r) == req.Kind }))
}

// pack makes a page of records.
func pack(kind sdk.Kind, chosen []Record) *sdk.PageBuilder {
	columns := map[string]bool{}
	for _, r := range chosen {
		for name := range r.Fields {
			columns[name] = true
		}
	}
	names := slices.Sorted(maps.Keys(columns))
	b := sdk.NewPageBuilder(kind, names)
	for _, r := range chosen {
		b.Add(r.ID, r.Club, r.Position)
		for _, name := range names {
			add(b, r.Fields, name)
		}
	}
	return b
}

func kindOf(r Record) sdk.Kind {
	if r.Kind == "" {
		return sdk.KindMember
	}
	return r.Kind
}

func add(b *sdk.PageBuilder, fields map[string]any, name string) {
	v, ok := fields[name]
	if !ok {
		b.Absent()
		return
	}
	switch v := v.(type) {
	case nil:
		b.Null()
	case string:
		b.String(strings.ToValidUTF8(v, "\uFFFD"))
	case bool:
		b.Bool(v)
	case json.Number:
		b.Number(v.String())
	case json.RawMessage:
		b.JSON(v)
	default:
		b.String(fmt.Sprint(v))
	}
}
