package main_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox"
)

var (
	chaosKills  = flag.Int("chaos.kills", 6, "how often the daemon is killed")
	chaosPeople = flag.Int("chaos.people", 60, "how many people are synced")
	chaosSeed   = flag.Uint64("chaos.seed", 0, "the seed of what happens; 0 for another one each time")
)

// TestChaosEveryClientArrivesOnceHoweverOftenTheDaemonIsKilled kills the daemon
// with SIGKILL between the acceptance of a run and the end of its import, and
// starts it again at once. After each run the platform has exactly the clients
// that the list holds, each once, and nothing of any of the daemons is left.
func TestChaosEveryClientArrivesOnceHoweverOftenTheDaemonIsKilled(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("again with: -chaos.seed=%d -chaos.kills=%d", seed, *chaosKills)
	c := &chaos{site: newSite(t), random: rand.New(rand.NewPCG(seed, 1)), moments: map[string]int{}, at: make(chan struct{}, 1)}
	c.write(t, "members.lua", chaosScript)
	c.plain.DisableKeepAlives = true
	began := time.Now()
	c.daemon = c.start(t)
	c.ready(t)
	for c.rounds == 0 || c.kills < *chaosKills {
		c.round(t)
		if t.Failed() {
			t.Fatalf("in round %d, after %d kills %v\n%s", c.rounds, c.kills, c.moments, c.tail())
		}
	}
	c.daemon.stop(t)
	c.quiet(t)
	t.Logf("%d kills in %d rounds, %d sessions parked and retried, %s; killed at %v",
		c.kills, c.rounds, c.parked, time.Since(began).Round(time.Millisecond), c.moments)
}

// chaosScript takes its time, so that the preparation can be hit.
const chaosScript = `function map(record, context)
  for i = 1, 12000 do end
  if record.status == "deleted" then
    skip("deleted in the list")
  end
  return { first_name = record.first, last_name = record.last, email = record.mail }
end
`

type chaos struct {
	*site
	daemon *daemon
	random *rand.Rand
	// kills, rounds and parked are counted; moments are the kills by what they
	// were aimed at and what the run did.
	kills, rounds, parked int
	moments               map[string]int

	mu sync.Mutex
	// aim is the moment that at tells, once.
	aim string
	at  chan struct{}
	// plain carries what the platform asks.
	plain http.Transport
	// length is how long a run without kills takes.
	length time.Duration
}

// The moments that a kill can be aimed at: any, or soon after a call between the
// daemon and the platform.
const (
	atFields   = "fields"
	atAnnounce = "announce"
	atFirst    = "first page"
	atPage     = "other page"
	atEnd      = "last page"
	atAnyTime  = "any time"
)

// round runs one import and kills the daemon until the run is over.
func (c *chaos) round(t *testing.T) {
	t.Helper()
	c.rounds++
	rows, want := c.list()
	c.members(t, rows)
	platform, end := c.platform(t, sandbox.Options{
		PerPage: 25 + c.random.IntN(50), Seed: c.random.Uint64(), Transport: c,
		Pull: sandbox.PullOptions{
			Pause: time.Duration(c.random.IntN(20)) * time.Millisecond, RepeatChance: 0.1, BreakEvery: 5 + c.random.IntN(10),
			RetryDelay: 10 * time.Millisecond, RetryFor: patience,
		},
	}, c.watch)
	began := time.Now()
	run, err := c.client.StartRun(t.Context(), siteJob)
	if err != nil {
		t.Fatal(err)
	}
	if c.rounds > 1 {
		for killed, delivering := true, false; killed && c.kills < *chaosKills; {
			killed, delivering = c.killOnce(t, run.ID, delivering)
		}
	}
	ended := c.over(t, run.ID)
	if c.rounds == 1 {
		c.length = time.Since(began)
	}
	end()
	c.judge(t, ended, platform, rows, want)
}

// list makes a list of members and says which of them must arrive.
func (c *chaos) list() (rows [][]string, want []string) {
	seen := map[string]bool{}
	for i := range 500 + c.random.IntN(1000) {
		id := fmt.Sprintf("R%d-%d", c.rounds, i)
		row := []string{id, "Given" + id, "Family", strings.ToLower(id) + "@example.com", "active"}
		switch c.random.IntN(50) {
		case 0:
			row[1] = ""
		case 1:
			row[4] = "deleted"
		case 2:
			if len(rows) > 0 {
				row[0] = rows[c.random.IntN(len(rows))][0]
			}
		}
		rows = append(rows, row)
		if row[1] != "" && row[4] == "active" && !seen[row[0]] {
			seen[row[0]] = true
			want = append(want, row[0])
		}
	}
	slices.Sort(want)
	return rows, want
}

// killOnce kills the daemon at some moment and starts another. It reports
// whether the run was not over before that, and was being delivered.
func (c *chaos) killOnce(t *testing.T, run string, delivering bool) (killed, delivered bool) {
	t.Helper()
	aims := []string{atAnyTime, atAnyTime, atAnyTime, atFields, atAnnounce, atFirst, atPage, atEnd}
	span := c.length
	if delivering {
		aims, span = []string{atAnyTime, atAnyTime, atPage, atPage, atEnd}, c.length/2
	}
	aim := aims[c.random.IntN(len(aims))]
	c.aimAt(aim)
	if c.await(t, run, aim, span) {
		return false, false
	}
	c.daemon.kill()
	orphans := processesIn(c.dir)
	c.daemon = c.start(t)
	c.ready(t)
	c.gone(t, orphans)
	got, err := c.client.Run(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	if got.State.Ended() {
		return false, false // it was killed too late
	}
	c.kills++
	c.moments[aim+", "+string(got.State)]++
	return true, got.State == roster.RunDelivering
}

// gone wants the processes that a daemon left to end by themselves.
func (c *chaos) gone(t *testing.T, orphans []string) {
	t.Helper()
	var left []string
	ended := func() bool {
		left = slices.DeleteFunc(processesIn(c.dir), func(process string) bool { return !slices.Contains(orphans, process) })
		return len(left) == 0
	}
	if !poll(ended) {
		t.Errorf("left running by the daemon that was killed: %q", left)
	}
}

// await waits for the moment to kill at and reports whether the run is over.
func (c *chaos) await(t *testing.T, run, aim string, span time.Duration) bool {
	t.Helper()
	if aim == atAnyTime {
		return c.wait(t, run, time.Duration(c.random.Int64N(int64(span))))
	}
	after := 5 * time.Millisecond
	if aim == atPage {
		after = span / 4
	}
	return c.wait(t, run, patience) || c.wait(t, run, time.Duration(c.random.Int64N(int64(after))))
}

// wait waits for the moment aimed at, for the time to pass or for the run's
// end, which it reports. It retries a session that is parked, as its operator
// would.
func (c *chaos) wait(t *testing.T, run string, d time.Duration) bool {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-c.at:
			return false
		case <-timer.C:
			return false
		case <-tick.C:
			if c.look(t, run) {
				return true
			}
		}
	}
}

// look retries a parked session and reports whether the run is over.
func (c *chaos) look(t *testing.T, run string) bool {
	t.Helper()
	ctx := t.Context()
	got, err := c.client.Run(ctx, run)
	if err != nil {
		return false
	}
	sessions, err := c.client.Sessions(ctx, roster.SessionFilter{Run: run, Open: true})
	if err == nil && len(sessions) == 1 && sessions[0].State == roster.SessionParked {
		if _, err := c.client.RetrySession(ctx, sessions[0].ID); err == nil {
			c.parked++
		}
	}
	return got.State.Ended()
}

// over waits for a run's end.
func (c *chaos) over(t *testing.T, run string) roster.Run {
	t.Helper()
	if !poll(func() bool { return c.look(t, run) }) {
		t.Errorf("run %s does not end", run)
	}
	return c.ended(t, run)
}

// judge compares what the platform has with the list.
func (c *chaos) judge(t *testing.T, run roster.Run, platform *sandbox.InTandem, rows [][]string, want []string) {
	t.Helper()
	var got []string
	for _, client := range platform.Clients() {
		got = append(got, client.ExternalID)
		if client.Imports != 1 {
			t.Errorf("client %s was imported %d times", client.ExternalID, client.Imports)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	for _, im := range platform.Imports() {
		for _, page := range im.Pages {
			if page.Differs {
				t.Errorf("page %d was other bytes when it was asked for again", page.Number)
			}
		}
		if !im.Completed {
			t.Logf("import %s of the platform: %s", im.SessionID, im.Error)
		}
	}
	skipped := 0
	for _, row := range rows {
		if row[4] == "deleted" {
			skipped++
		}
	}
	wantCounts(t, run, len(rows), skipped, len(rows)-skipped-len(want), len(want))
	if !poll(func() bool { return len(c.changeSets(t)) == 0 }) {
		t.Errorf("left change sets: %q", c.changeSets(t))
	}
	left, err := c.client.Sessions(t.Context(), roster.SessionFilter{Open: true})
	if err != nil || len(left) > 0 {
		t.Errorf("left sessions: %v (%v)", left, err)
	}
}

// aimAt names the moment that the next kill waits for.
func (c *chaos) aimAt(aim string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aim = aim
	select {
	case <-c.at:
	default:
	}
}

// reached tells that a moment has come.
func (c *chaos) reached(moment string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aim == moment {
		c.aim = ""
		c.at <- struct{}{}
	}
}

// watch sees what the daemon asks of the platform.
func (c *chaos) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/import"):
			c.reached(atAnnounce)
		case strings.HasSuffix(r.URL.Path, "/fields"):
			c.reached(atFields)
		}
		next.ServeHTTP(w, r)
	})
}

// RoundTrip sees what the platform asks of the daemon.
func (c *chaos) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.URL.Query().Get("page") {
	case "1":
		c.reached(atFirst)
	case "-1":
		c.reached(atEnd)
	default:
		c.reached(atPage)
	}
	return c.plain.RoundTrip(r)
}
