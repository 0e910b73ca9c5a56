package bolt

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"strings"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// tombstoneRow is a tombstone as it is stored, in the database and in the copy
// beside it.
type tombstoneRow struct {
	ID      string    `json:"id"`
	Account string    `json:"account"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
	// Records and Emails are the aliases of what is left out.
	Records []alias `json:"records"`
	Emails  []alias `json:"emails,omitempty"`
	// Sources are the connections that the account's jobs read, by job.
	Sources map[string]string `json:"sources,omitempty"`
}

// alias is a keyed hash of a record's name or of an address: it tells nothing of
// either to whoever does not have the key, and can be compared.
type alias [16]byte

// MarshalText writes the alias in hex.
func (m alias) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%x", m[:]), nil }

// UnmarshalText reads what MarshalText has written.
func (m *alias) UnmarshalText(text []byte) error {
	var out []byte
	if _, err := fmt.Sscanf(string(text), "%x", &out); err != nil || len(out) != len(m) {
		return fmt.Errorf("%w: an alias of a tombstone is none", store.ErrDamaged)
	}
	copy(m[:], out)
	return nil
}

func (r *tombstoneRow) tombstone() roster.Tombstone {
	return roster.Tombstone{
		ID: r.ID, Account: r.Account, At: r.At, By: r.By, Reason: r.Reason, Records: len(r.Records), Emails: len(r.Emails),
	}
}

// aliases makes aliases. It serves one goroutine.
type aliases struct {
	mac     hash.Hash
	account string
	text    []byte
}

func (s *Store) aliasesOf(account string) *aliases {
	return &aliases{mac: hmac.New(sha256.New, s.tombKey), account: account}
}

func (m *aliases) record(conn string, kind sdk.Kind, id string) alias {
	return m.of("record", conn, string(kind), id)
}

func (m *aliases) email(address string) alias { return m.of("email", address) }

func (m *aliases) of(parts ...string) (out alias) {
	m.text = appendPart(m.text[:0], m.account)
	for _, part := range parts {
		m.text = appendPart(m.text, part)
	}
	m.mac.Reset()
	m.mac.Write(m.text)
	copy(out[:], m.mac.Sum(m.text[:0]))
	return out
}

// Erased tells which records and addresses of an account are left out. It serves
// concurrent calls, and is nil where there are none.
type Erased struct {
	records, emails map[alias]struct{}
	makers          sync.Pool
}

// Record reports whether a record is one of a person who was erased.
func (e *Erased) Record(conn string, kind sdk.Kind, id string) bool {
	if e == nil || len(e.records) == 0 {
		return false
	}
	m := e.maker()
	defer e.makers.Put(m)
	_, ok := e.records[m.record(conn, kind, id)]
	return ok
}

// Mentioned reports whether a text holds an address that is left out.
func (e *Erased) Mentioned(text []byte) (found bool) {
	if e == nil || len(e.emails) == 0 {
		return false
	}
	m := e.maker()
	defer e.makers.Put(m)
	roster.Addresses(text, func(address string) bool {
		_, found = e.emails[m.email(address)]
		return !found
	})
	return found
}

func (e *Erased) maker() *aliases {
	m, _ := e.makers.Get().(*aliases) // New makes nothing else
	return m
}

// Erased returns who is left out of an account: nil for nobody.
func (s *Store) Erased(ctx context.Context, account string) (*Erased, error) {
	var e *Erased
	err := s.view(ctx, "read who was erased", func(tx *txn) (err error) {
		e, err = s.erased(tx, account)
		return err
	})
	return e, err
}

func (s *Store) erased(tx *txn, account string) (*Erased, error) {
	if k, _ := bucket(tx, bucketTombstones).raw.Cursor().First(); k == nil {
		return nil, nil
	}
	e := &Erased{records: map[alias]struct{}{}, emails: map[alias]struct{}{}}
	e.makers.New = func() any { return s.aliasesOf(account) }
	err := eachTombstone(tx, account, func(row *tombstoneRow) error {
		for _, m := range row.Records {
			e.records[m] = struct{}{}
		}
		for _, m := range row.Emails {
			e.emails[m] = struct{}{}
		}
		return nil
	})
	if err != nil || len(e.records)+len(e.emails) == 0 {
		return nil, err
	}
	return e, nil
}

// eachTombstone calls visit with the tombstones of an account, or of all where that
// is empty.
func eachTombstone(tx *txn, account string, visit func(*tombstoneRow) error) error {
	return bucket(tx, bucketTombstones).ForEach(func(key, raw []byte) error {
		var row tombstoneRow
		if err := json.Unmarshal(raw, &row); err != nil {
			return fmt.Errorf("%w: decode tombstone %s: %w", store.ErrDamaged, key, err)
		}
		if account != "" && row.Account != account {
			return nil
		}
		return visit(&row)
	})
}

// Tombstones returns the tombstones of an account, or of all where that is empty,
// ordered by id.
func (s *Store) Tombstones(ctx context.Context, account string) ([]roster.Tombstone, error) {
	var found []roster.Tombstone
	err := s.view(ctx, "list tombstones", func(tx *txn) error {
		return eachTombstone(tx, account, func(row *tombstoneRow) error {
			found = append(found, row.tombstone())
			return nil
		})
	})
	return found, err
}

// LiftTombstone removes a tombstone: the next run that reads the person takes them
// again. It fails with [store.ErrNotFound] where there is none.
func (s *Store) LiftTombstone(ctx context.Context, id string) (roster.Tombstone, error) {
	var row tombstoneRow
	err := s.update(ctx, "lift tombstone "+id, func(tx *txn) error {
		b := bucket(tx, bucketTombstones)
		if err := load(b, []byte(id), &row); err != nil {
			return err
		}
		return b.Delete([]byte(id))
	})
	if err == nil {
		err = s.copyTombstones(ctx)
	}
	return row.tombstone(), err
}

// checkErased fails with [roster.ErrErased] where a record is of a person who was
// erased, by its id or by an address in its values.
func (s *Store) checkErased(tx *txn, conn string, kind sdk.Kind, id string, values ...string) error {
	e, err := s.erased(tx, accountOf(conn))
	if err != nil || e == nil {
		return err
	}
	if e.Record(conn, kind, id) {
		return roster.ErrErased
	}
	for _, value := range values {
		if e.Mentioned([]byte(value)) {
			return roster.ErrErased
		}
	}
	return nil
}

// accountOf is the key of the account that a ref belongs to.
func accountOf(ref string) string {
	account, _, _ := strings.Cut(ref, "/")
	return account
}
