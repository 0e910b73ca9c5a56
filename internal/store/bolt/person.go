package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Holds returns what is stored of a person: of the records that are given, of
// those that an address is found in, and of all that are linked to them.
func (s *Store) Holds(ctx context.Context, who roster.Person) (roster.Holding, error) {
	var found roster.Holding
	err := s.view(ctx, "look for a person", func(tx *txn) error {
		p, err := s.search(tx, &who)
		if err == nil {
			found = p.holding()
		}
		return err
	})
	return found, err
}

// Erase removes all that is stored of a person and puts a tombstone there, in one
// transaction. With block their addresses are left out, too. A copy of all
// tombstones is kept beside the database, in rosterd.erased, which a backup does
// not replace: whoever opens an earlier database beside it finds them erased.
func (s *Store) Erase(ctx context.Context, who roster.Person, stone roster.Tombstone, block bool) (roster.Holding, roster.Tombstone, error) {
	const doing = "erase a person"
	if stone.ID == "" || who.Account == "" {
		return roster.Holding{}, stone, fmt.Errorf("%s: %w: a tombstone needs an id and an account", doing, roster.ErrInvalid)
	}
	var found roster.Holding
	err := s.update(ctx, doing, func(tx *txn) error {
		p, err := s.search(tx, &who)
		if err != nil {
			return err
		}
		found = p.holding()
		row := p.tombstone(stone, block)
		stone = row.tombstone()
		if err := p.erase(); err != nil {
			return err
		}
		return putTombstone(tx, row)
	})
	if err == nil {
		err = s.copyTombstones(ctx)
	}
	return found, stone, err
}

func putTombstone(tx *txn, row *tombstoneRow) error {
	raw, err := json.Marshal(row)
	if err != nil {
		return err
	}
	return bucket(tx, bucketTombstones).Put([]byte(row.ID), raw)
}

// search is the search for a person. What it finds it can remove, after it has
// looked at everything: removing moves a bbolt cursor.
type search struct {
	s   *Store
	tx  *txn
	who *roster.Person
	// mentioned reports whether a text holds an address of the person; nil where
	// none is looked for.
	mentioned func(text []byte) bool
	subjects  []roster.Subject
	known     map[roster.Subject]bool
	held      []roster.Held
	drops     []func() error
}

func (s *Store) search(tx *txn, who *roster.Person) (*search, error) {
	p := &search{s: s, tx: tx, who: who, known: map[roster.Subject]bool{}}
	if len(who.Emails) > 0 {
		p.mentioned = func(text []byte) (found bool) {
			roster.Addresses(text, func(address string) bool {
				found = slices.Contains(who.Emails, address)
				return !found
			})
			return found
		}
	}
	for _, subject := range who.Subjects {
		p.add(subject)
	}
	return p, p.run()
}

// run looks at everything, first for records in which an address is found.
func (p *search) run() error {
	if p.mentioned != nil {
		for _, find := range []func() error{p.addressedQuarantine, p.addressedParked, p.addressedInbound} {
			if err := find(); err != nil {
				return err
			}
		}
	}
	for _, look := range []func() error{p.links, p.histories, p.openReferences, p.intents, p.hits, p.quarantine, p.inbound, p.sessions, p.tombstones} {
		if err := look(); err != nil {
			return err
		}
	}
	return nil
}

func (p *search) add(subject roster.Subject) {
	if subject.Connection != "" && subject.ID != "" && subject.Kind != "" && !p.known[subject] {
		p.known[subject] = true
		p.subjects = append(p.subjects, subject)
	}
}

func (p *search) note(held roster.Held, data any, drop func() error) error {
	if data != nil {
		raw, err := json.Marshal(data)
		if err != nil {
			return err
		}
		held.Data = raw
	}
	p.held = append(p.held, held)
	if drop != nil {
		p.drops = append(p.drops, drop)
	}
	return nil
}

func (p *search) holding() roster.Holding {
	return roster.Holding{Subjects: p.subjects, Held: p.held}
}

func (p *search) erase() error {
	for _, drop := range p.drops {
		if err := drop(); err != nil {
			return err
		}
	}
	return nil
}

func (p *search) tombstone(stone roster.Tombstone, block bool) *tombstoneRow {
	row := &tombstoneRow{ID: stone.ID, Account: p.who.Account, At: stone.At, By: stone.By, Reason: stone.Reason, Records: []alias{}, Sources: p.who.Sources}
	m := p.s.aliasesOf(p.who.Account)
	for _, subject := range p.subjects {
		row.Records = append(row.Records, m.record(subject.Connection, subject.Kind, subject.ID))
	}
	if block {
		for _, address := range p.who.Emails {
			row.Emails = append(row.Emails, m.email(address))
		}
	}
	return row
}

// mine reports whether the name of a bucket begins with a ref of the account.
func (p *search) mine(name string) bool { return strings.HasPrefix(name, p.who.Account+"/") }

// routes are the forward routes of the account of which anything is stored.
func (p *search) routes() ([]roster.Route, error) {
	names := map[string]bool{}
	for _, top := range []string{bucketLinks, bucketLinkHistory, bucketIntents, bucketLinksOpen} {
		for _, name := range bucket(p.tx, top).names() {
			names[name] = names[name] || p.mine(name)
		}
	}
	var routes []roster.Route
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !names[name] {
			continue
		}
		route, ok := routeOf(name, directionMarks[forward])
		if !ok {
			return nil, fmt.Errorf("%w: links have a name that is none", store.ErrDamaged)
		}
		routes = append(routes, route)
	}
	return routes, nil
}

// end is the end of links that a subject is, if it is one of a forward route.
func endOf(route roster.Route, subject roster.Subject) (linkEnd, bool) {
	switch {
	case subject.Kind != route.Kind:
	case subject.Connection == route.From:
		return linkEnd{forward, subject.ID}, true
	case subject.Connection == route.To:
		return linkEnd{backward, subject.ID}, true
	}
	return linkEnd{}, false
}

func (p *search) has(route roster.Route, end linkEnd) bool {
	conn := route.From
	if end.direction == backward {
		conn = route.To
	}
	return p.known[roster.Subject{Connection: conn, Kind: route.Kind, ID: end.id}]
}

// links finds the links of the person and, through them, further records: those of
// whole chains of systems.
func (p *search) links() error {
	routes, err := p.routes()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for at := 0; at < len(p.subjects); at++ {
		for _, route := range routes {
			end, ok := endOf(route, p.subjects[at])
			if !ok {
				continue
			}
			first, row, err := newLinkTrees(p.tx, route).at(end)
			if err != nil {
				return err
			}
			if row == nil {
				continue
			}
			second := string(row.back)
			p.add(roster.Subject{Connection: route.From, Kind: route.Kind, ID: first})
			p.add(roster.Subject{Connection: route.To, Kind: route.Kind, ID: second})
			if key := linksName(route) + "\x00" + first; !seen[key] {
				seen[key] = true
				if err := p.link(route, first, second, row); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *search) link(route roster.Route, first, second string, row *linkRow) error {
	var link roster.Link
	opener := newLinkOpener(p.tx, route)
	if err := opener.open(&link, first, first, row, 1); err != nil {
		return err
	}
	opener.end()
	made, fields := timeOf(row.made), make([]string, len(link.Sent.Fields))
	for i, field := range link.Sent.Fields {
		fields[i] = field.Name
	}
	held := roster.Held{
		Where: roster.HeldLink, From: route.From, To: route.To, Kind: route.Kind, Record: first, Target: second,
		State: string(originOf(row.origin)), At: &made, Run: string(row.by),
	}
	data := struct {
		Version uint32    `json:"version"`
		Changed time.Time `json:"changed"`
		Gone    bool      `json:"gone,omitempty"`
		// Fields are those of which a digest is kept, and no value.
		Fields []string `json:"digests_of_fields"`
	}{link.Version, link.Changed, link.Gone, fields}
	return p.note(held, data, func() error {
		w, err := p.s.linkWriter(p.tx, route, "")
		if err == nil {
			_, err = w.remove(first)
		}
		if err == nil {
			err = w.end()
		}
		for _, end := range []linkEnd{{forward, first}, {backward, second}} {
			if err == nil {
				err = p.dropHistory(route, end)() // it tells by now that the link was removed
			}
		}
		return err
	})
}

// histories finds the events of the person's records, also those of links that are
// gone, and those that name them in the history of others.
func (p *search) histories() error {
	routes, err := p.routes()
	if err != nil {
		return err
	}
	for _, route := range routes {
		events, err := newHistoryRows(p.tx, route)
		if err != nil {
			return err
		}
		for _, row := range events {
			if p.has(route, row.end) {
				err = p.history(route, row)
			} else {
				err = p.mentions(route, row)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// historyRow is what is stored of the history of one record.
type historyRow struct {
	end    linkEnd
	events []roster.LinkEvent
}

func newHistoryRows(tx *txn, route roster.Route) (rows []historyRow, err error) {
	b := peek(tx, bucketLinkHistory, linksName(route))
	if b == nil {
		return nil, nil
	}
	err = b.ForEach(func(key, raw []byte) error {
		if len(key) == 0 {
			return fmt.Errorf("%w: a history has no record", store.ErrDamaged)
		}
		events, err := unpackEvents(raw)
		rows = append(rows, historyRow{linkEnd{strings.IndexByte(directionMarks, key[0]), string(key[1:])}, events})
		return err
	})
	return rows, err
}

func (p *search) history(route roster.Route, row historyRow) error {
	held := roster.Held{Where: roster.HeldHistory, From: route.From, To: route.To, Kind: route.Kind}
	if row.end.direction == forward {
		held.Record = row.end.id
	} else {
		held.Target = row.end.id
	}
	return p.note(held, row.events, p.dropHistory(route, row.end))
}

func (p *search) dropHistory(route roster.Route, end linkEnd) func() error {
	return func() error {
		if b := peek(p.tx, bucketLinkHistory, linksName(route)); b != nil {
			return b.Delete(end.key())
		}
		return nil
	}
}

// mentions finds events of another record that name one of the person's.
func (p *search) mentions(route roster.Route, row historyRow) error {
	others := slices.DeleteFunc(slices.Clone(row.events), func(e roster.LinkEvent) bool {
		return p.has(route, linkEnd{forward, e.Source}) || p.has(route, linkEnd{backward, e.Target})
	})
	if len(others) == len(row.events) {
		return nil
	}
	held := roster.Held{Where: roster.HeldHistory, From: route.From, To: route.To, Kind: route.Kind, State: "of_another_record"}
	return p.note(held, nil, func() error {
		b := peek(p.tx, bucketLinkHistory, linksName(route))
		if len(others) == 0 {
			return b.Delete(row.end.key())
		}
		return b.Put(row.end.key(), packEvents(others))
	})
}

// openReferences finds links of others that wait for the person, as their owner, to
// be linked.
func (p *search) openReferences() error {
	routes, err := p.routes()
	if err != nil {
		return err
	}
	for _, route := range routes {
		b := peek(p.tx, bucketLinksOpen, linksName(route))
		if b == nil {
			continue
		}
		err := b.ForEach(func(key, raw []byte) error {
			in := unpacker{raw: raw}
			owner, leadSource := in.text(), in.text()
			if in.failed || len(key) == 0 {
				return fmt.Errorf("%w: an open reference cannot be decoded", store.ErrDamaged)
			}
			conn := route.From
			if key[0] == directionMarks[backward] {
				conn = route.To
			}
			if !p.known[roster.Subject{Connection: conn, Kind: sdk.KindStaff, ID: owner}] {
				return nil
			}
			held := roster.Held{Where: roster.HeldReference, From: route.From, To: route.To, Kind: route.Kind, State: "of_another_record"}
			at := bytes.Clone(key)
			return p.note(held, nil, func() error {
				return peek(p.tx, bucketLinksOpen, linksName(route)).Put(at, appendText(appendText(nil, ""), leadSource))
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
