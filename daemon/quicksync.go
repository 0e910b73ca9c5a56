package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox/club"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// The names that the second scene of the quickstart uses.
const (
	quickstartSync       = "riverside/leads"
	quickstartSyncScript = "prospects_to_club.lua"
	quickstartFrom       = "riverside/crm"
	quickstartTo         = "riverside/club"
)

// quickstartPeople is how many prospects the CRM has.
const quickstartPeople = 60

// quickstartStored is the file that remembers what the club platform has from
// one quickstart to the next one in the same folder.
const quickstartStored = "club.json"

// crmOptions are the CRM's. The prospects are the same each time.
func crmOptions() club.Options {
	return club.Options{Token: quickstartToken, Records: club.Seed(quickstartPeople), Seed: 1, Now: time.Now}
}

// clubOptions are the club platform's: some of its answers are lost, with or
// without the record, and which is the same each time.
func clubOptions(stored []club.Record) club.Options {
	clubs := []club.Club{{ID: "7", Name: "Downtown"}, {ID: "8", Name: "Airport"}}
	if len(stored) == 0 {
		stored = club.SeedTarget(clubs...)
	}
	return club.Options{
		Token: quickstartToken, Clubs: clubs, Class: club.ClassC, Records: stored, Now: time.Now,
		Seed: 20 + uint64(len(stored)), FaultsByPerson: true, // what it makes later has other ids
		ExecLag: 50 * time.Millisecond, IndexLag: 50 * time.Millisecond,
		Faults: club.Plan{club.CallCreate: {club.LoseAnswer: 0.12, club.ResetBefore: 0.06}},
	}
}

// layOutPlatforms adds the files that say how the adapter rest speaks to the
// simulated systems.
func layOutPlatforms(files map[string][]byte, crm, target string) error {
	for name, one := range map[string]struct {
		options club.Options
		address string
	}{
		"crm.rest.yaml":  {crmOptions(), crm},
		"club.rest.yaml": {clubOptions(nil), target},
	} {
		p := club.New(one.options)
		text, err := p.Example("http://" + one.address)
		if err := errors.Join(err, p.Close()); err != nil {
			return err
		}
		files[name] = []byte(text)
	}
	return nil
}

// platforms are the simulated systems of the sync.
type platforms struct {
	crm, club *club.Platform
	stored    string
}

// startPlatforms simulates the CRM and the club platform at the addresses that
// the configuration names.
func (q *quickstart) startPlatforms(ctx context.Context, cfg *config.Config, log *slog.Logger) (*platforms, error) {
	p := &platforms{stored: q.path(quickstartStored)}
	var stored []club.Record
	text, err := os.ReadFile(p.stored)
	if err == nil {
		err = json.Unmarshal(text, &stored)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what the club platform has: %w", err)
	}
	from, err := listenAs(ctx, cfg, "crm", "base_url")
	if err != nil {
		return nil, err
	}
	to, err := listenAs(ctx, cfg, "club", "base_url")
	if err != nil {
		return nil, errors.Join(err, from.Close())
	}
	crm, target := crmOptions(), clubOptions(stored)
	crm.Logger, target.Logger = log, log
	p.crm, p.club = club.New(crm), club.New(target)
	p.crm.Start(from)
	p.club.Start(to)
	return p, nil
}

// close stops the platforms and keeps what the club platform has.
func (p *platforms) close() error {
	err := errors.Join(p.crm.Close(), p.club.Close())
	var stored []club.Record
	for _, kind := range club.Kinds() {
		stored = append(stored, p.club.Records(kind)...)
	}
	text, packing := json.Marshal(stored)
	if packing != nil {
		return errors.Join(err, packing)
	}
	return errors.Join(err, os.WriteFile(p.stored, text, 0o600))
}

// syncScene is what came of the sync.
type syncScene struct {
	run   roster.Run
	links []roster.Link
	// lost is the number of answers that were lost; found of them were settled by a
	// record that was there, again by another create.
	lost, found, again int
	// once says that the platform has each linked prospect, and has nobody else and
	// nobody twice.
	once bool
}

// syncProspects runs the job, follows it, and looks at what the platform has.
func (q *quickstart) syncProspects(ctx context.Context, cfg *config.Config, p *parts, target *club.Platform) (*syncScene, error) {
	client, err := dial(cfg)
	if err != nil {
		return nil, err
	}
	run, err := client.StartRun(ctx, quickstartSync)
	if err != nil {
		return nil, err
	}
	s := &syncScene{}
	if s.run, err = follow(ctx, client, run, newBar(q.stderr)); err != nil {
		return nil, err
	}
	route := roster.Route{From: quickstartFrom, To: quickstartTo, Kind: sdk.KindProspect}
	if s.links, err = p.store.Links(ctx, route, roster.LinkFilter{}); err != nil {
		return nil, err
	}
	return s, s.look(ctx, target)
}

// look compares the links with what the platform has and with what it has been
// asked for.
func (s *syncScene) look(ctx context.Context, target *club.Platform) error {
	if err := target.Wait(ctx); err != nil { // what is late takes effect before anything is counted
		return err
	}
	for _, n := range target.State().Faults {
		s.lost += n
	}
	for _, t := range target.Creates() {
		if t.By == "external_ref" {
			s.again += t.Posts - 1
		}
	}
	there := map[string]bool{}
	for _, r := range target.Records(club.Prospect) {
		there[r.ID] = true
	}
	s.once = len(there) == len(s.links)
	for _, link := range s.links {
		if link.Origin == roster.LinkFound && link.Made.After(s.run.Asked) {
			s.found++
		}
		s.once = s.once && there[link.Target]
	}
	return nil
}

// quickstartPromise is the guarantee of a connection whose target is of class C.
const quickstartPromise = `nobody is created twice. A create whose answer was lost
is searched for by a marker of ours, and sent again only when it is proven not to be there;
this holds as long as the platform keeps the times that are declared for it.`

// tellSync prints what happened, and fails when a prospect was lost or is there
// twice.
func (q *quickstart) tellSync(s *syncScene) error {
	if s == nil {
		return nil
	}
	if q.json {
		q.print(map[string]any{
			"type": "sync", "run": s.run.ID, "state": s.run.State, "counts": s.run.Counts, "links": len(s.links),
			"lost": s.lost, "found": s.found, "again": s.again, "once": s.once, "class": club.ClassC,
		})
		return s.verdict(q)
	}
	fmt.Fprintln(q.stdout)
	q.printSync(s.run)
	if s.lost > 0 {
		fmt.Fprintf(q.stdout, "\n%d answers of the club platform were lost\n", s.lost)
		fmt.Fprintf(q.stdout, "  %7d  were found by their marker and linked\n  %7d  were not there and sent again\n", s.found, s.again)
	}
	if s.once {
		fmt.Fprintf(q.stdout, "\nthe club platform has each of %d prospects once; the first links, from the CRM's id to its own:\n", len(s.links))
		for _, link := range s.links[:min(3, len(s.links))] {
			fmt.Fprintf(q.stdout, "  %-8s %s\n", link.Source, link.Target)
		}
	}
	fmt.Fprintf(q.stdout, "\npromised of %s (class C): %s\n\nits script is   %s\n", quickstartTo, quickstartPromise, q.path("scripts/"+quickstartSyncScript))
	return s.verdict(q)
}

// printSync prints the run of a sync for people.
func (q *quickstart) printSync(run roster.Run) {
	n := run.Counts
	fmt.Fprintf(q.stdout, "run %s of %s: %s\n", run.ID, run.Job, run.State)
	fmt.Fprintf(q.stdout, "  read         %7d = created %s + updated %s + linked %d + unchanged %d + skipped %d + quarantined %d + waiting %d\n",
		n.Read, count(n.Created), count(n.Updated), n.Linked, n.Unchanged, n.Skipped, n.Quarantined, n.Waiting)
	if run.Fault != nil {
		fmt.Fprintf(q.stdout, "  %s: %s\n  hint: %s\n", run.Fault.Code, run.Fault.Message, run.Fault.Hint)
	}
}

// verdict is an error when the run did not arrive, or when the shipped script did
// not give what the sample must give.
func (s *syncScene) verdict(q *quickstart) error {
	if !arrived(s.run) {
		return &endError{code: stateCode(s.run)}
	}
	shipped, err := q.asShipped(quickstartSyncScript)
	if err != nil {
		return err
	}
	whole := !shipped || s.run.State == roster.RunOK && len(s.links) == quickstartPeople && s.lost == s.found+s.again
	if s.once && whole {
		return nil
	}
	return &roster.Fault{
		Code: "quickstart.sync",
		Message: fmt.Sprintf("the sync must leave %d prospects, each once, and every lost answer settled; it left %d links, %d lost answers (%d found, %d sent again)",
			quickstartPeople, len(s.links), s.lost, s.found, s.again),
		Hint: "if the files of the folder were edited, this is expected; else please report it",
	}
}
