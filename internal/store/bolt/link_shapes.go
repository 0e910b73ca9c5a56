package bolt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// shapes are the field names that the links of a set share. A link stores the id
// of its fields' names, which is a hash of them, and 4 bytes a field.
type shapes struct {
	tree *tree
	// byID and byNames hold what was used in this transaction.
	byID    map[uint64][]string
	byNames map[string]uint64
	// The names used last: neighbours mostly have the same.
	lastID uint64
	last   []string
	joined []byte
}

func newShapes(t *tree) *shapes {
	return &shapes{tree: t, byID: make(map[uint64][]string), byNames: make(map[string]uint64)}
}

// nameSeparator joins the names of a shape: no field has it in its name.
const nameSeparator = "\x00"

// names returns the names of a shape, sorted.
func (s *shapes) names(id uint64) ([]string, error) {
	if id == s.lastID {
		return s.last, nil
	}
	names, ok := s.byID[id]
	if !ok {
		var stored []byte
		if s.tree != nil {
			stored = s.tree.Get(binary.BigEndian.AppendUint64(nil, id))
		}
		if stored == nil {
			return nil, fmt.Errorf("%w: the fields of a link are not known", store.ErrDamaged)
		}
		names = strings.Split(string(stored), nameSeparator)
		s.byID[id] = names
	}
	s.lastID, s.last = id, names
	return names, nil
}

// id returns the shape of fields that are sorted by name, 0 for none. It stores
// the shape where it is new.
func (s *shapes) id(fields []roster.SentField) (uint64, error) {
	if len(fields) == 0 {
		return 0, nil
	}
	if s.sameAsLast(fields) {
		return s.lastID, nil
	}
	s.joined = s.joined[:0]
	for i, f := range fields {
		if f.Name == "" || strings.Contains(f.Name, nameSeparator) {
			return 0, fmt.Errorf("%w: a field of a link has no name", roster.ErrInvalid)
		}
		if i > 0 {
			s.joined = append(s.joined, nameSeparator...)
		}
		s.joined = append(s.joined, f.Name...)
	}
	id, ok := s.byNames[string(s.joined)]
	if !ok {
		hash := sha256.Sum256(s.joined)
		id = max(binary.BigEndian.Uint64(hash[:]), 1)
		if err := s.store(id); err != nil {
			return 0, err
		}
		s.byNames[string(s.joined)] = id
	}
	s.lastID, s.last = id, s.last[:0:0]
	for _, f := range fields {
		s.last = append(s.last, f.Name)
	}
	return id, nil
}

func (s *shapes) store(id uint64) error {
	key := binary.BigEndian.AppendUint64(nil, id)
	if stored := s.tree.Get(key); stored != nil {
		if !bytes.Equal(stored, s.joined) {
			return fmt.Errorf("%w: two sets of field names have one hash", roster.ErrConflict)
		}
		return nil
	}
	return s.tree.Put(key, bytes.Clone(s.joined))
}

func (s *shapes) sameAsLast(fields []roster.SentField) bool {
	if s.lastID == 0 || len(fields) != len(s.last) {
		return false
	}
	for i, f := range fields {
		if f.Name != s.last[i] {
			return false
		}
	}
	return true
}

// half packs what a link says of one direction. The digests of the fields are
// appended to buf, which is returned.
func (s *shapes) half(link *roster.Link, buf []byte) (linkHalf, []byte, error) {
	fields := link.Sent.Fields
	byName := func(a, b roster.SentField) int { return strings.Compare(a.Name, b.Name) }
	if !s.sameAsLast(fields) && !slices.IsSortedFunc(fields, byName) { // the last ones were sorted
		fields = slices.SortedStableFunc(slices.Values(fields), byName)
	}
	if len(fields) > roster.MaxFields {
		return linkHalf{}, buf, fmt.Errorf("%w: a link has %d fields where %d are allowed", roster.ErrInvalid, len(fields), roster.MaxFields)
	}
	shape, err := s.id(fields)
	if err != nil {
		return linkHalf{}, buf, err
	}
	start := len(buf)
	for _, f := range fields {
		buf = binary.LittleEndian.AppendUint32(buf, f.Short)
	}
	return linkHalf{
		row: link.Sent.Row, mapping: link.Sent.Mapping, sum: link.Sent.Sum, seen: link.Seen,
		open: link.Sent.Open, owner: link.Sent.Owner, leadSource: link.Sent.LeadSource, gone: link.Gone, shape: shape, shorts: buf[start:len(buf):len(buf)],
	}, buf, nil
}
