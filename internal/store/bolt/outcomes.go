package bolt

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// The index of a session's clients is one value: for each client the keyed hash
// of its id and its place, ascending by the hash. It is searched where it lies
// in the file, without being decoded. 64 bits of hash let two of the 50,000
// clients of a session share one with a probability of 7 in 10^11.
const (
	hashBytes  = 8
	placeBytes = 4
	indexEntry = hashBytes + placeBytes
)

// IndexClients remembers the clients of a session by their ids, which are given
// in the order of the clients. It replaces what was remembered before.
func (s *Store) IndexClients(ctx context.Context, session string, ids []string) error {
	doing := "index the clients of session " + session
	index := s.clientIndex(session, ids)
	return s.update(ctx, doing, func(tx *txn) error {
		if bucket(tx, bucketSessions).Get([]byte(session)) == nil {
			return store.ErrNotFound
		}
		return errors.Join(
			bucket(tx, bucketSessionsAwaiting).Put([]byte(session), nil),
			bucket(tx, bucketSessionClients).Put([]byte(session), index),
		)
	})
}

func (s *Store) clientIndex(session string, ids []string) []byte {
	type entry struct {
		hash  [hashBytes]byte
		place int
	}
	hash := s.clientHash(session)
	entries := make([]entry, len(ids))
	for i, id := range ids {
		entries[i] = entry{hash: hash(id), place: i}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(bytes.Compare(a.hash[:], b.hash[:]), a.place-b.place)
	})
	index := make([]byte, 0, len(entries)*indexEntry)
	for _, e := range entries {
		index = append(index, e.hash[:]...)
		index = binary.BigEndian.AppendUint32(index, uint32(e.place))
	}
	return index
}

// clientHash returns the function that names a client in the index: keyed, so
// that the index tells nothing about an id, and bound to the session.
func (s *Store) clientHash(session string) func(id string) [hashBytes]byte {
	mac, sum := hmac.New(sha256.New, s.clientKey), make([]byte, 0, sha256.Size)
	var text []byte
	return func(id string) [hashBytes]byte {
		text = appendPart(appendPart(text[:0], session), id)
		mac.Reset()
		mac.Write(text)
		return [hashBytes]byte(mac.Sum(sum)[:hashBytes])
	}
}

// appendPart appends a text so that it can be told where it ends.
func appendPart(to []byte, part string) []byte {
	return append(binary.BigEndian.AppendUint64(to, uint64(len(part))), part...)
}

// FindClients returns the places of the clients with the given ids, -1 where the
// session has no such client. It fails with [store.ErrNotFound] when the
// session's clients are not remembered.
func (s *Store) FindClients(ctx context.Context, session string, ids []string) ([]int, error) {
	hash, places := s.clientHash(session), make([]int, len(ids))
	err := s.view(ctx, "find clients of session "+session, func(tx *txn) error {
		index := bucket(tx, bucketSessionClients).Get([]byte(session))
		if index == nil {
			return store.ErrNotFound
		}
		for i, id := range ids {
			places[i] = searchClient(index, hash(id))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return places, nil
}

func searchClient(index []byte, hash [hashBytes]byte) int {
	low, high := 0, len(index)/indexEntry
	for low < high {
		middle := (low + high) / 2
		if bytes.Compare(index[middle*indexEntry:][:hashBytes], hash[:]) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if found := index[low*indexEntry:]; len(found) >= indexEntry && bytes.Equal(found[:hashBytes], hash[:]) {
		return int(binary.BigEndian.Uint32(found[hashBytes:]))
	}
	return -1
}

// ForgetClients forgets the ids of a session's clients. What became of them
// stays.
func (s *Store) ForgetClients(ctx context.Context, session string) error {
	return s.update(ctx, "forget the clients of session "+session, func(tx *txn) error {
		awaiting := bucket(tx, bucketSessionsAwaiting)
		if awaiting.Get([]byte(session)) == nil {
			return errUnchanged
		}
		return errors.Join(awaiting.Delete([]byte(session)), bucket(tx, bucketSessionClients).Delete([]byte(session)))
	})
}

// Outcomes returns what became of the clients of a session, by their place.
// Clients behind the end of the list are unknown.
func (s *Store) Outcomes(ctx context.Context, session string) ([]roster.Outcome, error) {
	var clients []roster.Outcome
	err := s.view(ctx, "read the outcomes of session "+session, func(tx *txn) (err error) {
		clients, err = decodeOutcomes(bucket(tx, bucketSessionOutcomes).Get([]byte(session)), nil)
		return err
	})
	return clients, err
}

// RecordOutcome changes, in one transaction, what became of the clients of a
// session, the session, its run and the quarantine. Change must be quick and
// must not call the store; the rules for the session and the run are those of
// [Store.UpdateSession] and [Store.UpdateRun].
func (s *Store) RecordOutcome(ctx context.Context, session string, change func(*roster.OutcomeRecord) error) error {
	return s.update(ctx, "record outcomes of session "+session, func(tx *txn) error {
		var record roster.OutcomeRecord
		if err := load(bucket(tx, bucketSessions), []byte(session), &record.Session); err != nil {
			return err
		}
		err := load(bucket(tx, bucketRuns), []byte(record.Session.Run), &record.Run)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		had := bucket(tx, bucketSessionOutcomes).Get([]byte(session))
		record.Clients, err = decodeOutcomes(had, make([]roster.Outcome, 0, record.Session.Clients()))
		if err != nil {
			return err
		}
		record.Clients = record.Clients[:min(cap(record.Clients), record.Session.Clients())]
		before := record
		if err := change(&record); err != nil {
			return err
		}
		if err := sameIdentity(before.Session, record.Session, before.Run, record.Run); err != nil {
			return err
		}
		return s.putOutcome(tx, &record, had)
	})
}

func sameIdentity(s, session roster.Session, r, run roster.Run) error {
	if s.ID != session.ID || s.Run != session.Run || s.Business != session.Business || !s.Created.Equal(session.Created) ||
		r.ID != run.ID || r.Job != run.Job || !r.Asked.Equal(run.Asked) {
		return fmt.Errorf("%w: what a session and a run are named by stays", roster.ErrInvalid)
	}
	return nil
}

func (s *Store) putOutcome(tx *txn, record *roster.OutcomeRecord, had []byte) error {
	encoded := encodeOutcomes(record.Clients)
	changed := !bytes.Equal(encoded, had)
	if changed {
		if err := bucket(tx, bucketSessionOutcomes).Put([]byte(record.Session.ID), encoded); err != nil {
			return err
		}
	}
	session, err := putSession(tx, record.Session)
	if err != nil {
		return err
	}
	run := false
	if record.Run.ID != "" {
		if run, err = putRun(tx, record.Run); err != nil {
			return err
		}
	}
	if !changed && !session && !run && len(record.Refused)+len(record.Settled) == 0 {
		return errUnchanged
	}
	return s.moveQuarantine(tx, record)
}

func (s *Store) moveQuarantine(tx *txn, record *roster.OutcomeRecord) error {
	for i := range record.Refused {
		q := &record.Refused[i]
		q.ID = s.quarantineID(q)
		entry, err := s.prepare(q)
		if err == nil {
			_, err = entry.put(tx)
		}
		if err != nil {
			return err
		}
	}
	for i := range record.Settled {
		q := &record.Settled[i]
		if peek(tx, bucketQuarantine, q.Job) == nil {
			continue
		}
		if err := dropEntries(tx, q.Job, [][]byte{[]byte(s.quarantineID(q) + q.Run)}); err != nil {
			return err
		}
	}
	return nil
}

// encodeOutcomes writes outcomes as runs: an outcome, then how many clients in a
// row have it (varint). Clients at the end of which nothing is known are left
// out. Most sessions take a few bytes.
func encodeOutcomes(clients []roster.Outcome) []byte {
	var out []byte
	for i := 0; i < len(clients); {
		first := i
		for i < len(clients) && clients[i] == clients[first] {
			i++
		}
		if i == len(clients) && clients[first] == roster.OutcomeUnknown {
			break
		}
		out = binary.AppendUvarint(append(out, byte(clients[first])), uint64(i-first))
	}
	return out
}

// maxOutcomes bounds what a damaged value can make of itself.
const maxOutcomes = 1 << 20

func decodeOutcomes(raw []byte, dst []roster.Outcome) ([]roster.Outcome, error) {
	for len(raw) > 0 {
		n, size := binary.Uvarint(raw[1:])
		if size <= 0 || n > maxOutcomes || len(dst)+int(n) > maxOutcomes || raw[0] > byte(roster.OutcomeCreated) {
			return nil, fmt.Errorf("%w: decode outcomes", store.ErrDamaged)
		}
		for range n {
			dst = append(dst, roster.Outcome(raw[0]))
		}
		raw = raw[1+size:]
	}
	return dst, nil
}
