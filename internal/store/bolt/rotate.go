package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/rosterd/rosterd/internal/store"
)

// Rotation says how a state directory gets another master key.
type Rotation struct {
	From, To *store.Keyring
	// Master is the new key as master.key is to hold it; nil where the key is kept
	// elsewhere.
	Master []byte
	// Verify is called with the database before it is read and with the new one; see
	// [OpenVerified].
	Verify func(ctx context.Context, path string) error
	// Also, where it is not nil, seals what else is in the state directory into a
	// folder of dir, from where its files take the places of those of the same names.
	Also func(ctx context.Context, dir string) error
	// Step is told of each step that is done.
	Step func(done string)
}

// RotateKey seals everything in a state directory that no daemon uses with another
// master key. A crash at any moment leaves the state readable with the old key,
// or, from one rename on, with the new one.
func RotateKey(ctx context.Context, dir string, o Rotation) (err error) {
	s, err := OpenVerified(ctx, dir, o.From, o.Verify)
	if err != nil {
		return err
	}
	// The store stays open, and with it the lock, until the new state stands.
	defer func() { err = errors.Join(err, s.Close()) }()
	r, err := store.BeginRotation(dir, o.Step)
	if err != nil {
		return err
	}
	o.Step("opened")
	if err := s.rotateInto(ctx, r, &o); err != nil {
		return store.Explain(errors.Join(fmt.Errorf("change the master key: %w", err), r.Abort()))
	}
	s.unmarked = true
	return r.Commit()
}

func (s *Store) rotateInto(ctx context.Context, r *store.Rotation, o *Rotation) error {
	if err := s.rotateDatabase(ctx, r, o.To); err != nil {
		return err
	}
	o.Step("sealed " + fileName)
	if err := o.Verify(ctx, filepath.Join(r.Dir(), fileName)); err != nil {
		return err
	}
	if err := store.CopyChangeSets(ctx, filepath.Dir(s.path), o.From, r.Dir(), o.To); err != nil {
		return err
	}
	if o.Also != nil {
		if err := o.Also(ctx, r.Dir()); err != nil {
			return err
		}
	}
	o.Step("sealed the files")
	if o.Master == nil {
		return nil
	}
	return r.PutKey(o.Master, o.From.ID())
}

// rotateDatabase writes the database anew. It is a new file because what a bbolt
// file no longer uses is still in it.
func (s *Store) rotateDatabase(ctx context.Context, r *store.Rotation, to *store.Keyring) error {
	fresh, err := openFile(filepath.Join(r.Dir(), fileName), false)
	if err != nil {
		return err
	}
	next := &Store{names: s.names}
	err = next.derive(to)
	if err == nil {
		err = s.view(ctx, "read the database", func(tx *txn) error {
			return (&resealing{from: s, to: next, keys: to, db: fresh}).copy(ctx, tx)
		})
	}
	return errors.Join(err, fresh.Close())
}

// resealing copies a database, with what is sealed in it sealed anew.
type resealing struct {
	from, to *Store
	keys     *store.Keyring
	db       *bbolt.DB
	// tx is the transaction that is being filled, size the bytes in it.
	tx   *txn
	size int
}

func (r *resealing) copy(ctx context.Context, tx *txn) error {
	err := tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		return r.tree(ctx, newTree(tx, b, string(name)+"\x00"))
	})
	if err != nil {
		if r.tx != nil {
			err = errors.Join(err, r.tx.Rollback())
		}
		return err
	}
	return r.commit()
}

// tree copies one bucket with those in it.
func (r *resealing) tree(ctx context.Context, from *tree) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := r.target(from.path); err != nil {
		return err
	}
	return from.raw.ForEach(func(key, stored []byte) error {
		switch {
		case stored == nil:
			return r.tree(ctx, newTree(from.tx, from.raw.Bucket(key), from.path+string(key)+"\x00"))
		case from.path == bucketMeta+"\x00" && string(key) == metaSum:
			return nil // it is that of what was put
		case from.path == bucketMeta+"\x00" && string(key) == metaNames:
			return nil // it comes with the id of the key
		case from.path == bucketMeta+"\x00" && string(key) == metaKey:
			if _, err := r.target(from.path); err != nil {
				return err
			}
			return putKeys(r.tx, r.keys, r.from.names)
		}
		value, err := r.reseal(from.path, key, from.open(key, stored))
		if err != nil {
			return fmt.Errorf("a value in %s: %w", from.top(), err)
		}
		to, err := r.target(from.path)
		if err != nil {
			return err
		}
		r.size += len(key) + len(value)
		return to.Put(bytes.Clone(key), value)
	})
}

// target returns the bucket of a path in the transaction that is being filled.
func (r *resealing) target(path string) (*tree, error) {
	if r.size > compactChunk {
		if err := r.commit(); err != nil {
			return nil, err
		}
	}
	if r.tx == nil {
		tx, err := r.db.Begin(true)
		if err != nil {
			return nil, err
		}
		r.tx = &txn{Tx: tx}
		// The checksum of all entries is in it, which every transaction changes.
		if _, err := tx.CreateBucketIfNotExists([]byte(bucketMeta)); err != nil {
			return nil, err
		}
	}
	var b *bbolt.Bucket
	for name := range strings.SplitSeq(strings.TrimSuffix(path, "\x00"), "\x00") {
		var err error
		if b == nil {
			b, err = r.tx.CreateBucketIfNotExists([]byte(name))
		} else {
			b, err = b.CreateBucketIfNotExists([]byte(name))
		}
		if err != nil {
			return nil, err
		}
	}
	b.FillPercent = 0.9 // keys come in their order
	return newTree(r.tx, b, path), nil
}

func (r *resealing) commit() error {
	if r.tx == nil {
		return nil
	}
	tx := r.tx
	r.tx, r.size = nil, 0
	if err := tx.storeSum(); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// reseal returns a value as it is sealed with the other key: the value itself where
// nothing in it is sealed.
func (r *resealing) reseal(path string, key, value []byte) ([]byte, error) {
	top, inner, _ := strings.Cut(strings.TrimSuffix(path, "\x00"), "\x00")
	again := func(from, to *store.Sealer, sealed []byte, at []byte) ([]byte, error) {
		plain, err := from.Open(sealed, at)
		if err != nil {
			return nil, err
		}
		return to.Seal(plain, at), nil
	}
	at := place(top, inner, string(key))
	switch top {
	case bucketPayload:
		return again(r.from.sealer, r.to.sealer, value, at)
	case bucketParkedPayload:
		return again(r.from.intentSealer, r.to.intentSealer, value, at)
	case bucketSchedule:
		job, paused := strings.CutSuffix(string(key), pausedSuffix)
		if !paused {
			return value, nil
		}
		return again(r.from.sealer, r.to.sealer, value, place(bucketSchedule, job, string(key)))
	case bucketInbound:
		if len(value) < inboundName {
			return nil, store.ErrDamaged
		}
		sealed, err := again(r.from.inboundSealer, r.to.inboundSealer, value[inboundName:], at)
		return append(bytes.Clone(value[:inboundName]), sealed...), err
	case bucketParked:
		row, _, err := unpackParked(value)
		if err != nil {
			return nil, err
		}
		row.hits, err = again(r.from.intentSealer, r.to.intentSealer, row.hits, at)
		return row.pack(), err
	case bucketQuarantine:
		var row quarantineRow
		if err := json.Unmarshal(value, &row); err != nil {
			return nil, fmt.Errorf("%w: %w", store.ErrDamaged, err)
		}
		var err error
		if row.Who, err = again(r.from.sealer, r.to.sealer, row.Who, at); err != nil {
			return nil, err
		}
		return json.Marshal(row)
	}
	return value, nil
}
