package bolt

import (
	"context"
	"fmt"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// openKey leads to the open references of a record that is the source in a
// direction.
func openKey(direction int, source string) []byte {
	return append([]byte{directionMark(direction)}, source...)
}

func directionMark(direction int) byte {
	if direction == backward {
		return '<'
	}
	return '>'
}

// keepOpen stores the references of a link that have none, or that there are none
// any more.
func (w *linkWriter) keepOpen(source string, half linkHalf, was bool) error {
	if !half.open && !was {
		return nil
	}
	b, err := nested(w.tx, bucketLinksOpen, linksName(w.route))
	if err != nil {
		return err
	}
	if !half.open {
		return b.Delete(openKey(w.direction, source))
	}
	return b.Put(openKey(w.direction, source), appendText(appendText(nil, half.owner), half.leadSource))
}

// closeOpen forgets the open references of a link that is removed.
func (w *linkWriter) closeOpen(first string, row *linkRow) error {
	for direction, source := range []string{first, string(row.back)} {
		if !row.halves[direction].open {
			continue
		}
		b, err := nested(w.tx, bucketLinksOpen, linksName(w.route))
		if err != nil {
			return err
		}
		if err := b.Delete(openKey(direction, source)); err != nil {
			return err
		}
	}
	return nil
}

// OpenLinks returns the links of a route of which a reference has none, in the
// order of their source ids.
func (s *Store) OpenLinks(ctx context.Context, route roster.Route, filter roster.LinkFilter) ([]roster.OpenLink, error) {
	var found []roster.OpenLink
	err := s.viewRoute(ctx, "read the links with open references", route, func(tx *txn) error {
		found = found[:0]
		b := peek(tx, bucketLinksOpen, linksName(route))
		if b == nil {
			return nil
		}
		mark := directionMark(directionOf(route))
		c := b.Cursor()
		for k, v := c.Seek(openKey(directionOf(route), filter.After)); k != nil && k[0] == mark; k, v = c.Next() {
			if string(k[1:]) == filter.After && filter.After != "" {
				continue
			}
			in := unpacker{raw: v}
			one := roster.OpenLink{Source: string(k[1:])}
			one.Owner, one.LeadSource = in.text(), in.text()
			if in.failed {
				return fmt.Errorf("%w: an open reference cannot be decoded", store.ErrDamaged)
			}
			if found = append(found, one); filter.Limit > 0 && len(found) == filter.Limit {
				return nil
			}
		}
		return nil
	})
	return found, err
}
