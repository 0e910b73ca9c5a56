package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// syncCheckTime bounds how long the connections of all syncs may take to say what
// they can do.
const syncCheckTime = 30 * time.Second

// syncFindings checks that the adapters of each sync can do what the job asks of
// them. A connection whose adapter or settings have faults of their own is passed
// over.
func syncFindings(ctx context.Context, cfg *config.Config, host *adapters.Host) []config.Fault {
	ctx, cancel := context.WithTimeout(ctx, syncCheckTime)
	defer cancel()
	var findings []config.Fault
	for _, job := range cfg.Jobs {
		if job.Type == roster.JobSync {
			s := syncCheck{cfg: cfg, host: host, job: job}
			s.check(ctx)
			findings = append(findings, s.findings...)
		}
	}
	return findings
}

// codeTarget is the code of a job that asks its target for what that cannot do.
const codeTarget = "job.target"

// syncCheck checks one job.
type syncCheck struct {
	cfg      *config.Config
	host     *adapters.Host
	job      roster.Job
	findings []config.Fault
}

// find notes a finding at the place that names the adapter of a connection.
func (s *syncCheck) find(severity config.Severity, ref, hint, format string, args ...any) {
	s.findings = append(s.findings, config.AtAdapter(s.cfg, ref, config.Fault{
		Severity: severity, Code: codeTarget, File: s.cfg.Path, Hint: hint,
		Message: fmt.Sprintf("job %s: ", s.job.Ref) + fmt.Sprintf(format, args...),
	}))
}

const hintAbility = "`rosterd adapter list` shows what each adapter can do, and an adapter's README which settings that needs"

func (s *syncCheck) check(ctx context.Context) {
	source := s.open(ctx, s.job.From)
	if source != nil {
		defer func() { _ = source.Close() }() // it was only asked
		if !source.Has(sdk.AbilitySource) {
			s.find(config.SeverityError, s.job.From, hintAbility, "connection %s cannot be read: it lacks the ability %s", s.job.From, sdk.AbilitySource)
		}
	}
	target := s.open(ctx, s.job.To)
	if target == nil {
		return
	}
	defer func() { _ = target.Close() }() // it was only asked
	if !target.Has(sdk.AbilityTarget) {
		s.find(config.SeverityError, s.job.To, hintAbility, "connection %s cannot be written to: it lacks the ability %s", s.job.To, sdk.AbilityTarget)
		return
	}
	info, err := target.Target(ctx)
	if err != nil {
		s.find(config.SeverityError, s.job.To, "correct the connection's settings", "connection %s does not say what it writes: %v", s.job.To, err)
		return
	}
	s.owners(target)
	s.matching(target)
	for _, kind := range s.job.Kinds {
		s.kind(kind, info, target)
	}
}

// open opens a connection for asking it; nil where that is not possible here.
func (s *syncCheck) open(ctx context.Context, ref string) *adapters.Conn {
	c, ok := connectionOf(s.cfg, ref)
	if !ok {
		return nil
	}
	info, err := s.host.Describe(ctx, c.Adapter)
	if err != nil || len(config.CheckSettings(s.cfg, ref, info.Settings)) > 0 {
		return nil // told as a finding about the connection
	}
	if c.Settings, err = s.cfg.Settings(ref, info.Settings); err != nil {
		return nil
	}
	conn, err := s.host.OpenReadOnly(ctx, c)
	if err != nil {
		s.find(config.SeverityWarning, ref, "correct the connection's settings", "connection %s could not be asked what it can do: %v", ref, err)
		return nil
	}
	return conn
}

// kind checks one kind of the job. Staff are associated and never written.
func (s *syncCheck) kind(kind sdk.Kind, info sdk.TargetInfo, target *adapters.Conn) {
	switch kind {
	case sdk.KindStaff:
		return
	case sdk.KindLeadSource:
		s.leadSources(info, target)
		return
	case sdk.KindProspect, sdk.KindMember:
	}
	written, ok := info.Kind(kind)
	if !ok {
		s.find(config.SeverityError, s.job.To, "leave the kind out of the job's kinds, or add its calls to the connection: create and update, or save",
			"connection %s does not write records of kind %s: it has no call create, update or save for them", s.job.To, kind)
		return
	}
	s.calls(kind, written)
	if field := unsearched(s.job, written); field != "" && target.Has(sdk.AbilityFinder) {
		s.find(config.SeverityError, s.job.To, "add the call to the connection, or leave  match  out of the job",
			"people are matched before they are created, and connection %s has no call that finds records of kind %s by their field %s", s.job.To, kind, field)
	}
}

// unsearched is a field that the rules of a job's match search people by and that its
// target does not; empty for none.
func unsearched(job roster.Job, written sdk.TargetKind) string {
	for _, field := range pipeline.MatchFields(job.Sync.Match) {
		if !written.FindsBy(field) {
			return field
		}
	}
	return ""
}

// calls checks that the target has the operations that the job asks for.
func (s *syncCheck) calls(kind sdk.Kind, written sdk.TargetKind) {
	options := s.job.Sync
	for _, need := range []struct {
		op     sdk.Op
		wanted bool
		hint   string
	}{
		{sdk.OpCreate, options.OnMissing, "add the call to the connection, or save, which is create and update, or write  on_missing: ignore"},
		{sdk.OpUpdate, options.OnMatch, "add the call to the connection, or save, which is create and update, or write  on_match: ignore"},
		{sdk.OpDeactivate, options.OnGone == "deactivate", "add the call to the connection, or write  on_gone: ignore"},
		{sdk.OpDelete, options.OnGone == "delete", "add the call to the connection, or write  on_gone: ignore"},
	} {
		if !need.wanted || written.Can(need.op) {
			continue
		}
		severity := config.SeverityError
		if need.op == sdk.OpDeactivate {
			severity = config.SeverityWarning // what is gone from the source then stays as it is
		}
		s.find(severity, s.job.To, need.hint, "connection %s has no call %s for records of kind %s", s.job.To, need.op, kind)
	}
}

// owners checks that the target tells of its staff, where people are sent with
// an owner.
func (s *syncCheck) owners(target *adapters.Conn) {
	if s.job.Sync.Owner == "ignore" || target.Has(sdk.AbilityStaffLister) || target.Has(sdk.AbilityStaffFinder) {
		return
	}
	switch {
	case s.job.Sync.Owner == "required" && s.people():
		s.find(config.SeverityError, s.job.To, "add one of the calls to the connection, or write  owner: optional",
			"nobody is sent without an owner (owner: required), and connection %s has neither a call that lists staff nor one that finds them by e-mail", s.job.To)
	case slices.Contains(s.job.Kinds, sdk.KindStaff):
		s.find(config.SeverityWarning, s.job.To, "write  owner: ignore , or leave staff out of the kinds and link them by hand",
			"owners need the target's staff, and connection %s can neither list nor find them", s.job.To)
	}
}

// matching checks that the target searches for people, where they are matched
// before they are created.
func (s *syncCheck) matching(target *adapters.Conn) {
	searches := len(pipeline.MatchFields(s.job.Sync.Match)) > 0
	if searches && s.people() && !target.Has(sdk.AbilityFinder) {
		s.find(config.SeverityError, s.job.To, "add the call to the connection, or leave  match  out of the job",
			"people are matched before they are created, and connection %s has no call that finds them: it lacks the ability %s", s.job.To, sdk.AbilityFinder)
	}
}

// people reports whether the job handles people.
func (s *syncCheck) people() bool {
	return slices.Contains(s.job.Kinds, sdk.KindProspect) || slices.Contains(s.job.Kinds, sdk.KindMember)
}

// leadSources checks what the target can do with lead sources: to list and to
// create them are two calls of which one may be missing, and without update they
// are never changed (seed document, "Lead Source Synchronization").
func (s *syncCheck) leadSources(info sdk.TargetInfo, target *adapters.Conn) {
	written, _ := info.Kind(sdk.KindLeadSource)
	lists, creates := target.Has(sdk.AbilityLeadSourceLister), written.Can(sdk.OpCreate)
	option := s.job.Sync.LeadSources
	const or = "add the call to the connection, or write  lead_sources: "
	switch {
	case option == "ignore":
		return
	case option == "match" && !lists:
		s.find(config.SeverityError, s.job.To, or+"ignore", "lead sources are matched by name, and connection %s has no call that lists them", s.job.To)
		return
	case option == "match":
		return
	case !lists && !creates:
		s.find(config.SeverityError, s.job.To, or+"ignore",
			"lead sources are to be created (lead_sources: create), and connection %s has neither a call create nor one that lists them", s.job.To)
		return
	case !lists:
		s.find(config.SeverityWarning, s.job.To, "write  lead_sources: ignore , or link them by hand",
			"lead sources that the target has already cannot be matched: connection %s cannot list them", s.job.To)
	case !creates:
		s.find(config.SeverityWarning, s.job.To, or+"match",
			"connection %s has no call create for lead sources: people are sent without one that the target does not have", s.job.To)
	}
	if creates && s.job.Sync.OnMatch && !written.Can(sdk.OpUpdate) {
		s.find(config.SeverityWarning, s.job.To, "do not rename lead sources, or rename them on both sides",
			"connection %s has no call update for lead sources: one that is renamed keeps its name there", s.job.To)
	}
}

// connectionOf finds a connection by its ref.
func connectionOf(cfg *config.Config, ref string) (roster.Connection, bool) {
	for _, account := range cfg.Accounts {
		for _, c := range account.Connections {
			if c.Ref == ref {
				return c, true
			}
		}
	}
	return roster.Connection{}, false
}
