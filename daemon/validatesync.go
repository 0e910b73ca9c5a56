package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
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
		Severity: severity, Code: "job.target", File: s.cfg.Path, Hint: hint,
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

// kind checks one kind of the job. Staff are associated and lead sources may be,
// with what the target lists of them.
func (s *syncCheck) kind(kind sdk.Kind, info sdk.TargetInfo, target *adapters.Conn) {
	options := s.job.Sync
	switch {
	case kind == sdk.KindStaff:
		if options.Owner != "ignore" && !target.Has(sdk.AbilityStaffLister) && !target.Has(sdk.AbilityStaffFinder) {
			s.find(config.SeverityWarning, s.job.To, "write  owner: ignore , or leave staff out of the kinds and link them by hand",
				"owners need the target's staff, and connection %s can neither list nor find them", s.job.To)
		}
		return
	case kind == sdk.KindLeadSource && options.LeadSources == "ignore":
		return
	case kind == sdk.KindLeadSource && !target.Has(sdk.AbilityLeadSourceLister):
		s.find(config.SeverityWarning, s.job.To, "write  lead_sources: ignore , or link them by hand",
			"lead sources that the target has already cannot be matched: connection %s cannot list them", s.job.To)
	}
	if kind == sdk.KindLeadSource && options.LeadSources == "match" {
		return
	}
	written, ok := info.Kind(kind)
	if !ok {
		s.find(config.SeverityError, s.job.To, "leave the kind out of the job's kinds, or add its calls to the connection",
			"connection %s does not write records of kind %s", s.job.To, kind)
		return
	}
	s.calls(kind, written)
}

// calls checks that the target has the operations that the job asks for.
func (s *syncCheck) calls(kind sdk.Kind, written sdk.TargetKind) {
	options := s.job.Sync
	type need struct {
		op     sdk.Op
		wanted bool
		hint   string
	}
	needs := []need{
		{sdk.OpCreate, options.OnMissing, "add the call to the connection, or write  on_missing: ignore"},
		{sdk.OpUpdate, options.OnMatch, "add the call to the connection, or write  on_match: ignore"},
	}
	if kind != sdk.KindLeadSource {
		needs = append(needs,
			need{sdk.OpDeactivate, options.OnGone == "deactivate", "add the call to the connection, or write  on_gone: ignore"},
			need{sdk.OpDelete, options.OnGone == "delete", "add the call to the connection, or write  on_gone: ignore"})
	}
	for _, n := range needs {
		if !n.wanted || written.Can(n.op) {
			continue
		}
		severity := config.SeverityError
		if n.op == sdk.OpDeactivate {
			severity = config.SeverityWarning // what is gone from the source then stays as it is
		}
		s.find(severity, s.job.To, n.hint, "connection %s has no call %s for records of kind %s", s.job.To, n.op, kind)
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
