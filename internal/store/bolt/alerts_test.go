package bolt_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store/bolt"
)

// TestADatabaseFromBeforeThereWereAlertsTakesThem opens what two stages of grow
// made when the schema was 2.
func TestADatabaseFromBeforeThereWereAlertsTakesThem(t *testing.T) {
	dir := t.TempDir()
	key, err := os.ReadFile("testdata/schema2/master.key")
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.Open("testdata/schema2/rosterd.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "rosterd.db")
	for name, content := range map[string][]byte{path: file, filepath.Join(dir, "master.key"): key} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := bolt.Verify(path); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	runs, err := s.Runs(t.Context(), roster.RunFilter{})
	if err != nil || len(runs) != 2*goldenRuns {
		t.Errorf("%d runs, error %v", len(runs), err)
	}
	if err := s.PutAlerts(t.Context(), []roster.Alert{{Receiver: "ops", Subject: "acme/x", Facet: "run", Told: "failed"}}); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := bolt.Verify(path); err != nil {
		t.Error(err)
	}
}
