package bolt_test

import (
	"testing"

	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/internal/store/storetest"
)

func open(t testing.TB, dir string) storetest.Store {
	t.Helper()
	return openBolt(t, dir)
}

func openBolt(t testing.TB, dir string) *bolt.Store {
	t.Helper()
	keys, err := store.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := bolt.Open(t.Context(), dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBoltKeepsWhatEveryStorePromises(t *testing.T) { storetest.Run(t, open) }
