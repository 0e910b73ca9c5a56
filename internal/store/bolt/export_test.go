package bolt

import "go.etcd.io/bbolt"

// Put stores a value as the store does, for tests that need one that the store
// would not write.
func Put(tx *bbolt.Tx, top, key, value string) error {
	return updating(func(tx *txn) error { return bucket(tx, top).Put([]byte(key), []byte(value)) })(tx)
}
