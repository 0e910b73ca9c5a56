package mapping

import (
	"math/bits"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
)

// sums makes the digests of mapped records. Its zero value makes none.
type sums struct {
	wanted bool
	key    digest.Name
	// sum and byPosition belong to the record at hand.
	sum        digest.Sum
	byPosition [roster.MaxFields]uint32
	// shorts holds those of all records of the page, spare is of one that is over.
	shorts, spare []uint32
}

// init prepares the digests under a target's key.
func (s *sums) init(target roster.MapTarget) {
	if s.wanted = target.Digests != nil; s.wanted {
		s.key = target.Digests.Name(target.KeyField)
	}
}

// reset begins a page, whose records are taken to be like those of the page
// before. The digests of that belong to its reply.
func (s *sums) reset() {
	if s.spare == nil {
		s.spare = make([]uint32, 0, len(s.shorts))
	}
	s.shorts, s.spare = s.spare, nil
}

// add takes a field of the record at hand, with its value as JSON.
func (s *sums) add(f *slot, value []byte) {
	var d digest.Field
	switch {
	case f.rule == nil || !f.rule.onlyEmptiness:
		d = f.digest.Field(value)
	case isEmptyJSON(value):
		d = f.rule.empty
	default:
		d = f.rule.filled
	}
	s.sum = s.sum.Add(d)
	s.byPosition[f.position] = d.Short()
}

// finish hands over the digests of the record at hand.
func (s *sums) finish(m *roster.MappedRecord) {
	if !s.wanted {
		return
	}
	m.Sum = s.sum
	start := len(s.shorts)
	for position := range positions(m.Fields) {
		s.shorts = append(s.shorts, s.byPosition[position])
	}
	m.Shorts = s.shorts[start:len(s.shorts):len(s.shorts)]
}

// positions are those of a set, ascending.
func positions(set roster.FieldSet) func(func(int) bool) {
	return func(yield func(int) bool) {
		for w, word := range set {
			for ; word != 0; word &= word - 1 {
				if !yield(w*64 + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

// count is the number of positions of a set.
func count(set roster.FieldSet) int {
	n := 0
	for _, word := range set {
		n += bits.OnesCount64(word)
	}
	return n
}
