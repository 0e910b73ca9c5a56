package main_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox/club"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const canarySyncConfig = `version: 1
state_dir: state
listen:
  public: "$PUBLIC"
  admin: "unix:admin.sock"
public_url: "http://$PUBLIC"
plugins: {dir: "$BIN/plugins"}
scripts_dir: .
alerts:
  receivers:
    chat: {webhook: {url: "$HOOK/a-canary-of-a-webhook", secret: {file: secret}}}
accounts:
  acme:
    name: Acme Fitness
    country: CA
    timezone: America/Toronto
    connections:
      crm: {adapter: ndjson, settings: {path: people.ndjson, id: no, kind: prospect}}
      push: {adapter: inbound, client_id: "456", settings: {provider: CRM, secret: {file: secret}}}
      club: {adapter: rest, settings: {config: club.rest.yaml, base_url: "http://$CLUB", token: {file: token}}}
      lossy: {adapter: rest, settings: {config: lossy.rest.yaml, base_url: "http://$LOSSY", token: {file: token}}}
    jobs:
      leads: {type: sync, from: crm, to: club, kinds: [prospect], read: all, mapping: leads.lua, match: [name_email], guards: {max_create: 1000}}
      lost: {type: sync, from: crm, to: lossy, kinds: [prospect], read: all, mapping: leads.lua, guards: {max_create: 1000}}
      pushed: {type: sync, from: push, to: club, kinds: [prospect], mapping: pushed.lua, schedule: manual}
`

// The people: one is linked, one may be two of the target's, one is rejected, one
// makes the script fail, one is refused by the target, and one is known to nobody.
const canaryPeople = `{"no":"1","first":"Canarelle","last":"Quandryx","mail":"canary.sings@example.com","phone":"519-555-0177","status":"ok"}
{"no":"2","first":"Canarelle","last":"Zephyrine","mail":"zephyr.mourns@example.com","status":"ok"}
{"no":"3","first":"Canarelle","last":"Wobbegong","status":"reject"}
{"no":"4","first":"Canarelle","last":"Mallemuck","status":"fail"}
{"no":"5","first":"Canarelle","last":"Ragamuffin","mail":"ragamuffin is no address","status":"ok"}
`

const canarySyncScript = `function map(record, context)
  if record.status == "reject" then reject("not wanted") end
  if record.status == "fail" then error("cannot take " .. record.last) end
  return {
    first_name = record.first, last_name = record.last, email = record.mail, mobile = record.phone, status = "active", type = "prospect",
  }
end
`

const canaryPushScript = `return mapping{
  first_name = source.first_name, last_name = source.last_name, email = source.email, status = source.status, type = source.type,
}
`

const canaryPush = `{"providerInfo": {"identifier": "CRM", "clientID": "456", "recordID": "9"},
 "userInfo": {"firstname": "Canarelle", "lastname": "Slowpokist", "userStatus": "ACTIVE", "userType": "PROSPECT", "email": "canary.sings@example.com"}}`

// alertHook is where alerts arrive.
type alertHook struct {
	mu   sync.Mutex
	seen map[string][]byte
}

func (h *alertHook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen[r.Header.Get("Webhook-Id")] = body
}

func (h *alertHook) texts() map[string][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen
}

// TestPersonalDataOfASyncStaysWhereItBelongs puts values that occur nowhere else
// through every way that a record of a sync can go: linked, in a review, parked,
// refused, pushed and waiting, planned, backed up, given out and erased. It looks
// for them in the log, on disk, in metrics, in alerts, in backups, in lists and in
// the errors of the operator's API and of the receiving one.
func TestPersonalDataOfASyncStaysWhereItBelongs(t *testing.T) {
	t.Parallel()
	s := newFolder(t, "ndjson", "rest")
	alerts := &alertHook{seen: map[string][]byte{}}
	receiver := httptest.NewServer(alerts)
	t.Cleanup(receiver.Close)
	lossy := freeAddress()
	target := s.canaryClub(t, s.inTandem, "club.rest.yaml", club.ClassC, nil)
	s.canaryClub(t, lossy, "lossy.rest.yaml", club.ClassE, club.Plan{club.CallCreate: {club.LoseAnswer: 1}})
	for _, id := range []string{"a1", "a2"} {
		target.Insert(club.Record{ID: id, Kind: club.Prospect, Fields: map[string]string{
			"first_name": "Canarelle", "last_name": "Zephyrine", "email": "zephyr.mourns@example.com", "club_id": "12", "status": "active", "type": "prospect",
		}})
	}
	open := map[string]string{"PUBLIC": s.public, "BIN": s.path("bin"), "CLUB": s.inTandem, "LOSSY": lossy, "HOOK": receiver.URL}
	s.write(t, "rosterd.yaml", os.Expand(canarySyncConfig, func(name string) string { return open[name] }))
	for name, text := range map[string]string{
		"people.ndjson": canaryPeople, "leads.lua": canarySyncScript, "pushed.lua": canaryPushScript,
		"token": "a-canary-of-a-token\n", "secret": "a-canary-of-an-export-secret\n",
	} {
		s.write(t, name, text)
	}
	d := s.start(t, "--log-level", "debug")
	s.ready(t)
	for _, job := range []string{"acme/leads", "acme/lost"} {
		run, err := s.client.StartRun(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		if ended := s.ended(t, run.ID); ended.State != roster.RunPartial {
			t.Fatalf("%s ended %s: %v\n%s", job, ended.State, ended.Fault, s.tail())
		}
	}
	s.pushCanary(t)
	s.wantEverywhere(t)
	s.write(t, "people.ndjson", strings.Replace(canaryPeople, "Quandryx", "Quandryx-Canary", 1))
	plan, err := s.client.OrderRun(t.Context(), admin.RunOrder{Job: "acme/leads", Plan: true})
	if err != nil {
		t.Fatal(err)
	}
	s.ended(t, plan.ID)
	if !poll(func() bool { return len(alerts.texts()) > 0 }) {
		t.Error("nobody was alerted")
	}
	if exit, out := s.command(t, "state", "backup", "backup.tar.gz"); exit != 0 {
		t.Fatalf("backup: %d %s", exit, out)
	}
	wantNone(t, "the backup's", unpacked(t, s.path("backup.tar.gz")))
	wantNone(t, "the answer to", s.syncAnswers(t))
	wantNone(t, "the alert", alerts.texts())
	wantNone(t, "with everything in it, the file", s.syncFiles(t))
	s.eraseCanary(t)
	d.stop(t)
	s.quiet(t)
	wantNone(t, "after all, the file", s.syncFiles(t))
}

func (s *site) canaryClub(t *testing.T, at, config string, class club.Class, faults club.Plan) *club.Platform {
	t.Helper()
	p := club.New(club.Options{Token: "a-canary-of-a-token", Class: class, Faults: faults, Clubs: []club.Club{{ID: "12", Name: "Downtown"}}})
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	p.Start(l)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	text, err := p.Example("http://" + at)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, config, text)
	return p
}

// pushCanary pushes one person who waits, and what is refused.
func (s *site) pushCanary(t *testing.T) {
	t.Helper()
	answers := map[string][]byte{}
	for name, push := range map[string]struct {
		secret, body string
		status       int
	}{
		"saved": {"a-canary-of-an-export-secret", canaryPush, 200}, "wrong secret": {"guess", canaryPush, 401},
		"broken": {"a-canary-of-an-export-secret", strings.Replace(canaryPush, `"lastname": "Slowpokist", `, "", 1), 400},
		"cut":    {"a-canary-of-an-export-secret", canaryPush[:200], 400},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.public+"/connector/api/2011-11/user", strings.NewReader(push.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.SetBasicAuth("CRM", push.secret)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != push.status {
			t.Errorf("%s: %s %s %v", name, res.Status, body, err)
		}
		answers[name] = body
	}
	wantNone(t, "the answer to a push that is", answers)
}

// wantEverywhere makes sure that there is something of each way.
func (s *site) wantEverywhere(t *testing.T) {
	t.Helper()
	parked, err := s.client.Parked(t.Context(), roster.ParkedFilter{})
	reviews, parkedOnly := 0, 0
	for _, p := range parked.Parked {
		if p.Review {
			reviews++
		} else {
			parkedOnly++
		}
	}
	refused, refusedErr := s.client.Quarantine(t.Context(), roster.QuarantineFilter{Job: "acme/leads"})
	links, linksErr := s.client.Links(t.Context(), admin.LinkSet{Job: "acme/leads", Kind: sdk.KindProspect}, roster.LinkFilter{Limit: 10})
	if err := errors.Join(err, refusedErr, linksErr); err != nil || reviews == 0 || parkedOnly == 0 || len(refused.Records) < 2 || len(links.Links) == 0 {
		t.Fatalf("%d reviews, %d parked, %d refused, %d links: %v", reviews, parkedOnly, len(refused.Records), len(links.Links), err)
	}
}

// eraseCanary gives the person out, which shows the values, and erases them, which
// leaves them in what waits nowhere.
func (s *site) eraseCanary(t *testing.T) {
	t.Helper()
	shown, err := s.client.Person(t.Context(), admin.PersonQuery{Account: "acme", Email: "canary.sings@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	where := map[roster.HeldWhere]bool{}
	for _, h := range shown.Held {
		where[h.Where] = true
	}
	for _, want := range []roster.HeldWhere{roster.HeldLink, roster.HeldParked, roster.HeldInbound, roster.HeldChange} {
		if !where[want] {
			t.Errorf("of the person no %s is found: %v, unsearched %q", want, where, shown.Unsearched)
		}
	}
	order := admin.EraseOrder{PersonQuery: admin.PersonQuery{Account: "acme", Email: "canary.sings@example.com"}, BlockEmail: true, Reason: "their letter"}
	done, err := s.client.ErasePerson(t.Context(), order)
	if err != nil || !done.Overwritten {
		t.Fatalf("overwritten %v, %v\n%s", done.Overwritten, err, s.tail())
	}
	left, err := s.client.Person(t.Context(), order.PersonQuery)
	for _, h := range left.Held {
		if h.Where != roster.HeldTombstone {
			t.Errorf("after it was erased there is a %s", h.Where)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// syncAnswers are lists, metrics and errors of the operator's API. A record that is
// shown by itself is shown with its values on purpose.
func (s *site) syncAnswers(t *testing.T) map[string][]byte {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", s.path("admin.sock"))
		},
	}}
	found := map[string][]byte{}
	secret := url.QueryEscape("canary.sings@example.com")
	for _, target := range []string{
		"GET /metrics", "GET /readyz?verbose", "GET /v1/status", "GET /v1/runs", "GET /v1/quarantine", "GET /v1/quarantine/groups", "GET /v1/parked",
		"GET /v1/connections", "GET /v1/adapters", "GET /v1/state", "GET /v1/links?job=acme/leads&kind=prospect", "GET /v1/privacy/tombstones",
		"GET /v1/links/one?job=acme/leads&kind=prospect&id=" + secret, "POST /v1/links/remove?job=acme/leads&kind=prospect&reason=x&source=" + secret,
		"POST /v1/links/set?job=acme/leads&kind=nothing&reason=x&source=a&target=" + secret, "GET /v1/jobs/acme/leads/record?record=%00" + secret,
		"GET /v1/privacy/person?account=acme&id=" + secret, "POST /v1/privacy/erase?account=acme&reason=" + secret + "&email=" + secret,
		"GET /v1/privacy/person?account=nobody&email=" + secret, "POST /v1/jobs/acme/leads/runs?record=1&sweep=true", "POST /v1/alerts/test",
	} {
		method, path, _ := strings.Cut(target, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, "http://rosterd"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		found[strings.ReplaceAll(target, secret, "SECRET")] = body
	}
	return found
}

// syncFiles are those that the daemon writes.
func (s *site) syncFiles(t *testing.T) map[string][]byte {
	t.Helper()
	found := s.files(t)
	for _, mine := range []string{"people.ndjson", "leads.lua", "pushed.lua", "backup.tar.gz", "club.rest.yaml", "lossy.rest.yaml"} {
		delete(found, mine)
	}
	return found
}

// unpacked are the files of an archive.
func unpacked(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	found, archive := map[string][]byte{}, tar.NewReader(z)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		var content bytes.Buffer
		if _, err := io.Copy(&content, archive); err != nil {
			t.Fatal(err)
		}
		found[h.Name] = content.Bytes()
	}
}
