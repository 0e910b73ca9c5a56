package main_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox/club"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// What testdata/syncsite/rosterd.yaml says.
const (
	syncJob  = "acme/leads"
	syncFrom = "acme/crm"
	syncTo   = "acme/club"
	lag      = 100 * time.Millisecond
	// undisturbed is how long each tenth life lasts: long enough to settle.
	undisturbed = time.Second
)

// syncChaos is a daemon that is killed again and again while it syncs people
// into a platform that loses a quarter of its answers.
type syncChaos struct {
	*site
	platform *club.Platform
	random   *rand.Rand
	people   int
	kills    int
	lives    int
}

// TestChaosNoPersonIsCreatedTwiceOrLostHoweverOftenTheDaemonIsKilled kills the
// daemon, and with it its adapters, between 15 and 195 ms after it is ready; each
// tenth life lasts longer. When the run is over the platform has every person
// once, and every link leads to the person that it was made for.
func TestChaosNoPersonIsCreatedTwiceOrLostHoweverOftenTheDaemonIsKilled(t *testing.T) {
	t.Parallel()
	for _, class := range []club.Class{club.ClassA, club.ClassB, club.ClassBPrime, club.ClassC} {
		t.Run("class "+string(class), func(t *testing.T) {
			t.Parallel()
			c := newSyncChaos(t, class, true)
			run, d := c.untilOver(t)
			c.everybodyOnce(t, run, d)
			t.Logf("class %s: %d people, %d kills in %d lives, %d answers lost", class, c.people, c.kills, c.lives, c.lost())
		})
	}
}

// TestChaosAClassThatOffersNothingAsksAPerson: what is in doubt is parked, and
// nothing is sent twice.
func TestChaosAClassThatOffersNothingAsksAPerson(t *testing.T) {
	t.Parallel()
	c := newSyncChaos(t, club.ClassE, true)
	run, d := c.untilOver(t)
	c.end(t, d)
	created, wrong := c.compare(t)
	if run.Counts.Waiting == 0 || wrong > 0 {
		t.Errorf("%d parked, %d links are wrong", run.Counts.Waiting, wrong)
	}
	for person, n := range created {
		if n > 1 {
			t.Errorf("person %s was created %d times", person, n)
		}
	}
	t.Logf("class E: %d people, %d kills, %d parked", c.people, c.kills, run.Counts.Waiting)
}

// TestChaosFindsTheDuplicatesOfATargetThatLiesAboutItsTimes switches the settle
// time off: what this test looks for would be seen if it were there.
func TestChaosFindsTheDuplicatesOfATargetThatLiesAboutItsTimes(t *testing.T) {
	t.Parallel()
	c := newSyncChaos(t, club.ClassC, false)
	_, d := c.untilOver(t)
	c.end(t, d)
	created, _ := c.compare(t)
	twice := 0
	for _, n := range created {
		if n > 1 {
			twice++
		}
	}
	if twice == 0 {
		t.Error("no duplicate although nothing was waited for")
	}
	t.Logf("without the settle time: %d of %d people were created more than once", twice, c.people)
}

func newSyncChaos(t *testing.T, class club.Class, settle bool) *syncChaos {
	t.Helper()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("again with: -chaos.seed=%d -chaos.kills=%d", seed, *chaosKills)
	c := &syncChaos{site: newFolder(t, "ndjson", "rest"), random: rand.New(rand.NewPCG(seed, 2)), people: *chaosPeople}
	faults := map[club.Fault]float64{club.LoseAnswer: 0.12, club.Late: 0.06, club.ResetBefore: 0.03, club.ErrorAfter: 0.04}
	c.platform = club.New(club.Options{
		Token: siteToken, Class: class, Seed: seed, ExecLag: lag, IndexLag: lag, HideConflict: true,
		Faults: club.Plan{club.CallCreate: faults, club.CallUpsert: faults}, Clubs: []club.Club{{ID: "12", Name: "Downtown"}},
	})
	l, err := net.Listen("tcp", c.inTandem)
	if err != nil {
		t.Fatal(err)
	}
	c.platform.Start(l)
	t.Cleanup(func() {
		if err := c.platform.Close(); err != nil {
			t.Error(err)
		}
	})
	margin := "20ms"
	config, err := c.platform.Example("http://" + c.inTandem)
	if err != nil {
		t.Fatal(err)
	}
	if !settle {
		margin = "1ms"
		config = regexp.MustCompile(`(exec|index)_lag: .*`).ReplaceAllString(config, "${1}_lag: 0s")
	}
	c.write(t, "club.rest.yaml", config)
	c.fill(t, "syncsite", map[string]string{"CLUB": c.inTandem, "MARGIN": margin}, "rosterd.yaml", "leads.lua", "token")
	c.writePeople(t)
	return c
}

// writePeople makes the source hold as many people as are wanted.
func (c *syncChaos) writePeople(t *testing.T) {
	t.Helper()
	var list bytes.Buffer
	for i := range c.people {
		fmt.Fprintf(&list, `{"no":"%s","first":"Given%d","last":"Family%d","mail":"%s"}`+"\n", person(i), i, i, address(person(i)))
	}
	c.write(t, "people.ndjson", list.String())
}

func person(i int) string          { return fmt.Sprintf("P%04d", i) }
func address(person string) string { return strings.ToLower(person) + "@example.com" }
func personOf(email string) string { return strings.ToUpper(strings.TrimSuffix(email, "@example.com")) }
func (c *syncChaos) lost() int     { return c.platform.State().Faults["lose_answer"] }

// untilOver starts the job, and lets the daemon live and die until its run is
// over, and returns the daemon that has ended it.
func (c *syncChaos) untilOver(t *testing.T) (roster.Run, *daemon) {
	t.Helper()
	id := ""
	for {
		c.lives++
		d := c.start(t)
		c.ready(t)
		if id == "" {
			run, err := c.client.StartRun(t.Context(), syncJob)
			if err != nil {
				t.Fatal(err)
			}
			id = run.ID
		}
		life := time.Duration(15+c.random.IntN(181)) * time.Millisecond
		switch {
		case c.kills >= *chaosKills:
			life = patience
		case c.lives%10 == 0:
			life = undisturbed
		}
		ended, over := c.live(t, id, life)
		if over {
			return ended, d
		}
		d.kill()
		c.kills++
	}
}

// live waits until the time of a life has passed, or its run is over.
func (c *syncChaos) live(t *testing.T, run string, life time.Duration) (roster.Run, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), life)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if life == patience {
				t.Fatalf("run %s does not end\n%s", run, c.tail())
			}
			return roster.Run{}, false
		case <-tick.C:
			got, err := c.client.Run(ctx, run)
			if err == nil && got.State.Ended() {
				return got, true
			}
		}
	}
}

// compare says how often the platform has each person, and how many links lead to
// another one than that of their source record.
func (c *syncChaos) compare(t *testing.T) (created map[string]int, wrong int) {
	t.Helper()
	if err := c.platform.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	created, byID := map[string]int{}, map[string]string{}
	for _, r := range c.platform.Records(club.Prospect) {
		created[personOf(r.Fields["email"])]++
		byID[r.ID] = personOf(r.Fields["email"])
	}
	keys, err := store.LoadKeyring(c.path("state"))
	if err != nil {
		t.Fatal(err)
	}
	state, err := bolt.Open(t.Context(), c.path("state"), keys)
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	links, err := state.Links(t.Context(), roster.Route{From: syncFrom, To: syncTo, Kind: sdk.KindProspect}, roster.LinkFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if byID[link.Target] != link.Source {
			wrong++
		}
	}
	var missing []string
	for person := range created {
		if !slices.ContainsFunc(links, func(l roster.Link) bool { return l.Source == person }) {
			missing = append(missing, person)
		}
	}
	t.Logf("%d links, %d people at the platform without one", len(links), len(missing))
	return created, wrong
}
