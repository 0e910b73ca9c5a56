package main_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox/club"
)

var chaosStops = flag.Int("chaos.stops", 3, "how often the daemon is stopped in the middle of a sync; it is reloaded four times in between")

// TestChaosStopsAndReloadsUnderLoadLoseNothing stops the daemon with SIGTERM in the
// middle of syncs, again and again, and reloads it with another configuration
// before each stop: it ends with 0, no process is left, and in the end the
// platform has everybody once.
func TestChaosStopsAndReloadsUnderLoadLoseNothing(t *testing.T) {
	t.Parallel()
	c := newSyncChaos(t, club.ClassC, true)
	more, id, middle := c.people, "", 0
	for range *chaosStops {
		d := c.start(t)
		c.ready(t)
		c.reloads(t, 3)
		if id == "" {
			id = c.begin(t)
		}
		c.reloads(t, 1)
		if run, over := c.live(t, id, time.Duration(c.random.IntN(100))*time.Millisecond); over {
			c.everybodyOnce(t, run, d)
			// There is something to do again.
			c.people, id = c.people+more, ""
			c.writePeople(t)
			continue
		}
		c.end(t, d)
		middle++
	}
	d := c.start(t)
	c.ready(t)
	if id == "" {
		id = c.begin(t)
	}
	run, _ := c.live(t, id, patience)
	c.everybodyOnce(t, run, d)
	t.Logf("%d people, %d stops, %d of them in the middle of a run, %d reloads, %d answers lost", c.people, *chaosStops, middle, 4**chaosStops, c.lost())
}

func (c *syncChaos) begin(t *testing.T) string {
	t.Helper()
	run, err := c.client.StartRun(t.Context(), syncJob)
	if err != nil {
		t.Fatal(err)
	}
	return run.ID
}

// end stops a daemon, which leaves no process behind.
func (c *syncChaos) end(t *testing.T, d *daemon) {
	t.Helper()
	d.stop(t)
	var left []string
	if !poll(func() bool { left = processesIn(c.dir); return len(left) == 0 }) {
		t.Fatalf("left running: %q", left)
	}
}

// reloads has the daemon take over changed configurations.
func (c *syncChaos) reloads(t *testing.T, n int) {
	t.Helper()
	path := c.path("rosterd.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		at := strings.Index(string(text), "name: ")
		line, rest, _ := strings.Cut(string(text[at:]), "\n")
		changed := string(text[:at]) + "name: Acme " + fmt.Sprint(c.random.Uint32()) + "\n" + rest
		if line == "" {
			t.Fatal("the configuration names no account")
		}
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := c.client.Reload(t.Context(), false)
		if err != nil || !report.Applied || len(report.Changes) == 0 {
			t.Fatalf("reload: %+v, %v", report, err)
		}
		text = []byte(changed)
	}
}

// everybodyOnce stops the daemon behind a run, and wants every person once at the
// platform, with the right link.
func (c *syncChaos) everybodyOnce(t *testing.T, run roster.Run, d *daemon) {
	t.Helper()
	c.end(t, d)
	if run.State != roster.RunOK {
		t.Errorf("the run ended %s: %v", run.State, run.Fault)
	}
	created, wrong := c.compare(t)
	if len(created) != c.people || wrong > 0 {
		t.Errorf("%d of %d people were created, %d links are wrong", len(created), c.people, wrong)
	}
	for person, n := range created {
		if n != 1 {
			t.Errorf("person %s was created %d times", person, n)
		}
	}
}
