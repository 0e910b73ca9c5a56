package club

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// table holds the records of a kind. It is used with the platform's lock held.
type table struct {
	// rows are in the order in which they were created; a deleted one has no
	// record.
	rows []*row
	byID map[string]*row
	// index finds rows by the fields that can be searched.
	index map[indexed][]*row
}

// row is one record. The record is never changed but replaced, so that it can be
// read without the lock.
type row struct {
	record *Record
	seq    int
	// visible is when lists and searches begin to show it.
	visible time.Time
}

// indexed is a value of a field as searches compare it.
type indexed struct{ filter, value string }

func newTable() *table {
	return &table{byID: make(map[string]*row), index: make(map[indexed][]*row)}
}

func (t *table) add(r *Record, visible time.Time) {
	w := &row{record: r, seq: len(t.rows), visible: visible}
	t.rows = append(t.rows, w)
	t.byID[r.ID] = w
	for _, key := range keysOf(r) {
		t.index[key] = append(t.index[key], w)
	}
}

// replace stores another state of a record; nil deletes it.
func (t *table) replace(w *row, r *Record) {
	for _, key := range keysOf(w.record) {
		left := slices.DeleteFunc(t.index[key], func(other *row) bool { return other == w })
		if len(left) == 0 {
			delete(t.index, key)
		} else {
			t.index[key] = left
		}
	}
	if r == nil {
		delete(t.byID, w.record.ID)
		w.record = nil
		return
	}
	w.record = r
	for _, key := range keysOf(r) {
		t.index[key] = append(t.index[key], w)
	}
}

// first returns the oldest record with a value, or nil.
func (t *table) first(filter, value string) *Record {
	key, ok := indexKey(filter, value)
	if !ok {
		return nil
	}
	var found *row
	for _, w := range t.index[key] {
		if found == nil || w.seq < found.seq {
			found = w
		}
	}
	if found == nil {
		return nil
	}
	return found.record
}

// filters are the parameters that search, in the order in which the most
// selective is looked for first.
func filters() []string {
	return []string{fieldExternalRef, fieldExternalID, fieldEmail, "phone", fieldName}
}

// indexKey is how a search by a filter compares a value; not ok when nothing can
// be found by it.
func indexKey(filter, value string) (indexed, bool) {
	switch filter {
	case fieldEmail, fieldName:
		value = fold(value)
	case "phone":
		value = digits(value)
	}
	return indexed{filter, value}, value != ""
}

// keysOf are the values by which a record can be found, each once.
func keysOf(r *Record) []indexed {
	keys := make([]indexed, 0, 6)
	add := func(filter, value string) {
		if key, ok := indexKey(filter, value); ok && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	add(fieldExternalRef, r.Fields[fieldExternalRef])
	add(fieldExternalID, r.Fields[fieldExternalID])
	add(fieldEmail, r.Fields[fieldEmail])
	for _, name := range phoneFields() {
		add("phone", r.Fields[name])
	}
	add(fieldName, fullName(r.Fields))
	return keys
}

// selection says which records a list shows.
type selection struct {
	now, since time.Time
	club       string
	// by are the filters and their values.
	by []indexed
}

// pick returns the records that a list shows, in its order: the order of
// creation, or that of changes where the list begins at a time.
func (t *table) pick(s selection) []*row {
	rows := t.rows
	if len(s.by) > 0 {
		rows = t.index[s.by[0]]
	}
	var out []*row
	for _, w := range rows {
		if t.shows(s, w) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b *row) int {
		if !s.since.IsZero() {
			if c := a.record.Updated.Compare(b.record.Updated); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.seq, b.seq)
	})
	return out
}

func (t *table) shows(s selection, w *row) bool {
	r := w.record
	if r == nil || s.now.Before(w.visible) || r.Updated.Before(s.since) || s.club != "" && r.Fields[fieldClub] != s.club {
		return false
	}
	for _, key := range s.by {
		if !slices.Contains(t.index[key], w) {
			return false
		}
	}
	return true
}

// idPrefix is what the ids of a platform have in common.
func idPrefix(seed uint64) string {
	return strconv.FormatUint(hashOf(strconv.FormatUint(seed, 10))%(36*36*36), 36)
}

// put stores a record, with an id and times where it has none, and keeps it. It
// is called with the lock held, or before the platform is shared.
func (p *Platform) put(r *Record, visible time.Time) *Record {
	if r.Fields == nil {
		r.Fields = make(map[string]string)
	}
	if r.ID == "" {
		r.ID = p.newID(r.Kind)
	}
	if r.Created.IsZero() {
		r.Created = p.now()
	}
	if r.Updated.IsZero() {
		r.Updated = r.Created
	}
	if r.Fields[fieldStatus] == "" {
		r.Fields[fieldStatus] = active
	}
	if r.Kind.isPerson() {
		if r.Fields[fieldType] == "" {
			r.Fields[fieldType] = string(r.Kind)
		}
		if r.Fields[fieldPerson] == "" {
			r.Fields[fieldPerson] = "u" + r.ID
		}
	}
	p.tables[r.Kind].add(r, visible)
	return r
}

// newID makes an id that tells the kind by its first letter.
func (p *Platform) newID(k Kind) string {
	p.nextID++
	return string(k[:1]) + p.prefix + "-" + strconv.Itoa(p.nextID)
}
