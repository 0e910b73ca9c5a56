package bolt

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"syscall"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// beginLife writes what a life of the daemon begins with: the buckets that the
// schema has gained, and the epoch. A full disk keeps the daemon from starting
// only where the schema has to be raised; otherwise the epoch goes with the first
// transaction that finds room.
func (s *Store) beginLife(ctx context.Context, keys *store.Keyring) error {
	if err := s.guard(func() error { return s.migrate(keys) }); err != nil {
		return fmt.Errorf("raise the schema of %s: %w", s.path, err)
	}
	err := s.update(ctx, "begin a life of the daemon", func(tx *txn) error {
		// A process that was killed while it overwrote free pages leaves it.
		if err := dropFiller(tx); !errors.Is(err, errUnchanged) {
			return err
		}
		return nil
	})
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil
	}
	return err
}

// migrate makes a database of an earlier schema one of this schema.
func (s *Store) migrate(keys *store.Keyring) error {
	err := s.db.Update(updating(func(tx *txn) error {
		if schemaOf(tx) == strconv.Itoa(schemaVersion) {
			return errUnchanged
		}
		for _, name := range buckets(schemaVersion) {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return errors.Join(
			bucket(tx, bucketMeta).Put([]byte(metaSchema), []byte(strconv.Itoa(schemaVersion))), putKeys(tx, keys, s.names),
		)
	}))
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// nextEpoch is the epoch behind the stored one.
func nextEpoch(meta *tree) (uint64, error) {
	stored := meta.Get([]byte(metaEpoch))
	if stored == nil {
		return 1, nil
	}
	epoch, err := strconv.ParseUint(string(stored), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: its epoch is no number", store.ErrDamaged)
	}
	return epoch + 1, nil
}

// inEpoch makes the epoch part of the first transaction of a life, so that
// nothing of this life is on disk without it.
func (s *Store) inEpoch(write func(*txn) error) func(*txn) error {
	if s.raised {
		return write
	}
	return func(tx *txn) error {
		if err := bucket(tx, bucketMeta).Put([]byte(metaEpoch), strconv.AppendUint(nil, s.epoch, 10)); err != nil {
			return err
		}
		return write(tx)
	}
}

// Epoch is the number of this life of the daemon: greater than that of every
// earlier life that has stored anything.
func (s *Store) Epoch() uint64 { return s.epoch }

// DigestKey is the key of the installation's digests.
func (s *Store) DigestKey() digest.Key { return s.digestKey }

// markerPrefix leads every marker, markerChars is the length of one: 110 bits
// behind the prefix.
const (
	markerPrefix = "rd"
	markerChars  = 24
)

// Marker names a source record at the target, from where a lost create can be
// found again: 24 lower-case letters and digits that tell nothing of the record.
// It is the same for ever, whatever the master key is.
func (s *Store) Marker(route roster.Route, source string) string {
	n, ok := s.markers.Get().(*namer)
	if !ok {
		n = newNamer(s.markerKey)
	}
	defer s.markers.Put(n)
	return n.name(markerPrefix, markerChars, route.LinkSet(), route.From, string(route.Kind), source)
}

// keyedName is a name of so many letters and digits that is derived from parts.
func keyedName(key []byte, chars int, parts ...string) string {
	return newNamer(key).name("", chars, parts...)
}

// namer derives names of one key, which costs more to take in than a name. It serves
// one goroutine at a time.
type namer struct {
	mac      hash.Hash
	encoding *base32.Encoding
	text     []byte
	letters  []byte
}

func newNamer(key []byte) *namer {
	return &namer{mac: hmac.New(sha256.New, key), encoding: base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567")}
}

// name is a prefix and letters and digits that are derived from parts, so many
// together.
func (n *namer) name(prefix string, chars int, parts ...string) string {
	n.text = n.text[:0]
	for _, part := range parts {
		n.text = appendPart(n.text, part)
	}
	n.mac.Reset()
	n.mac.Write(n.text)
	n.text = n.mac.Sum(n.text[:0])
	n.letters = n.encoding.AppendEncode(append(n.letters[:0], prefix...), n.text)
	return string(n.letters[:chars])
}
