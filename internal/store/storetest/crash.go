package storetest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// crashDir and crashFrom tell a child process that it is the one to be killed,
// in which state directory, and at which run to go on.
const (
	crashDir  = "STORETEST_CRASH_DIR"
	crashFrom = "STORETEST_CRASH_FROM"
)

const (
	crashRefused = 3
	crashFrozen  = 400
	crashLinks   = 20
)

// Crash proves that a process that is killed while it writes loses nothing of
// what it was told is stored. The calling test runs again in a child process
// and must therefore do nothing but call Crash.
func Crash(t *testing.T, open Open, rounds int) {
	t.Helper()
	if dir := os.Getenv(crashDir); dir != "" {
		from, err := strconv.Atoi(os.Getenv(crashFrom))
		must(t, err)
		writeForever(t, open, dir, from)
		return
	}
	dir, acked := t.TempDir(), []string{}
	next := 0
	for round := range rounds {
		stored := killed(t, dir, next, 1+rand.IntN(18))
		acked = append(acked, stored...)
		s := open(t, dir)
		if s.CleanShutdown() {
			t.Errorf("round %d: a store that was not closed says that it was", round)
		}
		if round == rounds-1 {
			stored = acked
		}
		next = checkAcked(t, s, dir, stored)
		must(t, s.Close())
	}
	if len(acked) < rounds {
		t.Fatalf("%d writes in %d rounds prove nothing", len(acked), rounds)
	}
}

// writeForever writes and says after each write what is stored.
func writeForever(t *testing.T, open Open, dir string, from int) {
	t.Helper()
	s := open(t, dir)
	sets := changeSets(t, dir)
	ctx := t.Context()
	say := func(what string, i int) { fmt.Fprintf(os.Stdout, "\nstored %s %d\n", what, i) }
	for i := from; ; i++ {
		id := fmt.Sprintf("r%d", i)
		must(t, s.CreateRun(ctx, run(id, "acme/x", time.Duration(i)*time.Second)))
		say("run", i)
		var records []roster.Quarantined
		for j := range crashRefused {
			records = append(records, refused("acme/x", id, fmt.Sprint(id, "-", j), i))
		}
		add(t, s, records...)
		say("quarantine", i)
		writeChangeSet(t, sets, id, crashFrozen)
		say("changeset", i)
		d := roster.Delivery{Cursors: map[sdk.Kind]sdk.Cursor{sdk.KindMember: sdk.Cursor(strconv.Itoa(i))}}
		_, err := s.BeginDelivery(ctx, id, d, func(r *roster.Run) error { r.State = roster.RunDelivering; return nil })
		must(t, err)
		say("delivery", i)
		armed := make([]roster.Intent, crashLinks)
		links := make([]roster.Link, crashLinks)
		for j := range armed {
			armed[j] = crashIntent(id, i, j)
			links[j] = sentLink(armed[j].Source, "t-"+armed[j].Source, uint64(i+1))
		}
		_, err = s.Arm(ctx, armed)
		must(t, err)
		say("armed", i)
		_, err = s.CloseLinks(ctx, roster.Closing{Run: id, Route: linkRoute(), Delivered: crashLinks, Links: links})
		must(t, err)
		say("closed", i)
	}
}

func crashIntent(run string, i, j int) roster.Intent {
	one := intent(fmt.Sprintf("%06d-%03d", (i*7919)%1000, j), j, 1)
	one.Source += "-" + run
	one.Run = run
	return one
}

// checkClosed checks that links at both ends, intents and what is delivered of a
// run changed together, or are as they were before.
func checkClosed(t *testing.T, s Store, r roster.Run, i int, armed, done bool) {
	t.Helper()
	ctx := t.Context()
	sources := make([]string, crashLinks)
	targets := make([]string, crashLinks)
	for j := range sources {
		sources[j] = crashIntent(r.ID, i, j).Source
		targets[j] = "t-" + sources[j]
	}
	slices.Sort(sources)
	forward, err := s.Standings(ctx, linkRoute(), sources)
	must(t, err)
	back, err := s.Standings(ctx, linkRoute().Reverse(), targets)
	must(t, err)
	linked, linkedBack, waiting := 0, 0, 0
	for j := range forward {
		linked += int(min(forward[j].Link.Version, 1))
		linkedBack += int(min(back[j].Link.Version, 1))
		if forward[j].Intent != nil {
			waiting++
		}
	}
	open, err := s.Intents(ctx, r.ID)
	must(t, err)
	got := []int{linked, linkedBack, waiting, len(open), r.Delivered}
	const n = crashLinks
	all, sent, none := []int{n, n, 0, 0, n}, []int{0, 0, n, n, 0}, []int{0, 0, 0, 0, 0}
	if !slices.Equal(got, all) && (done || !slices.Equal(got, sent) && (armed || !slices.Equal(got, none))) {
		t.Fatalf("run %d (armed %t, closed %t): links, links back, intents twice, delivered: %v", i, armed, done, got)
	}
}

// killed starts the child, kills it when it has said that some writes are
// stored, and returns all that it said.
func killed(t *testing.T, dir string, from, writes int) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashFrom+"="+strconv.Itoa(from))
	out, err := cmd.StdoutPipe()
	must(t, err)
	var faults bytes.Buffer
	cmd.Stderr = &faults
	must(t, cmd.Start())
	var acked []string
	var other strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		what, ok := strings.CutPrefix(lines.Text(), "stored ")
		if !ok {
			other.WriteString(lines.Text() + "\n")
			continue
		}
		if acked = append(acked, what); len(acked) == writes {
			must(t, cmd.Process.Kill())
		}
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	if len(acked) < writes {
		t.Fatalf("the child ended by itself after %v:\n%s%s", acked, other.String(), faults.String())
	}
	return acked
}

// checkAcked checks that all that was said to be stored is there, and that what
// belongs together is there together. It returns a run that is not there.
func checkAcked(t *testing.T, s Store, dir string, acked []string) (next int) {
	t.Helper()
	ctx, sets := t.Context(), changeSets(t, dir)
	last := -1
	armed, done := make(map[string]bool), make(map[string]bool)
	for _, one := range acked {
		var what string
		var i int
		_, err := fmt.Sscan(one, &what, &i)
		must(t, err)
		id := fmt.Sprintf("r%d", i)
		switch what {
		case "run":
			_, err = s.Run(ctx, id)
			must(t, err)
		case "quarantine":
			found, err := s.Quarantine(ctx, roster.QuarantineFilter{Run: id})
			must(t, err)
			same(t, len(found), crashRefused)
		case "changeset":
			readChangeSet(t, sets, id, crashFrozen)
		case "delivery":
			last = i
		case "armed":
			armed[id] = true
		case "closed":
			done[id] = true
		}
	}
	cursor, err := s.Cursor(ctx, "acme/x", sdk.KindMember)
	must(t, err)
	stands := -1
	if cursor != nil {
		stands, err = strconv.Atoi(string(cursor))
		must(t, err)
	}
	if stands < last {
		t.Fatalf("the cursor stands at %d, and %d was stored", stands, last)
	}
	all, err := s.Runs(ctx, roster.RunFilter{})
	must(t, err)
	for _, r := range all {
		var i int
		_, err := fmt.Sscanf(r.ID, "r%d", &i)
		must(t, err)
		next = max(next, i+1)
		checkClosed(t, s, r, i, armed[r.ID], done[r.ID])
		if r.State == roster.RunDelivering && i > stands {
			t.Fatalf("run %d is being delivered and the cursor stands at %d", i, stands)
		}
	}
	return next
}

func changeSets(tb testing.TB, dir string) *store.ChangeSets {
	tb.Helper()
	keys, err := store.LoadKeyring(dir)
	must(tb, err)
	sets, err := store.NewChangeSets(dir, keys)
	must(tb, err)
	return sets
}

// client is entry i of the change sets that the suite writes.
func client(i int) (id string, data []byte) {
	return fmt.Sprintf("m-%d", i), fmt.Appendf(nil, `{"external_id":"m-%d","note":"%s"}`, i, strings.Repeat("x", 400+i%100))
}

func writeChangeSet(tb testing.TB, sets *store.ChangeSets, id string, n int) {
	tb.Helper()
	w, err := sets.Create(id)
	must(tb, err)
	defer w.Abort()
	for i := range n {
		must(tb, w.Append(client(i)))
	}
	_, _, err = w.Finish()
	must(tb, err)
}

func readChangeSet(tb testing.TB, sets *store.ChangeSets, id string, n int) {
	tb.Helper()
	cs, err := sets.Open(id)
	must(tb, err)
	defer func() { must(tb, cs.Close()) }()
	same(tb, cs.Len(), n)
	var want []byte
	for i := range n {
		_, data := client(i)
		want = append(append(want, ','), data...)
	}
	got, err := cs.AppendClients(nil, 0, n)
	must(tb, err)
	if !bytes.Equal(got, want[1:]) {
		tb.Fatalf("the change set of run %s holds other data than was written", id)
	}
}
