package bolt

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// inboundBody is what is sealed of a pushed record.
type inboundBody struct {
	ID     string             `json:"id"`
	Club   string             `json:"club,omitempty"`
	At     time.Time          `json:"at"`
	Fields map[string]*string `json:"fields"`
}

const (
	// seqBytes is the length of a place in the order of arrival, inboundName that
	// of the keyed hash that names a record.
	seqBytes, inboundName = 8, 16
	// inboundState is the key beside the names under which a connection's last
	// place and the number of its waiting records are kept. Names are longer.
	inboundState = "state"
)

// SaveInbound stores a record that was pushed to a connection, behind all others,
// and returns it with its place. One of the same id that still waits is replaced,
// and what was pushed of it before and not again is kept: the jobs read what
// they would have read of both. It fails with [store.ErrFull] when most records
// wait already and this would be another one, and with [roster.ErrErased] when it
// is of a person who was erased.
func (s *Store) SaveInbound(ctx context.Context, conn string, record roster.Inbound, most int) (roster.Inbound, error) {
	doing := "store a record pushed to " + conn
	if err := checkInbound(conn, record.Kind); err != nil || record.ID == "" || len(record.ID) > maxLinkID {
		return record, errors.Join(fmt.Errorf("%s: %w: it needs a connection, a kind and an id", doing, roster.ErrInvalid), err)
	}
	err := s.update(ctx, doing, func(tx *txn) error {
		err := s.checkErased(tx, conn, record.Kind, record.ID, slices.Collect(fieldTexts(record.Fields))...)
		if err == nil {
			record, err = s.saveInbound(tx, conn, record, most)
		}
		return err
	})
	return record, err
}

// fieldTexts are the values of fields that have one.
func fieldTexts(fields map[string]*string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, text := range fields {
			if text != nil && !yield(*text) {
				return
			}
		}
	}
}

func checkInbound(conn string, kind sdk.Kind) error {
	if conn == "" || strings.ContainsAny(conn, " \x00") || !kind.Valid() {
		return fmt.Errorf("%w: no connection or no kind", roster.ErrInvalid)
	}
	return nil
}

func (s *Store) saveInbound(tx *txn, conn string, record roster.Inbound, most int) (roster.Inbound, error) {
	index, err := nested(tx, bucketInboundLatest, conn)
	if err != nil {
		return record, err
	}
	state, name := readInboundState(index), s.inboundName(conn, record.Kind, record.ID)
	if stored := index.Get(name); stored != nil {
		kind, seq := cutInbound(stored)
		waits, err := s.inboundAt(tx, conn, kind, seq)
		if err != nil {
			return record, err
		}
		record.Fields = merged(waits.Fields, record.Fields)
		if err := peek(tx, bucketInbound, inboundRows(conn, kind)).Delete(seqKey(seq)); err != nil {
			return record, err
		}
		state.waiting--
	}
	if state.waiting >= uint64(max(most, 0)) {
		return record, store.ErrFull
	}
	state.last++
	state.waiting++
	record.Seq = state.last
	rows, err := nested(tx, bucketInbound, inboundRows(conn, record.Kind))
	if err != nil {
		return record, err
	}
	raw, err := json.Marshal(inboundBody{ID: record.ID, Club: record.Club, At: record.At, Fields: record.Fields})
	if err != nil {
		return record, err
	}
	key := seqKey(record.Seq)
	sealed := s.inboundSealer.Seal(raw, place(bucketInbound, inboundRows(conn, record.Kind), string(key)))
	return record, errors.Join(
		rows.Put(key, append(bytes.Clone(name), sealed...)),
		index.Put(name, append(bytes.Clone(key), record.Kind...)),
		state.write(index),
	)
}

// merged are the fields of two saves of one record, the later over the earlier.
func merged(earlier, later map[string]*string) map[string]*string {
	out := make(map[string]*string, len(later))
	for _, fields := range []map[string]*string{earlier, later} {
		maps.Copy(out, fields)
	}
	return out
}

// InboundAfter returns the records of a kind that wait behind a place, in the
// order of arrival, at most limit.
func (s *Store) InboundAfter(ctx context.Context, conn string, kind sdk.Kind, after uint64, limit int) ([]roster.Inbound, error) {
	var found []roster.Inbound
	doing := "read what was pushed to " + conn
	if err := checkInbound(conn, kind); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	err := s.view(ctx, doing, func(tx *txn) error {
		rows := peek(tx, bucketInbound, inboundRows(conn, kind))
		if rows == nil || after+1 == 0 {
			return nil
		}
		c := rows.Cursor()
		for k, v := c.Seek(seqKey(after + 1)); k != nil && len(found) < limit; k, v = c.Next() {
			record, err := s.openInbound(conn, kind, k, v)
			if err != nil {
				return err
			}
			found = append(found, record)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// InboundLatest returns what waits of one record, of whatever kind of its group,
// or [store.ErrNotFound].
func (s *Store) InboundLatest(ctx context.Context, conn string, kind sdk.Kind, id string) (roster.Inbound, error) {
	var found roster.Inbound
	doing := "look for a record pushed to " + conn
	if err := checkInbound(conn, kind); err != nil {
		return found, fmt.Errorf("%s: %w", doing, err)
	}
	err := s.view(ctx, doing, func(tx *txn) error {
		index := peek(tx, bucketInboundLatest, conn)
		if index == nil {
			return store.ErrNotFound
		}
		stored := index.Get(s.inboundName(conn, kind, id))
		if stored == nil {
			return store.ErrNotFound
		}
		of, seq := cutInbound(stored)
		var err error
		found, err = s.inboundAt(tx, conn, of, seq)
		return err
	})
	return found, err
}

// DropInbound removes the records of a kind up to a place, which every job has
// read, and returns how many those were.
func (s *Store) DropInbound(ctx context.Context, conn string, kind sdk.Kind, upTo uint64) (int, error) {
	dropped := 0
	doing := "remove what was read of " + conn
	if err := checkInbound(conn, kind); err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	err := s.update(ctx, doing, func(tx *txn) error {
		rows, index := peek(tx, bucketInbound, inboundRows(conn, kind)), peek(tx, bucketInboundLatest, conn)
		if rows == nil || index == nil {
			return errUnchanged
		}
		var keys, names [][]byte
		c := rows.Cursor()
		for k, v := c.First(); k != nil && binary.BigEndian.Uint64(k) <= upTo; k, v = c.Next() {
			keys, names = append(keys, bytes.Clone(k)), append(names, bytes.Clone(v[:min(inboundName, len(v))]))
		}
		if len(keys) == 0 {
			return errUnchanged
		}
		state := readInboundState(index)
		for i := range keys {
			if err := errors.Join(rows.Delete(keys[i]), index.Delete(names[i])); err != nil {
				return err
			}
		}
		state.waiting -= uint64(len(keys))
		dropped = len(keys)
		return state.write(index)
	})
	if err != nil {
		return 0, err
	}
	return dropped, nil
}

// InboundWaiting returns how many records pushed to a connection wait.
func (s *Store) InboundWaiting(ctx context.Context, conn string) (int, error) {
	waiting := 0
	err := s.view(ctx, "count what was pushed to "+conn, func(tx *txn) error {
		if index := peek(tx, bucketInboundLatest, conn); index != nil {
			waiting = int(readInboundState(index).waiting)
		}
		return nil
	})
	return waiting, err
}

func (s *Store) inboundAt(tx *txn, conn string, kind sdk.Kind, seq uint64) (roster.Inbound, error) {
	rows := peek(tx, bucketInbound, inboundRows(conn, kind))
	if rows == nil {
		return roster.Inbound{}, fmt.Errorf("%w: a pushed record is not where it should be", store.ErrDamaged)
	}
	key := seqKey(seq)
	return s.openInbound(conn, kind, key, rows.Get(key))
}

func (s *Store) openInbound(conn string, kind sdk.Kind, key, row []byte) (roster.Inbound, error) {
	if len(key) != seqBytes || len(row) < inboundName {
		return roster.Inbound{}, fmt.Errorf("%w: a pushed record is cut", store.ErrDamaged)
	}
	raw, err := s.inboundSealer.Open(row[inboundName:], place(bucketInbound, inboundRows(conn, kind), string(key)))
	if err != nil {
		return roster.Inbound{}, err
	}
	var body inboundBody
	if err := json.Unmarshal(raw, &body); err != nil {
		return roster.Inbound{}, fmt.Errorf("%w: decode a pushed record: %w", store.ErrDamaged, err)
	}
	return roster.Inbound{
		Kind: kind, ID: body.ID, Club: body.Club, At: body.At, Fields: body.Fields, Seq: binary.BigEndian.Uint64(key),
	}, nil
}

// inboundRows names the bucket of a connection's records of one kind. No ref has
// a space.
func inboundRows(conn string, kind sdk.Kind) string { return conn + " " + string(kind) }

// inboundName is the keyed hash under which the latest push of a record is found.
func (s *Store) inboundName(conn string, kind sdk.Kind, id string) []byte {
	mac := hmac.New(sha256.New, s.inboundKey)
	for _, part := range []string{conn, roster.InboundGroup(kind), id} {
		mac.Write(appendPart(nil, part))
	}
	return mac.Sum(nil)[:inboundName]
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func cutInbound(stored []byte) (sdk.Kind, uint64) {
	if len(stored) < seqBytes {
		return "", 0
	}
	return sdk.Kind(stored[seqBytes:]), binary.BigEndian.Uint64(stored)
}

// inboundCounts are what a connection's state entry holds: the last place that
// was given, which no later one may fall behind, and how many records wait.
type inboundCounts struct{ last, waiting uint64 }

func readInboundState(index *tree) inboundCounts {
	stored := index.Get([]byte(inboundState))
	if len(stored) != 2*seqBytes {
		return inboundCounts{}
	}
	return inboundCounts{last: binary.BigEndian.Uint64(stored), waiting: binary.BigEndian.Uint64(stored[seqBytes:])}
}

func (c inboundCounts) write(index *tree) error {
	return index.Put([]byte(inboundState), append(seqKey(c.last), seqKey(c.waiting)...))
}
