package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// The copy of all tombstones stands beside the database: a backup that is put in
// the place of the database does not know of those who were erased behind it. It
// has one tombstone a line, as JSON.
const tombstonesName = "rosterd.erased"

func (s *Store) tombstonesPath() string { return filepath.Join(filepath.Dir(s.path), tombstonesName) }

// copyTombstones writes the copy anew. It is replaced as a whole.
func (s *Store) copyTombstones(ctx context.Context) error {
	s.copying.Lock()
	defer s.copying.Unlock()
	var text bytes.Buffer
	err := s.view(context.WithoutCancel(ctx), "copy the tombstones", func(tx *txn) error {
		return eachTombstone(tx, "", func(row *tombstoneRow) error { return json.NewEncoder(&text).Encode(row) })
	})
	if err != nil {
		return err
	}
	if err := store.ReplaceFile(s.tombstonesPath(), text.Bytes()); err != nil {
		return store.Explain(fmt.Errorf("copy the tombstones: %w", err))
	}
	return nil
}

// takeTombstones takes over tombstones that the copy has and the database has not,
// because an earlier one was put in its place, and erases anew whom they name.
func (s *Store) takeTombstones(ctx context.Context) error {
	rows, err := readTombstones(s.tombstonesPath())
	if err != nil {
		return err
	}
	copied := make(map[string]bool, len(rows))
	for _, row := range rows {
		copied[row.ID] = true
	}
	known, behind := map[string]bool{}, false
	err = s.view(ctx, "compare the tombstones", func(tx *txn) error {
		return eachTombstone(tx, "", func(row *tombstoneRow) error {
			known[row.ID], behind = true, behind || !copied[row.ID]
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if known[row.ID] {
			continue
		}
		if err := s.eraseAgain(ctx, &row); err != nil {
			return err
		}
		s.retaken = append(s.retaken, row.Account)
	}
	if behind {
		// A crash came between the erasure and the copy.
		return s.copyTombstones(ctx)
	}
	return nil
}

// ErasedAgain are the accounts in which persons were erased anew when the store
// was opened, because the database was one that did not know of it.
func (s *Store) ErasedAgain() []string {
	return slices.Compact(slices.Sorted(slices.Values(s.retaken)))
}

func readTombstones(path string) ([]tombstoneRow, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the tombstones: %w", err)
	}
	var rows []tombstoneRow
	for line := range bytes.Lines(text) {
		var row tombstoneRow
		if err := json.Unmarshal(line, &row); err != nil || row.ID == "" || row.Account == "" {
			return nil, store.ExplainTombstones(fmt.Errorf("read %s: line %d is no tombstone: %w", path, len(rows)+1, store.ErrDamaged))
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// eraseAgain removes what is stored of whom a tombstone names. They are found by
// comparing: a tombstone does not tell who they are.
func (s *Store) eraseAgain(ctx context.Context, row *tombstoneRow) error {
	return s.update(ctx, "erase a person again", func(tx *txn) error {
		p := &search{s: s, tx: tx, who: &roster.Person{Account: row.Account, Sources: row.Sources}, known: map[roster.Subject]bool{}}
		m := s.aliasesOf(row.Account)
		if len(row.Emails) > 0 {
			p.mentioned = func(text []byte) (found bool) {
				roster.Addresses(text, func(address string) bool {
					found = slices.Contains(row.Emails, m.email(address))
					return !found
				})
				return found
			}
		}
		if err := p.named(func(conn string, kind sdk.Kind, id string) bool {
			return slices.Contains(row.Records, m.record(conn, kind, id))
		}); err != nil {
			return err
		}
		if err := p.run(); err != nil {
			return err
		}
		return errors.Join(p.erase(), putTombstone(tx, row))
	})
}

// named finds the records that a tombstone names among all that are stored.
func (p *search) named(is func(conn string, kind sdk.Kind, id string) bool) error {
	routes, err := p.routes()
	if err != nil {
		return err
	}
	add := func(conn string, kind sdk.Kind, id string) {
		if is(conn, kind, id) {
			p.add(roster.Subject{Connection: conn, Kind: kind, ID: id})
		}
	}
	for _, route := range routes {
		p.linked(route, add)
	}
	err = p.eachRefused(func(job, _ string, q roster.Quarantined) error {
		add(p.who.Sources[job], q.Kind, q.Record)
		return nil
	})
	if err != nil {
		return err
	}
	return p.eachPushed(func(row inboundRow) error {
		add(row.conn, row.record.Kind, row.record.ID)
		return nil
	})
}

// linked calls visit with the records of a route of which a link, a history or a
// create is stored.
func (p *search) linked(route roster.Route, visit func(conn string, kind sdk.Kind, id string)) {
	for _, top := range []string{bucketLinks, bucketLinksBack, bucketLinkHistory, bucketIntents} {
		b := peek(p.tx, top, linksName(route))
		if b == nil {
			continue
		}
		c := b.raw.Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			conn, id := route.From, string(k)
			if top == bucketLinkHistory || top == bucketIntents {
				id = id[1:]
				if k[0] == directionMarks[backward] {
					conn = route.To
				}
			}
			if top == bucketLinksBack {
				conn = route.To
			}
			visit(conn, route.Kind, id)
		}
	}
}
