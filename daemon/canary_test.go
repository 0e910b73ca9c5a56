package main_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox"
)

// canaries are values that occur nowhere else. What stands before the colon
// names them in a complaint.
var canaries = []string{
	"first name:Canarelle", "last name:Quandryx", "e-mail:canary.sings@example.com", "phone:5195550177", "phone:519-555-0177", "phone:+15195550177",
	"quarantined last name:Zephyrine", "quarantined e-mail:zephyr.mourns@example.com",
	"rejected last name:Wobbegong", "ragged row:Ragamuffin", "failing last name:Mallemuck", "stopped last name:Slowpokist",
	"token:a-canary-of-a-token", "export secret:a-canary-of-an-export-secret",
}

const canaryMembers = `no,first,last,mail,status,phone
1,Canarelle,Quandryx,canary.sings@example.com,active,519-555-0177
2,,Zephyrine,zephyr.mourns@example.com,active,
3,Canarelle,Wobbegong,,reject,
4,Ragamuffin
5,Canarelle,Mallemuck,,fail,
6,Canarelle,Slowpokist,,loop,
1,Canarelle,Zephyrine,zephyr.mourns@example.com,active,
`

const canaryScript = `function map(record, context)
  if record.status == "reject" then
    reject("not wanted")
  end
  if record.status == "fail" then
    error("cannot take " .. record.last)
  end
  while record.status == "loop" do end
  return {
    first_name = record.first, last_name = record.last, email = record.mail, phone = phone.e164(record.phone),
  }
end
`

// TestPersonalDataAndSecretsStayWhereTheyBelong puts values through a whole
// import that occur nowhere else, and looks for them where nobody may find them:
// in the log, on disk, in the lists of the operator's API and in what the
// processes beside the daemon are given.
func TestPersonalDataAndSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write(t, "members.csv", canaryMembers)
	s.write(t, "members.lua", canaryScript)
	s.write(t, "token", "a-canary-of-a-token\n")
	s.write(t, "secret", "a-canary-of-an-export-secret\n")
	release, pulled := make(chan struct{}), make(chan struct{})
	platform := s.canaryPlatform(t, &gate{pulled: pulled, release: release})

	d := s.start(t, "--log-level", "debug")
	s.ready(t)
	run, err := s.client.StartRun(t.Context(), siteJob)
	if err != nil {
		t.Fatal(err)
	}
	<-pulled
	wantNone(t, "the environment and the command lines of", s.processes(t))
	wantNone(t, "in the middle of the import, the file", s.files(t))
	close(release)
	ended := s.ended(t, run.ID)
	wantCounts(t, ended, 7, 0, 6, 1)
	if clients := platform.Clients(); len(clients) != 1 || clients[0].Fields["phone"] != "+15195550177" {
		t.Errorf("the platform has %v", clients)
	}
	s.ask404(t)
	wantNone(t, "the answer to", s.answers(t, run.ID))
	d.stop(t)
	s.quiet(t)
	log, err := os.ReadFile(s.path("daemon.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(log, []byte(`"level":"DEBUG"`)) {
		t.Error("nothing was logged for debugging")
	}
	wantNone(t, "after the import, the file", s.files(t))
}

// gate holds the first request for a page back, so that the import can be looked
// at.
type gate struct {
	http.Transport
	pulled, release chan struct{}
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := g.Transport.RoundTrip(r)
	if r.URL.Query().Get("page") == "1" {
		close(g.pulled)
		<-g.release
	}
	return resp, err
}

func (s *site) canaryPlatform(t *testing.T, pull http.RoundTripper) *sandbox.InTandem {
	t.Helper()
	p := sandbox.NewInTandem(sandbox.Options{
		Token: "a-canary-of-a-token", BusinessUID: "b1", StaffUID: "s1", Transport: pull, Now: time.Now,
		APIURI: "http://" + s.public + "/c/a-canary-of-an-export-secret",
	})
	l, err := net.Listen("tcp", s.inTandem)
	if err != nil {
		t.Fatal(err)
	}
	p.Start(l)
	t.Cleanup(func() { p.Close() })
	return p
}

// wantNone looks for the canaries in texts, by name.
func wantNone(t *testing.T, where string, texts map[string][]byte) {
	t.Helper()
	if len(texts) == 0 {
		t.Errorf("%s: nothing to look at", where)
	}
	for name, text := range texts {
		for _, canary := range canaries {
			what, value, _ := strings.Cut(canary, ":")
			if at := bytes.Index(bytes.ToLower(text), []byte(strings.ToLower(value))); at >= 0 {
				t.Errorf("%s %s holds the %s: %q", where, name, what, text[max(0, at-80):min(len(text), at+80)])
			}
		}
	}
}

// files are those that the daemon writes.
func (s *site) files(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(s.dir, path)
		mine := []string{"bin", "members.csv", "members.lua", "token", "secret", "rosterd.yaml"}
		switch {
		case err != nil:
			return err
		case slices.Contains(mine, name) && entry.IsDir():
			return filepath.SkipDir
		case slices.Contains(mine, name) || !entry.Type().IsRegular():
			return nil
		}
		found[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// processes are the environments and command lines of what runs in the site.
func (s *site) processes(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for _, process := range processesIn(s.dir) {
		id, _, _ := strings.Cut(process, " ")
		env, err := os.ReadFile(filepath.Join("/proc", id, "environ"))
		if err != nil {
			t.Error(err)
		}
		found[process] = append(env, process...)
	}
	if len(found) < 3 {
		t.Errorf("only %d processes run, want the daemon and two adapters", len(found))
	}
	return found
}

// answers are what the operator's API tells of an import. The address that
// inTandem calls and a single refused record are shown on purpose.
func (s *site) answers(t *testing.T, run string) map[string][]byte {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", s.path("admin.sock"))
		},
	}}
	found := map[string][]byte{}
	for _, path := range []string{
		"/v1/status", "/v1/runs", "/v1/runs/" + run, "/v1/runs/" + run + "/events", "/v1/sessions", "/v1/quarantine",
		"/v1/quarantine/groups", "/v1/adapters", "/v1/version", "/v1/nonsense", "/openapi.yaml", "/livez",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://rosterd"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		found[path], err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.client.Quarantine(t.Context(), roster.QuarantineFilter{})
	if err != nil || len(page.Records) != 6 {
		t.Fatalf("%d records in quarantine, want 6 (%v)", len(page.Records), err)
	}
	shown, err := s.client.Quarantined(t.Context(), page.Records[0].ID)
	if err != nil || len(shown.Payload) == 0 {
		t.Errorf("record %s is shown without its values (%v)", shown.ID, err)
	}
	return found
}

// ask404 asks for pages wrongly, with the secret, so that the daemon has
// something to complain of.
func (s *site) ask404(t *testing.T) {
	t.Helper()
	for _, query := range []string{"", "?page=0", "?business_uid=b1&staff_uid=s1&page=1&per_page=10"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			"http://"+s.public+"/c/a-canary-of-an-export-secret/app/clients/export"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%q: %s, want 404", query, resp.Status)
		}
	}
}
