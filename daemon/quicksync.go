package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
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

// The files that remember what the platforms have from one quickstart to the next
// one in the same folder.
const (
	quickstartStored    = "club.json"
	quickstartStoredCRM = "crm.json"
)

// crmOptions are the CRM's. The prospects are the same each time. Who becomes a
// member keeps the id.
func crmOptions(stored []club.Record) club.Options {
	if len(stored) == 0 {
		stored = club.Seed(quickstartPeople)
	}
	return club.Options{Token: quickstartToken, Records: stored, SameRecord: true, Seed: 1, Now: time.Now}
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
		"crm.rest.yaml":  {crmOptions(nil), crm},
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
	// crmURL is the CRM's address, and folder where it is kept what both have.
	crmURL, folder string
}

// startPlatforms simulates the CRM and the club platform at the addresses that
// the configuration names.
func (q *quickstart) startPlatforms(ctx context.Context, cfg *config.Config, log *slog.Logger) (*platforms, error) {
	people, err := storedRecords(q.path(quickstartStoredCRM))
	if err != nil {
		return nil, err
	}
	stored, err := storedRecords(q.path(quickstartStored))
	if err != nil {
		return nil, err
	}
	from, err := listenAs(ctx, cfg, "crm", "base_url")
	if err != nil {
		return nil, err
	}
	to, err := listenAs(ctx, cfg, "club", "base_url")
	if err != nil {
		return nil, errors.Join(err, from.Close())
	}
	crm, target := crmOptions(people), clubOptions(stored)
	crm.Logger, target.Logger = log, log
	p := &platforms{crm: club.New(crm), club: club.New(target), crmURL: "http://" + from.Addr().String(), folder: q.dir}
	p.crm.Start(from)
	p.club.Start(to)
	return p, nil
}

// storedRecords reads what a platform had at the end of an earlier quickstart.
func storedRecords(path string) (stored []club.Record, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &stored)
	}
	if err != nil {
		return nil, fmt.Errorf("read what a simulated platform has: %w", err)
	}
	return stored, nil
}

// close stops the platforms and keeps what they have.
func (p *platforms) close() error {
	err := errors.Join(p.crm.Close(), p.club.Close())
	for name, platform := range map[string]*club.Platform{quickstartStoredCRM: p.crm, quickstartStored: p.club} {
		var stored []club.Record
		for _, kind := range club.Kinds() {
			stored = append(stored, platform.Records(kind)...)
		}
		text, packing := json.Marshal(stored)
		if packing == nil {
			packing = os.WriteFile(filepath.Join(p.folder, name), text, 0o600)
		}
		err = errors.Join(err, packing)
	}
	return err
}

// syncScene is what came of the sync.
type syncScene struct {
	run roster.Run
	// links are those of the prospects, sources those of the lead sources.
	links, sources []roster.Link
	// lost is the number of answers that were lost; found of them were settled by a
	// record that was there, again by another create.
	lost, found, again int
	// once says that the platform has each linked prospect, and has nobody else and
	// nobody twice.
	once bool
	// owned and sourced are the prospects that the platform has with their owner and
	// with their lead source, ownerless those that had to be sent without.
	owned, sourced, ownerless int
	// joined are those who became members, in another run; their ID is empty where
	// nobody did.
	joined   roster.Run
	members  []roster.Link
	warnings []admin.LogLine
}

// syncProspects runs the job, follows it, and looks at what the platform has.
func (q *quickstart) syncProspects(ctx context.Context, cfg *config.Config, p *parts, systems *platforms) (*syncScene, error) {
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
	route.Kind = sdk.KindLeadSource
	if s.sources, err = p.store.Links(ctx, route, roster.LinkFilter{}); err != nil {
		return nil, err
	}
	if err := s.look(ctx, systems.club); err != nil {
		return nil, err
	}
	if err := s.readLog(ctx, client); err != nil {
		return nil, err
	}
	return s, q.joinMembers(ctx, client, p, systems, s)
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
		if r.Fields["owner_id"] != "" {
			s.owned++
		}
		if r.Fields["lead_source_id"] != "" {
			s.sourced++
		}
	}
	s.once = len(there) == len(s.links)
	for _, link := range slices.Concat(s.links, s.sources) {
		if link.Origin == roster.LinkFound && link.Made.After(s.run.Asked) {
			s.found++
		}
	}
	for _, link := range s.links {
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
			"owners": s.owned, "ownerless": s.ownerless, "lead_sources": s.sourced, "members": len(s.members),
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
		fmt.Fprintf(q.stdout, "%d of them with their owner, a staff member with the same e-mail address there; %d with their lead source\n", s.owned, s.sourced)
	}
	q.tellLog(s)
	q.tellMembers(s)
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
	whole := !shipped || s.run.State == roster.RunOK && len(s.links) == quickstartPeople && s.lost == s.found+s.again &&
		s.sourced == quickstartPeople && len(s.members) == quickstartMembers
	if s.once && whole {
		return nil
	}
	return &roster.Fault{
		Code: "quickstart.sync",
		Message: fmt.Sprintf("the sync must leave %d prospects, each once and with its lead source, every lost answer settled, and %d members; it left %d links, %d lead sources, %d lost answers (%d found, %d sent again), %d members",
			quickstartPeople, quickstartMembers, len(s.links), s.sourced, s.lost, s.found, s.again, len(s.members)),
		Hint: "if the files of the folder were edited, this is expected; else please report it",
	}
}
