package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// operations are what the operator's API asks of the parts.
type operations struct{ p *parts }

// errNoDaemon refuses a change where no daemon runs to carry it out.
func errNoDaemon(what string) error {
	return &roster.Fault{
		Code: "daemon.not_running", Message: what + " needs the running daemon, and none runs on this state directory",
		Hint: "start it with `systemctl start rosterd` or `rosterd run`",
	}
}

// StartRun starts a run of a job.
func (o operations) StartRun(ctx context.Context, order admin.RunOrder) (roster.Run, error) {
	return o.p.runner.Order(ctx, pipeline.Order{Job: order.Job, Trigger: order.Trigger, Plan: order.Plan, Scope: order.Scope})
}

// Run returns a run with its live counts.
func (o operations) Run(ctx context.Context, id string) (roster.Run, error) {
	return o.p.live(ctx, id)
}

// Runs lists runs, those under way with their live counts.
func (o operations) Runs(ctx context.Context, f roster.RunFilter) ([]roster.Run, error) {
	runs, err := o.p.store.Runs(ctx, f)
	for i := range runs {
		if runs[i].State.Ended() {
			continue
		}
		if runs[i], err = o.p.live(ctx, runs[i].ID); err != nil {
			break
		}
	}
	return runs, err
}

// CancelRun asks a run to end.
func (o operations) CancelRun(ctx context.Context, id string) error {
	return o.p.runner.Cancel(ctx, id)
}

// Sessions lists sessions.
func (o operations) Sessions(ctx context.Context, f roster.SessionFilter) ([]roster.Session, error) {
	return o.p.store.Sessions(ctx, f)
}

// Session returns one session with what came of its pages.
func (o operations) Session(ctx context.Context, id string) (roster.SessionReport, error) {
	session, err := o.p.store.Session(ctx, id)
	if err != nil {
		return roster.SessionReport{}, err
	}
	return o.p.sessions.Report(ctx, session)
}

// RetrySession announces a parked session once more.
func (o operations) RetrySession(ctx context.Context, id string) error {
	return o.p.sessions.Retry(ctx, id)
}

// CloseSession ends a session.
func (o operations) CloseSession(ctx context.Context, id string) error {
	return o.p.sessions.Close(ctx, id, "closed by the operator")
}

// Quarantined lists refused records.
func (o operations) Quarantined(ctx context.Context, f roster.QuarantineFilter) ([]roster.Quarantined, error) {
	return o.p.store.Quarantine(ctx, f)
}

// QuarantineGroups counts refused records by cause.
func (o operations) QuarantineGroups(ctx context.Context, f roster.QuarantineFilter) ([]roster.QuarantineGroup, error) {
	return o.p.store.QuarantineGroups(ctx, f)
}

// QuarantinedRecord returns one refused record with its values.
func (o operations) QuarantinedRecord(ctx context.Context, id string) (roster.Quarantined, error) {
	return o.p.store.QuarantinedByID(ctx, id)
}

// Version says what is running.
func (o operations) Version(context.Context) (admin.Version, error) { return programVersion(), nil }

func programVersion() admin.Version {
	v := admin.Version{Version: version, Go: runtime.Version(), API: admin.APIVersion}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	return v
}

// Status tells how every job stands and what needs a person.
func (o operations) Status(ctx context.Context) (admin.Status, error) {
	now := o.p.now()
	s := admin.Status{Version: version, PID: os.Getpid(), Started: o.p.started, PublicURL: now.cfg.PublicURL}
	for _, job := range now.cfg.Jobs {
		js, problems, err := o.jobStatus(ctx, job)
		if err != nil {
			return s, err
		}
		s.Jobs = append(s.Jobs, js)
		s.Problems = append(s.Problems, problems...)
	}
	s.Quotas = o.p.quotas(ctx)
	s.Problems = append(s.Problems, o.p.unloadedProblem()...)
	s.Problems = append(s.Problems, now.restoredProblems()...)
	s.Problems = append(s.Problems, stateProblems(now.cfg.StateDir)...)
	s.Problems = append(s.Problems, adapterProblems(o.p.usedAdapters(), o.p.host.Health())...)
	s.Problems = append(s.Problems, changedConfig(now.cfg, now.read)...)
	waiting, err := o.p.parkedProblems(ctx)
	if err != nil {
		return s, err
	}
	s.Problems = append(s.Problems, waiting...)
	parked, err := o.p.store.Sessions(ctx, roster.SessionFilter{Open: true})
	if err != nil {
		return s, err
	}
	for _, session := range parked {
		if f, ok := silence(session, time.Now()); ok {
			s.Problems = append(s.Problems, f)
		}
		if session.State == roster.SessionParked {
			s.Problems = append(s.Problems, admin.Finding{
				Code: "session.parked", Message: fmt.Sprintf("session %s of %s waits: %s", session.ID, session.Job, session.Reason),
				Hint: "announce it once more, or end it with `rosterd session close`", Command: "rosterd session retry " + session.ID,
			})
		}
	}
	return s, nil
}

// silentTime is after how long an import of which no page was asked for is
// something to look after. A target asks within seconds.
const silentTime = time.Minute

// silence says that the target asks for no page: most often the address that is
// registered for the app is not this daemon's.
func silence(session roster.Session, now time.Time) (admin.Finding, bool) {
	waits := session.State == roster.SessionAnnouncing || session.State == roster.SessionOpen
	since := now.Sub(session.Created)
	if !waits || session.PerPage > 0 || since < silentTime {
		return admin.Finding{}, false
	}
	return admin.Finding{
		Code: "session.silent",
		Message: fmt.Sprintf("session %s of %s is %s, and in %s the target has asked for no page",
			session.ID, session.Job, session.State, since.Truncate(time.Second)),
		Hint:    "compare the app's api_uri at the target with the one that this command prints, and see that it reaches public_url from outside",
		Command: "rosterd connections",
	}, true
}

func (o operations) jobStatus(ctx context.Context, job roster.Job) (admin.JobStatus, []admin.Finding, error) {
	js := admin.JobStatus{Ref: job.Ref, Type: job.Type, Schedule: job.Schedule}
	if err := o.p.timingOf(ctx, job, &js); err != nil {
		return js, nil, err
	}
	runs, err := o.p.store.Runs(ctx, roster.RunFilter{Job: job.Ref, Limit: 2})
	if err != nil {
		return js, nil, err
	}
	for i := range runs {
		run := runs[i]
		switch {
		case !run.State.Ended() && js.Running == nil:
			live, err := o.p.live(ctx, run.ID)
			if err != nil {
				return js, nil, err
			}
			js.Running = &live
		case run.State.Ended() && js.Last == nil:
			js.Last = &run
		}
	}
	if err := o.p.standing(ctx, job, &js, time.Now()); err != nil {
		return js, nil, err
	}
	problems := append(problemsOf(job, js.Last), pausedProblem(js)...)
	if len(problems) == 0 {
		problems = staleProblem(js)
	}
	return js, problems, nil
}

// leftBehind is the number of records that did not reach the target.
func leftBehind(c roster.Counts) int {
	n := c.Quarantined + c.Unserved + c.Waiting
	if c.Failed != nil {
		n += *c.Failed
	}
	return n
}

// problemsOf says what a person has to do about a job's last run.
func problemsOf(job roster.Job, last *roster.Run) []admin.Finding {
	if last == nil {
		return nil
	}
	switch last.State {
	case roster.RunFailed, roster.RunBlocked:
		f := admin.Finding{Code: "run." + string(last.State), Message: fmt.Sprintf("the last run of %s is %s", job.Ref, last.State), Command: "rosterd runs " + last.ID}
		if last.Fault != nil {
			f.Code, f.Message, f.Hint = last.Fault.Code, f.Message+": "+last.Fault.Message, last.Fault.Hint
		}
		if last.State == roster.RunBlocked && last.Type == roster.JobSync {
			f.Hint = fmt.Sprintf("let through it would %s: look at each change with `rosterd plan --run %s`, then `rosterd approve %s` makes just these; or correct the job's guards or its script",
				wouldDo(last.Counts), last.ID, last.ID)
			f.Command = "rosterd plan --run " + last.ID
		}
		return []admin.Finding{f}
	case roster.RunPlanned:
		if changesOf(last.Counts) == 0 {
			return nil
		}
		return []admin.Finding{{
			Code:    "run.planned",
			Message: fmt.Sprintf("run %s of %s is planned and waits to be applied: it would make %d changes", last.ID, job.Ref, changesOf(last.Counts)),
			Hint:    "look at it with `rosterd plan --run " + last.ID + "`; the job's next run takes its place",
			Command: "rosterd apply " + last.ID,
		}}
	case roster.RunPartial:
		f := admin.Finding{
			Code:    "run.partial",
			Message: fmt.Sprintf("the last run of %s left %d records behind", job.Ref, leftBehind(last.Counts)),
			Command: "rosterd quarantine list --run " + last.ID,
		}
		switch {
		case last.Again != nil:
			f.Hint, f.Command = "the job goes on by itself at "+last.Again.Format(dueFormat), "rosterd runs "+last.ID
		case last.Counts.Quarantined == 0 && last.Counts.Waiting > 0:
			f.Command = "rosterd parked list --job " + job.Ref
		}
		return []admin.Finding{f}
	default:
		return nil
	}
}

// wouldDo says in words what a prepared run of a sync would change.
func wouldDo(n roster.Counts) string {
	var parts []string
	for _, part := range []struct {
		verb  string
		count int
	}{{"create", n.ToCreate}, {"update", n.ToUpdate}, {"deactivate", n.ToDeactivate}, {"link", n.ToLink}} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", part.verb, part.count))
		}
	}
	if len(parts) == 0 {
		return "change nothing"
	}
	return strings.Join(parts, ", ")
}

// parkedProblems says of each job how many of its creates wait for a person: those
// of which nobody knows whether they were done, and reviews.
func (p *parts) parkedProblems(ctx context.Context) ([]admin.Finding, error) {
	parked, err := p.store.Parked(ctx, roster.ParkedFilter{})
	if err != nil {
		return nil, err
	}
	oldest, count, reviews := map[string]time.Time{}, map[string]int{}, map[string]int{}
	for _, one := range parked {
		if one.Review {
			reviews[one.Job]++
			continue
		}
		count[one.Job]++
		if at := oldest[one.Job]; at.IsZero() || one.Armed.Before(at) {
			oldest[one.Job] = one.Armed
		}
	}
	var found []admin.Finding
	for _, job := range slices.Sorted(maps.Keys(count)) {
		found = append(found, admin.Finding{
			Code:    "parked.waiting",
			Message: fmt.Sprintf("%d creates of %s wait for a person, the oldest sent %s: nobody knows whether they were done", count[job], job, ago(oldest[job])),
			Hint:    "look each of them up in the target, then settle it with `rosterd parked link`, `rosterd parked create` or `rosterd parked drop`",
			Command: "rosterd parked list --job " + job,
		})
	}
	for _, job := range slices.Sorted(maps.Keys(reviews)) {
		found = append(found, admin.Finding{
			Code:    "review.waiting",
			Message: fmt.Sprintf("%s of %s wait for a person: the target has several that each may be", counted(reviews[job], "new record"), job),
			Hint:    "say which it is with `rosterd review link`, or that it is none of them with `rosterd review create`",
			Command: "rosterd review list --job " + job,
		})
	}
	return found, nil
}

// Connections lists the configured systems, with what is promised of the targets
// of syncs.
func (o operations) Connections(ctx context.Context) ([]admin.ConnectionInfo, error) {
	all := o.connections(ctx)
	o.guarantee(ctx, all)
	return all, nil
}

func (o operations) connections(ctx context.Context) []admin.ConnectionInfo {
	var out []admin.ConnectionInfo
	accounts := o.p.now().cfg.Accounts
	for _, id := range slices.Sorted(maps.Keys(accounts)) {
		connections := accounts[id].Connections
		for _, key := range slices.Sorted(maps.Keys(connections)) {
			out = append(out, o.connection(ctx, connections[key]))
		}
	}
	return out
}

func (o operations) connection(ctx context.Context, c roster.Connection) admin.ConnectionInfo {
	info := admin.ConnectionInfo{Ref: c.Ref, Adapter: c.Adapter, Clubs: c.Clubs}
	described, err := adapterInfo(ctx, o.p.host, c.Adapter)
	if err != nil {
		info.Check = &admin.CheckResult{At: time.Now(), Fault: asFault(connectionFault(c.Ref, err))}
	} else {
		info.AdapterVersion, info.Abilities = described.Version, described.Abilities
	}
	for _, job := range o.p.now().cfg.Jobs {
		if job.From == c.Ref || job.To == c.Ref {
			info.Jobs = append(info.Jobs, job.Ref)
		}
		if job.To == c.Ref && job.Type == roster.JobImport {
			info.APIURI, info.URIUnknown = o.p.now().exportURI()
		}
	}
	if c.Adapter == roster.AdapterInbound {
		info.PushURI, info.URIUnknown = o.p.now().pushURI()
	}
	return info
}

// Adapters lists the adapter programs.
func (o operations) Adapters(ctx context.Context) ([]admin.AdapterInfo, error) {
	found, err := o.p.host.List(ctx)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &roster.Fault{
			Code: "adapter.not_installed", Message: "plugins.dir " + o.p.now().cfg.Plugins.Dir + " does not exist",
			Hint: "put the adapters' programs there, or correct plugins.dir",
		}
	}
	if err != nil {
		return nil, err
	}
	own := connector.Info()
	out := []admin.AdapterInfo{{
		Name: own.Name, Version: own.Version, Description: own.Description, Abilities: own.Abilities, Kinds: own.Kinds,
	}}
	for _, f := range found {
		if f.Name == own.Name {
			continue // a program of that name is never started
		}
		info := admin.AdapterInfo{Name: f.Name, Path: f.Path, Abilities: []sdk.Ability{}, Kinds: []sdk.KindInfo{}}
		if f.Err != nil {
			info.Error = asFault(f.Err)
		} else {
			info.Version, info.Description = f.Info.Version, f.Info.Description
			info.Abilities, info.Kinds = append(info.Abilities, f.Info.Abilities...), append(info.Kinds, f.Info.Kinds...)
		}
		out = append(out, info)
	}
	slices.SortFunc(out, func(a, b admin.AdapterInfo) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func asFault(err error) *roster.Fault {
	if f, ok := errors.AsType[*roster.Fault](err); ok {
		return f
	}
	if errors.Is(err, adapters.ErrProtocol) {
		return &roster.Fault{Code: "adapter.protocol", Message: err.Error(), Hint: protocolHint}
	}
	return &roster.Fault{Code: "adapter", Message: err.Error(), Hint: "the daemon's log tells more"}
}
