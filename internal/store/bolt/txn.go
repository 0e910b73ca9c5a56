package bolt

import (
	"encoding/binary"

	"go.etcd.io/bbolt"
)

// txn is a transaction with what its changes add to the checksum of all
// entries, which is stored once, at its end.
type txn struct {
	*bbolt.Tx

	change uint64
	// scratch is where checksums are put together.
	scratch []byte
	// values is where what is to be stored is put together.
	values []byte
}

// valueChunk is how much is set aside at once for values to be stored.
const valueChunk = 64 << 10

// alloc returns an empty slice that holds n bytes. bbolt keeps what is put into it
// until the transaction ends.
func (t *txn) alloc(n int) []byte {
	if cap(t.values)-len(t.values) < n {
		// A transaction that stores little takes little.
		t.values = make([]byte, 0, max(n, min(valueChunk, 2*cap(t.values)), 512))
	}
	start := len(t.values)
	t.values = t.values[:start+n]
	return t.values[start : start : start+n]
}

// viewing makes a read function one of bbolt.
func viewing(read func(*txn) error) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error { return read(&txn{Tx: tx}) }
}

// updating makes a write function one of bbolt that ends with the checksum.
func updating(write func(*txn) error) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		t := &txn{Tx: tx}
		if err := write(t); err != nil {
			return err
		}
		return t.storeSum()
	}
}

// sum reads the checksum of all entries, which is the only one without a
// checksum of its own, as it was when the transaction began.
func (t *txn) sum() (sum uint64, ok bool) {
	stored := t.Bucket([]byte(bucketMeta)).Get([]byte(metaSum))
	if len(stored) != 8 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(stored), true
}

func (t *txn) storeSum() error {
	if t.change == 0 {
		return nil
	}
	sum, _ := t.sum()
	return t.Bucket([]byte(bucketMeta)).Put([]byte(metaSum), binary.LittleEndian.AppendUint64(nil, sum+t.change))
}

// begun begins a transaction. One that faults while it begins leaves a lock of
// bbolt's held, for which everybody else would wait: so one begins at a time, and
// the next finds the store broken.
func (s *Store) begun(writable bool) (*bbolt.Tx, error) {
	s.beginning.Lock()
	faulted := true
	defer func() {
		if faulted {
			s.broken.Store(true)
		}
		s.beginning.Unlock()
	}()
	if s.broken.Load() {
		return nil, s.brokenError()
	}
	tx, err := s.db.Begin(writable)
	faulted = false
	return tx, err
}

// transact is View and Update of bbolt, but for how they begin.
func (s *Store) transact(writable bool, work func(*bbolt.Tx) error) error {
	if !writable {
		defer s.readers.end(s.readers.begin())
	}
	tx, err := s.begun(writable)
	if err != nil {
		return err
	}
	defer func() {
		if tx.DB() != nil {
			_ = tx.Rollback()
		}
	}()
	if err := work(tx); err != nil || !writable {
		return err
	}
	return tx.Commit()
}
