package bolt_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/store/bolt"
)

// earlier lays out a state directory as a rosterd of an earlier schema has left it:
// what two stages of grow make, closed. testdata has one directory a schema.
func earlier(t *testing.T, schema string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"rosterd.db.gz", "master.key"} {
		content, err := os.ReadFile(filepath.Join("testdata", schema, name))
		if err != nil {
			t.Fatal(err)
		}
		if unpacked, ok := strings.CutSuffix(name, ".gz"); ok {
			z, err := gzip.NewReader(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			if content, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
			name = unpacked
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// withoutInstall is the content of a database but for the id of its installation.
func withoutInstall(content string) string {
	_, rest, _ := strings.Cut(content, "\n")
	return rest
}

func TestADatabaseOfAnEarlierSchemaIsReadAndRaised(t *testing.T) {
	dir, fresh := earlier(t, "schema1"), t.TempDir()
	path := filepath.Join(dir, "rosterd.db")
	if err := bolt.Verify(path); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(fresh, "master.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, fresh)
	for stage := range 2 {
		if err := grow(t, s, stage); err != nil {
			t.Fatal(err)
		}
	}
	want := contentOf(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for opened := range 2 {
		s = open(t, dir)
		if got := contentOf(t, s); opened == 0 && withoutInstall(got) != withoutInstall(want) {
			t.Fatal("it holds other things than the rosterd that made it has stored")
		}
		if got := s.Epoch(); got != uint64(opened+1) {
			t.Errorf("got epoch %d", got)
		}
		if err := growLinks(t, s, opened); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := bolt.Verify(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADamagedDatabaseOfAnEarlierSchemaIsRefused(t *testing.T) {
	dir := earlier(t, "schema1")
	path := filepath.Join(dir, "rosterd.db")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(content, []byte(`"no e-mail"`))
	content[at+3] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bolt.Verify(path); err == nil {
		t.Fatal("it passes")
	}
}
