package bolt_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Every schema has a file in testdata that was written by a program of its time,
// with the master key that opens it. A change of the schema is preceded by
//
//	go test ./internal/store/bolt -run TestEverySchemaIsRead -schema
var writeSchema = flag.Bool("schema", false, "write the file of the present schema into testdata")

func TestEverySchemaIsRead(t *testing.T) {
	if *writeSchema {
		writePresent(t)
	}
	dirs, err := filepath.Glob("testdata/schema*")
	if err != nil || len(dirs) < 2 {
		t.Fatalf("%q, %v", dirs, err)
	}
	present := 0
	for _, from := range dirs {
		t.Run(filepath.Base(from), func(t *testing.T) {
			var schema int
			if _, err := fmt.Sscanf(filepath.Base(from), "schema%d", &schema); err != nil {
				t.Fatal(err)
			}
			dir := unpackSchema(t, from)
			path := filepath.Join(dir, "rosterd.db")
			if err := bolt.Verify(path); err != nil {
				t.Fatal(err)
			}
			before, err := bolt.ReadHeader(path)
			if err != nil || before.Schema != schema {
				t.Fatalf("%+v, %v", before, err)
			}
			s := open(t, dir).(*bolt.Store)
			content := contentOf(t, s)
			if strings.Contains(content, "damaged") || s.InstallID() != before.Install {
				t.Errorf("read: %.500s", content)
			}
			if runs, err := s.Runs(t.Context(), roster.RunFilter{}); err != nil || len(runs) == 0 {
				t.Errorf("%d runs, %v", len(runs), err)
			}
			link(t, s, "later")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			after, err := bolt.ReadHeader(path)
			if err := errors.Join(err, bolt.Verify(path)); err != nil || after.Schema < schema || after.Install != before.Install {
				t.Errorf("raised: %+v, %v", after, err)
			}
			present = max(present, after.Schema)
			if again, err := read(t, dir); err != nil || again == "" {
				t.Errorf("a second time: %v", err)
			}
		})
	}
	for schema := 1; schema < present; schema++ {
		if _, err := os.Stat(fmt.Sprintf("testdata/schema%d", schema)); err != nil {
			t.Errorf("there is no file of schema %d", schema)
		}
	}
}

// link stores a run with a link.
func link(t *testing.T, s *bolt.Store, run string) {
	t.Helper()
	route := roster.Route{From: "acme/crm", To: "acme/club", Kind: sdk.KindMember}
	err := s.CreateRun(t.Context(), roster.Run{ID: run, Job: "acme/leads", Type: roster.JobSync, State: roster.RunDelivering, Asked: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.CloseLinks(t.Context(), roster.Closing{Run: run, Route: route, Links: []roster.Link{{
		Source: "c-" + run, Target: "m-" + run, Origin: roster.LinkCreated, Sent: roster.Sent{Row: 7, Fields: []roster.SentField{{Name: "name", Short: 9}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Link(t.Context(), route, "c-"+run); err != nil || got.Target != "m-"+run {
		t.Errorf("link %+v, %v", got, err)
	}
}

func unpackSchema(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	packed, err := os.ReadFile(filepath.Join(from, "rosterd.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(from, "master.key"))
	if err := errors.Join(
		err, os.WriteFile(filepath.Join(dir, "rosterd.db"), file, 0o600), os.WriteFile(filepath.Join(dir, "master.key"), key, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writePresent(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir).(*bolt.Store)
	err := errors.Join(grow(t, s, 0), growLinks(t, s, 0), growSealed(t, s))
	if err != nil {
		t.Fatal(err)
	}
	link(t, s, "earlier")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "rosterd.db")
	h, err := bolt.ReadHeader(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(file)
	to := fmt.Sprintf("testdata/schema%d", h.Schema)
	if err := errors.Join(
		err, w.Close(), os.MkdirAll(to, 0o755), os.WriteFile(filepath.Join(to, "rosterd.db.gz"), packed.Bytes(), 0o644),
		os.WriteFile(filepath.Join(to, "master.key"), key, 0o600),
	); err != nil {
		t.Fatal(err)
	}
}

// growSealed adds what is sealed beside refused records and creates.
func growSealed(t *testing.T, s *bolt.Store) error {
	t.Helper()
	text := "sealed@example.com"
	_, err := s.SaveInbound(t.Context(), "acme/push", roster.Inbound{
		Kind: sdk.KindMember, ID: "pushed", At: time.Unix(1, 0).UTC(), Fields: map[string]*string{"email": &text},
	}, 10)
	return errors.Join(err, s.PauseJob(t.Context(), "acme/x", roster.Pause{By: "admin", Reason: text, Since: time.Unix(1, 0).UTC()}))
}
