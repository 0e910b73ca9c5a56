package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// maxLinkID bounds the ids of links, in bytes. bbolt allows keys of 32 KiB.
const maxLinkID = 4096

func checkRoute(route roster.Route) error {
	if route.From == "" || route.To == "" || route.From == route.To || route.Kind == "" ||
		strings.ContainsAny(route.From+route.To+string(route.Kind), " \x00") {
		return fmt.Errorf("%w: a route needs two connections and a kind", roster.ErrInvalid)
	}
	return nil
}

func checkLinkIDs(ids ...string) error {
	for _, id := range ids {
		if id == "" || len(id) > maxLinkID {
			return fmt.Errorf("%w: an id of a link has %d bytes where 1 to %d are allowed", roster.ErrInvalid, len(id), maxLinkID)
		}
	}
	return nil
}

// viewRoute is [Store.view] for a route.
func (s *Store) viewRoute(ctx context.Context, doing string, route roster.Route, read func(*txn) error) error {
	doing += " of " + route.From + " to " + route.To
	if err := checkRoute(route); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return s.view(ctx, doing, read)
}

// Standings returns what is remembered of source records, in the order of
// sources, from one moment. It is made for a page of ascending ids. An intent
// that it returns comes without its hits and its payload.
func (s *Store) Standings(ctx context.Context, route roster.Route, sources []string) ([]roster.Standing, error) {
	out := make([]roster.Standing, len(sources))
	err := s.viewRoute(ctx, "look up links", route, func(tx *txn) error {
		return s.standings(tx, route, sources, out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Store) standings(tx *txn, route roster.Route, sources []string, out []roster.Standing) error {
	finder, opener := newLinkFinder(tx, route), newLinkOpener(tx, route)
	intents := s.intentsOf(tx, route)
	var row linkRow
	for i, source := range sources {
		raw, first := finder.find(source)
		if raw == nil {
			var err error
			if out[i].Intent, err = intents.get(source); err != nil {
				return err
			}
			continue
		}
		if err := row.decode(raw); err != nil {
			return err
		}
		if err := opener.open(&out[i].Link, source, first, &row, len(sources)-i); err != nil {
			return err
		}
	}
	opener.end()
	return nil
}

// linkOpener makes links of rows. The target ids and the fields of many links
// share their memory.
type linkOpener struct {
	direction int
	shapes    *shapes
	fields    []roster.SentField
	text      []byte
	// links are those whose target ids are in text, up to ends.
	links []*roster.Link
	ends  []int
}

func newLinkOpener(tx *txn, route roster.Route) *linkOpener {
	return &linkOpener{direction: directionOf(route), shapes: newShapes(peek(tx, bucketLinkShapes, route.LinkSet()))}
}

// open makes a link, whose target id is there after end. More says about how many
// will follow.
func (o *linkOpener) open(link *roster.Link, source, first string, row *linkRow, more int) error {
	half := &row.halves[o.direction]
	link.Source, link.Version, link.Origin = source, row.version, originOf(row.origin)
	link.Made, link.Changed = timeOf(row.made), timeOf(row.changed)
	link.Seen, link.Gone = half.seen, half.gone
	link.Sent = roster.Sent{Row: half.row, Mapping: half.mapping, Sum: half.sum, Open: half.open}
	if o.direction == backward {
		link.Target = first
	} else {
		if o.links == nil {
			o.links, o.ends = make([]*roster.Link, 0, more), make([]int, 0, more)
			o.text = make([]byte, 0, more*(len(row.back)+4))
		}
		o.text = append(o.text, row.back...)
		o.links, o.ends = append(o.links, link), append(o.ends, len(o.text))
	}
	if half.shape == 0 {
		return nil
	}
	names, err := o.shapes.names(half.shape)
	if err != nil {
		return err
	}
	n := len(names)
	if len(half.shorts) != n*shortBytes {
		return fmt.Errorf("%w: a link has other fields than its shape", store.ErrDamaged)
	}
	if len(o.fields)+n > cap(o.fields) {
		const most = 16_384 // fields at once
		o.fields = make([]roster.SentField, 0, max(n, min(n*more, most)))
	}
	start := len(o.fields)
	for i, name := range names {
		o.fields = append(o.fields, roster.SentField{Name: name, Short: binary.LittleEndian.Uint32(half.shorts[i*shortBytes:])})
	}
	link.Sent.Fields = o.fields[start:len(o.fields):len(o.fields)]
	return nil
}

// end gives the links their target ids.
func (o *linkOpener) end() {
	text, start := string(o.text), 0
	for i, link := range o.links {
		link.Target = text[start:o.ends[i]]
		start = o.ends[i]
	}
}

// Link returns the link of a source id or [store.ErrNotFound].
func (s *Store) Link(ctx context.Context, route roster.Route, source string) (roster.Link, error) {
	found, err := s.Standings(ctx, route, []string{source})
	if err != nil {
		return roster.Link{}, err
	}
	if found[0].Link.Version == 0 {
		return roster.Link{}, fmt.Errorf("read a link of %s to %s: %w", route.From, route.To, store.ErrNotFound)
	}
	return found[0].Link, nil
}

// Links returns the links that the filter selects, in the order of their source
// ids. Without a limit it returns all of them, some 300 bytes each.
func (s *Store) Links(ctx context.Context, route roster.Route, filter roster.LinkFilter) ([]roster.Link, error) {
	var found []roster.Link
	err := s.viewRoute(ctx, "list links", route, func(tx *txn) error {
		sources, values := listedLinks(tx, route, filter)
		found = make([]roster.Link, len(sources))
		opener := newLinkOpener(tx, route)
		links := newWalker(peek(tx, bucketLinks, linksName(route)))
		var row linkRow
		for i, source := range sources {
			first, raw := source, values[i]
			if opener.direction == backward {
				first = string(values[i])
				raw = links.find(first)
			}
			if err := row.decode(raw); err != nil {
				return err
			}
			if err := opener.open(&found[i], source, first, &row, len(sources)-i); err != nil {
				return err
			}
		}
		opener.end()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// listedLinks returns the selected source ids with what is stored under them.
func listedLinks(tx *txn, route roster.Route, filter roster.LinkFilter) (sources []string, values [][]byte) {
	top := bucketLinks
	if directionOf(route) == backward {
		top = bucketLinksBack
	}
	keys := peek(tx, top, linksName(route))
	if keys == nil {
		return nil, nil
	}
	if filter.Limit > 0 {
		const most = 1024 // before any is found
		sources, values = make([]string, 0, min(filter.Limit, most)), make([][]byte, 0, min(filter.Limit, most))
	}
	c := keys.Cursor()
	for k, v := c.Seek([]byte(filter.After)); k != nil; k, v = c.Next() {
		if string(k) == filter.After {
			continue
		}
		sources, values = append(sources, string(k)), append(values, v)
		if filter.Limit > 0 && len(sources) == filter.Limit {
			break
		}
	}
	return sources, values
}

// CountLinks returns the number of links of a route, which is that of the reverse
// route too.
func (s *Store) CountLinks(ctx context.Context, route roster.Route) (int, error) {
	n := 0
	err := s.viewRoute(ctx, "count links", route, func(tx *txn) (err error) {
		n, err = linkCount(tx, route)
		return err
	})
	return n, err
}

func linkCount(tx *txn, route roster.Route) (int, error) {
	stored := bucket(tx, bucketLinkCounts).Get([]byte(linksName(route)))
	if stored == nil {
		return 0, nil
	}
	n, size := binary.Uvarint(stored)
	if size != len(stored) {
		return 0, fmt.Errorf("%w: the number of links is none", store.ErrDamaged)
	}
	return int(n), nil
}
