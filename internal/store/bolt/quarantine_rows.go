package bolt

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// quarantineRow is what is stored of an entry beside its key and its payload.
type quarantineRow struct {
	Kind   sdk.Kind     `json:"kind"`
	Stage  roster.Stage `json:"stage"`
	Code   string       `json:"code"`
	Reason string       `json:"reason"`
	At     time.Time    `json:"at"`
	Form   int          `json:"form,omitempty"`
	Gone   bool         `json:"gone,omitempty"`
	// Who is a quarantineWho, sealed: a record's id may be an e-mail address.
	Who []byte `json:"who"`
}

type quarantineWho struct {
	Record   string `json:"record,omitempty"`
	Position string `json:"position,omitempty"`
}

// quarantineEntry is a row with its key.
type quarantineEntry struct {
	job, key string
	row      quarantineRow
}

func (e *quarantineEntry) id() string  { return e.key[:idChars] }
func (e *quarantineEntry) run() string { return e.key[idChars:] }

func (e quarantineEntry) clone() quarantineEntry {
	e.key = strings.Clone(e.key)
	return e
}

// idChars is the length of an entry's id: 60 bits, so that two of a million
// entries share one with a probability of less than one in a million.
const idChars = 12

// quarantineID names an entry by what it is about, keyed so that an id tells
// nothing about the record. The forms of a record share one. A record that has
// neither an id nor a position is named by its payload.
func (s *Store) quarantineID(q *roster.Quarantined) string {
	mac := hmac.New(sha256.New, s.idKey)
	position := q.Position
	if q.Form > 0 && q.Record != "" {
		position = ""
	}
	for _, part := range []string{q.Job, string(q.Kind), q.Record, position} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		mac.Write(size[:])
		mac.Write([]byte(part))
	}
	if q.Record == "" && position == "" {
		mac.Write(q.Payload)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)))[:idChars]
}

// sealedLayout is the layout of sealed values. It is not the schema's version,
// with which it would change although what is sealed stays.
const sealedLayout = 1

// place binds a sealed value to its layout and to where it is kept.
func place(top, job, key string) []byte {
	return fmt.Appendf(nil, "%d\x00%s\x00%s\x00%s", sealedLayout, top, job, key)
}

// opened returns an entry with the record's id and position, without payload.
func (s *Store) opened(e *quarantineEntry) (roster.Quarantined, error) {
	raw, err := s.sealer.Open(e.row.Who, place(bucketQuarantine, e.job, e.key))
	if err != nil {
		return roster.Quarantined{}, fmt.Errorf("entry %s: %w", e.id(), err)
	}
	var who quarantineWho
	if err := json.Unmarshal(raw, &who); err != nil {
		return roster.Quarantined{}, fmt.Errorf("entry %s: %w", e.id(), err)
	}
	return roster.Quarantined{
		ID: e.id(), Job: e.job, Run: e.run(), Kind: e.row.Kind, Record: who.Record, Position: who.Position,
		Stage: e.row.Stage, Code: e.row.Code, Reason: e.row.Reason, At: e.row.At, Form: e.row.Form, Gone: e.row.Gone,
	}, nil
}

// eachJob calls visit with the rows of each job that the filter can select.
func eachJob(tx *txn, filter roster.QuarantineFilter, visit func(job string, rows *tree) error) error {
	job := filter.Job
	if job == "" && filter.Run != "" {
		var run roster.Run
		err := load(bucket(tx, bucketRuns), []byte(filter.Run), &run)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		job = run.Job
	}
	if job != "" {
		if rows := peek(tx, bucketQuarantine, job); rows != nil {
			return visit(job, rows)
		}
		return nil
	}
	for _, name := range bucket(tx, bucketQuarantine).names() {
		if err := visit(name, peek(tx, bucketQuarantine, name)); err != nil {
			return err
		}
	}
	return nil
}

// scan calls visit with the selected rows of one job in the order of their ids
// until visit wants no more. Of several rows of one record the newest stands
// for it, unless the filter names a run.
func scan(job string, rows *tree, filter roster.QuarantineFilter, visit func(quarantineEntry) bool) error {
	var best quarantineEntry
	give := func() (more bool) {
		return best.key == "" || filter.Code != "" && best.row.Code != filter.Code || visit(best)
	}
	c := rows.Cursor()
	for k, v := c.Seek([]byte(filter.After)); k != nil; k, v = c.Next() {
		id, run := string(k[:idChars]), string(k[idChars:])
		if id <= filter.After || filter.Run != "" && run != filter.Run {
			continue
		}
		e := quarantineEntry{job: job, key: id + run}
		if err := json.Unmarshal(v, &e.row); err != nil {
			return fmt.Errorf("%w: decode entry %s: %w", store.ErrDamaged, id, err)
		}
		if best.key != "" && best.id() == id {
			if !e.row.At.Before(best.row.At) {
				best = e
			}
			continue
		}
		if !give() {
			return nil
		}
		best = e
	}
	give()
	return nil
}

// newest returns the row that stands for a record.
func newest(job string, rows *tree, id string) (best quarantineEntry, ok bool, err error) {
	for _, key := range keysOfID(rows, id) {
		e := quarantineEntry{job: job, key: string(key)}
		if err := load(rows, key, &e.row); err != nil {
			return best, false, err
		}
		if !ok || !e.row.At.Before(best.row.At) {
			best, ok = e, true
		}
	}
	return best, ok, nil
}

// settleQuarantine removes what a run's entries supersede: all entries of other
// runs where the run has read everything, else those of records that the run
// refused too or has read again.
func settleQuarantine(tx *txn, run *roster.Run, d *roster.Delivery) error {
	rows := peek(tx, bucketQuarantine, run.Job)
	if rows == nil {
		return nil
	}
	own := make(map[string]bool, len(d.Retried))
	for _, id := range d.Retried {
		own[id] = true
	}
	for _, key := range keysOf(rows, func(_, of string) bool { return of == run.ID }) {
		own[string(key[:idChars])] = true
	}
	var done [][]byte
	for _, key := range keysOf(rows, func(id, of string) bool { return of != run.ID && (d.ReplaceQuarantine || own[id]) }) {
		row, _, err := rowAt(rows, string(key))
		if err != nil {
			return err
		}
		if !row.decidedSince(d.Since) {
			done = append(done, key)
		}
	}
	return dropEntries(tx, run.Job, done)
}

// decidedSince reports whether the entry is what a person has decided about a parked
// create since a time.
func (r *quarantineRow) decidedSince(at time.Time) bool {
	return !at.IsZero() && (r.Code == roster.CodeParkedCreate || r.Code == roster.CodeParkedLinked) && r.At.After(at)
}

// keysOf returns copies of the keys that match. Keys are collected before
// anything is removed, because removing moves a bbolt cursor.
func keysOf(rows *tree, match func(id, run string) bool) [][]byte {
	var keys [][]byte
	c := rows.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if match(string(k[:idChars]), string(k[idChars:])) {
			keys = append(keys, bytes.Clone(k))
		}
	}
	return keys
}

// keysOfID returns copies of the keys of one record.
func keysOfID(rows *tree, id string) [][]byte {
	if len(id) != idChars {
		return nil
	}
	var keys [][]byte
	c := rows.Cursor()
	for k, _ := c.Seek([]byte(id)); k != nil && bytes.HasPrefix(k, []byte(id)); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	return keys
}

func dropEntries(tx *txn, job string, keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	rows, payloads := peek(tx, bucketQuarantine, job), peek(tx, bucketPayload, job)
	for _, key := range keys {
		if err := errors.Join(rows.Delete(key), payloads.Delete(key)); err != nil {
			return err
		}
	}
	return nil
}
