package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// personSearch is the search for one person in one account.
type personSearch struct {
	o   operations
	now view
	// jobs are those of the account.
	jobs   []roster.Job
	who    roster.Person
	report admin.PersonReport
}

// Person gathers what is stored of a person.
func (o operations) Person(ctx context.Context, who admin.PersonQuery) (admin.PersonReport, error) {
	s, err := o.seek(ctx, who, o.searchLive)
	if err != nil {
		return admin.PersonReport{}, err
	}
	err = s.gather(ctx)
	return s.report, err
}

// seek finds out which records are meant. Live, where it is not nil, asks the
// outside systems for an address.
func (o operations) seek(ctx context.Context, who admin.PersonQuery, live func(context.Context, *personSearch, string)) (*personSearch, error) {
	s := &personSearch{o: o, now: o.p.now()}
	account := who.Account
	if who.Job != "" {
		job, ok := s.now.jobs[who.Job]
		if !ok {
			return nil, &admin.UnknownJobError{Job: who.Job}
		}
		account, who.Connection = job.Account, cmp.Or(who.Connection, job.From)
	}
	if _, ok := s.now.cfg.Accounts[account]; !ok {
		return nil, &roster.Fault{
			Code: "privacy.account", Message: "there is no account " + account, Hint: "name one of the configuration: " + strings.Join(slices.Sorted(maps.Keys(s.now.cfg.Accounts)), ", "),
		}
	}
	for _, job := range s.now.cfg.Jobs {
		if job.Account == account {
			s.jobs = append(s.jobs, job)
		}
	}
	s.who = roster.Person{Account: account, Sources: map[string]string{}}
	for _, job := range s.jobs {
		s.who.Sources[job.Ref] = job.From
	}
	s.report = admin.PersonReport{Account: account, Asked: time.Now().UTC()}
	if who.Email != "" {
		s.who.Emails = []string{who.Email}
		live(ctx, s, who.Email)
		return s, nil
	}
	return s, s.byID(ctx, who)
}

// byID finds the records that an id may be of.
func (s *personSearch) byID(ctx context.Context, who admin.PersonQuery) error {
	var found []roster.Subject
	for _, subject := range s.candidates(who) {
		held, err := s.o.p.store.Holds(ctx, roster.Person{Account: s.who.Account, Subjects: []roster.Subject{subject}, Sources: s.who.Sources})
		if err != nil {
			return err
		}
		if len(held.Held) > 0 {
			found = append(found, subject)
		}
	}
	if who.Connection == "" {
		if err := s.unambiguous(ctx, found); err != nil {
			return err
		}
	}
	// A person of whom nothing is stored yet can be left out, too, and a prospect may
	// come back as a member.
	of := map[string]bool{who.Connection: who.Connection != ""}
	for _, subject := range found {
		of[subject.Connection] = true
	}
	for _, subject := range s.candidates(who) {
		if of[subject.Connection] && (slices.Contains(found, subject) || who.Kind != "" || roster.InboundGroup(subject.Kind) == "person") {
			s.who.Subjects = append(s.who.Subjects, subject)
		}
	}
	if len(s.who.Subjects) == 0 {
		return &roster.Fault{
			Code:    "privacy.not_found",
			Message: "nothing is stored of a record with this id in account " + s.who.Account + ", so that it is not known which system it is of",
			Hint:    "name the system with --connection and the kind with --kind, where the person is to be left out all the same",
		}
	}
	return nil
}

// candidates are the records of the account's systems that may have an id.
func (s *personSearch) candidates(who admin.PersonQuery) []roster.Subject {
	var all []roster.Subject
	for _, job := range s.jobs {
		for _, conn := range []string{job.From, job.To} {
			for _, kind := range job.Kinds {
				subject := roster.Subject{Connection: conn, Kind: kind, ID: who.ID}
				if (who.Connection == "" || who.Connection == conn) && (who.Kind == "" || who.Kind == kind) && !slices.Contains(all, subject) {
					all = append(all, subject)
				}
			}
		}
	}
	return all
}

// unambiguous fails where records of several systems have the id and are not
// linked to each other.
func (s *personSearch) unambiguous(ctx context.Context, found []roster.Subject) error {
	if len(found) < 2 {
		return nil
	}
	first, err := s.o.p.store.Holds(ctx, roster.Person{Account: s.who.Account, Subjects: found[:1], Sources: s.who.Sources})
	if err != nil {
		return err
	}
	var systems []string
	for _, subject := range found {
		name := subject.Connection + " (" + string(subject.Kind) + ")"
		if subject.Connection != found[0].Connection && !slices.Contains(first.Subjects, subject) && !slices.Contains(systems, name) {
			systems = append(systems, name)
		}
	}
	if len(systems) == 0 {
		return nil
	}
	return &roster.Fault{
		Code:    "privacy.ambiguous",
		Message: fmt.Sprintf("records of several systems have this id and are not linked: %s (%s), %s", found[0].Connection, found[0].Kind, strings.Join(systems, ", ")),
		Hint:    "say which one is meant with --connection and --kind",
	}
}

// privacyLiveTime bounds how long outside systems may take to search.
const privacyLiveTime = 20 * time.Second

// searchLive asks the systems of the account that can be searched for an address.
// They are read only.
func (o operations) searchLive(ctx context.Context, s *personSearch, address string) {
	ctx, cancel := context.WithTimeout(ctx, privacyLiveTime)
	defer cancel()
	kinds := map[string][]sdk.Kind{}
	for _, job := range s.jobs {
		for _, conn := range []string{job.From, job.To} {
			for _, kind := range job.Kinds {
				if !slices.Contains(kinds[conn], kind) {
					kinds[conn] = append(kinds[conn], kind)
				}
			}
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(kinds)) {
		if c, ok := s.now.connection(ref); !ok || c.Adapter == roster.AdapterInbound {
			continue
		}
		if err := s.ask(ctx, ref, kinds[ref], address); err != nil {
			s.report.Unsearched = append(s.report.Unsearched, ref+" was not searched for the address: "+liveReason(err)+"; look there yourself, and ask again with --id")
		}
	}
}

// liveReason says why a system was not searched, without what it has said: that may
// repeat the address.
func liveReason(err error) string {
	if fault, ok := errors.AsType[*roster.Fault](err); ok {
		return fault.Message
	}
	if errors.Is(err, errNotSearchable) {
		return err.Error()
	}
	return "it did not answer (" + string(sdk.AsError(err).Code) + ")"
}

var errNotSearchable = errors.New("its adapter cannot search by address")

// ask searches one system.
func (s *personSearch) ask(ctx context.Context, ref string, kinds []sdk.Kind, address string) (err error) {
	conn, err := s.now.connectReadOnly(ctx, ref, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	asked := false
	for _, kind := range kinds {
		switch {
		case kind == sdk.KindStaff && conn.Has(sdk.AbilityStaffFinder):
			asked = true
			found, err := conn.FindStaff(ctx, address)
			if err != nil {
				return err
			}
			for _, one := range found {
				s.who.Subjects = append(s.who.Subjects, roster.Subject{Connection: ref, Kind: kind, ID: one.ID})
			}
		case roster.InboundGroup(kind) == "person" && conn.Has(sdk.AbilityFinder):
			asked = true
			res, err := conn.Find(ctx, sdk.FindRequest{Kind: kind, Queries: []sdk.Query{{Fields: map[string]string{"email": address}, Limit: sdk.DefaultBatch}}})
			if err != nil {
				return err
			}
			for _, matches := range res.Matches {
				for _, m := range matches {
					s.who.Subjects = append(s.who.Subjects, roster.Subject{Connection: ref, Kind: kind, ID: m.ID})
				}
			}
		}
	}
	if !asked {
		return errNotSearchable
	}
	return nil
}

// gather reads what is stored of the person into the report.
func (s *personSearch) gather(ctx context.Context) error {
	held, err := s.o.p.store.Holds(ctx, s.who)
	if err != nil {
		return err
	}
	s.report.Holding = held
	changes, err := s.inChangeSets(ctx)
	if err != nil {
		return err
	}
	for _, c := range changes {
		s.report.Held = append(s.report.Held, c.held...)
	}
	if err := s.inLog(ctx); err != nil {
		return err
	}
	if s.report.Busy, err = s.busy(ctx); err != nil {
		return err
	}
	s.finish()
	return nil
}

// finish says until when things are kept, and what is not here.
func (s *personSearch) finish() {
	for i := range s.report.Held {
		s.turn(&s.report.Held[i])
		s.report.Held[i].Until = until(s.report.Held[i])
		if s.report.Held[i].Where == roster.HeldIntent && s.report.Held[i].State == string(roster.IntentArmed) {
			s.elsewhere(s.report.Held[i].To + " may have a record of theirs whose create is in doubt: look for it there")
		}
	}
	var targets []string
	for _, subject := range s.report.Subjects {
		targets = append(targets, fmt.Sprintf("%s %s %s", subject.Connection, subject.Kind, subject.ID))
	}
	if len(targets) > 0 {
		s.elsewhere("rosterd changes nothing in the systems themselves: look there for " + strings.Join(targets, "; "))
	}
	s.elsewhere("backups of the state hold what was in it; a restore erases again by rosterd.erased, which `rosterd state restore` leaves in its place")
	for _, dir := range s.replaced() {
		s.elsewhere(dir + " holds an earlier state that a restore has moved aside: remove it when it is not needed")
	}
	const byID = "links, histories and sessions hold no address: they are found by the id of a record only"
	if len(s.who.Emails) > 0 && !slices.Contains(s.report.Unsearched, byID) {
		s.report.Unsearched = append(s.report.Unsearched, byID)
	}
}

// turn shows a link in the direction in which a job goes.
func (s *personSearch) turn(h *roster.Held) {
	goes := func(from, to string) bool {
		return slices.ContainsFunc(s.jobs, func(j roster.Job) bool { return j.From == from && j.To == to })
	}
	if h.Where == roster.HeldLink && !goes(h.From, h.To) && goes(h.To, h.From) {
		h.From, h.To, h.Record, h.Target = h.To, h.From, h.Target, h.Record
	}
}

func (s *personSearch) elsewhere(text string) {
	if !slices.Contains(s.report.Elsewhere, text) {
		s.report.Elsewhere = append(s.report.Elsewhere, text)
	}
}

// replaced are the folders into which restores have moved earlier states.
func (s *personSearch) replaced() []string {
	found, _ := filepath.Glob(filepath.Join(s.now.cfg.StateDir, "replaced-*")) // the pattern is a good one
	return found
}

// until says when something that is held ends by itself.
func until(h roster.Held) string {
	switch h.Where {
	case roster.HeldLink:
		return "it is removed or erased"
	case roster.HeldHistory:
		return "20 later events, or until it is erased"
	case roster.HeldReference:
		return "the owner is linked"
	case roster.HeldIntent:
		return "it is proven, or the record changes"
	case roster.HeldParked:
		return "a person settles it"
	case roster.HeldQuarantine:
		return "it is sent, dropped, or older than retention.quarantine"
	case roster.HeldInbound:
		return "every job has read it"
	case roster.HeldSession:
		return "export.outcome_wait has passed"
	case roster.HeldChange:
		return "the run is over, or its plan is 7 days old"
	case roster.HeldLog:
		return "it is older than retention.log, or until it is erased"
	case roster.HeldTombstone:
		return "it is lifted"
	}
	return ""
}

// busy are the runs and sessions of the account that are under way.
func (s *personSearch) busy(ctx context.Context) ([]string, error) {
	var found []string
	runs, err := s.o.p.store.Runs(ctx, roster.RunFilter{State: []roster.RunState{roster.RunQueued, roster.RunPreparing, roster.RunDelivering}})
	if err != nil {
		return nil, err
	}
	for _, run := range runs {
		if strings.HasPrefix(run.Job, s.who.Account+"/") {
			found = append(found, fmt.Sprintf("run %s of job %s (%s)", run.ID, run.Job, run.State))
		}
	}
	sessions, err := s.o.p.store.Sessions(ctx, roster.SessionFilter{Open: true})
	for _, session := range sessions {
		if strings.HasPrefix(session.Job, s.who.Account+"/") {
			found = append(found, fmt.Sprintf("session %s of job %s (%s)", session.ID, session.Job, session.State))
		}
	}
	return found, err
}
