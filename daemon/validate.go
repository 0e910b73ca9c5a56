package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func (c *cli) validateCommand() *cobra.Command {
	var strict, fields bool
	cmd := &cobra.Command{
		Use: "validate", Short: "Check the configuration, the scripts and the adapters' settings", Args: exactly(),
		Long: `Check the configuration with everything it names: scripts, schedules, and each
connection's settings against its adapter's schema. Every fault is shown at once
with its place. What cannot be known here, as a secret that only the service is
given, is a warning. The connections of a sync are asked whether they can do what
the job needs, and the target which fields it has: one that its script fills and
that it does not have is a warning, or one that looks mistyped where the target does
not tell. Nobody outside is called, but with --fields: then each job's
connections are asked for their fields, and those that the scripts name are
compared with them. Of each job with a schedule the next five times are shown, in
the account's zone.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, cfg, err := c.findings(cmd.Context(), fields)
			if err != nil {
				return err
			}
			return c.showFindings(findings, cfg, strict)
		},
	}
	cmd.Flags().BoolVar(&fields, "fields", false, "ask the connections for their fields, and find unknown ones in the scripts")
	cmd.Flags().BoolVar(&strict, "strict", false, "take warnings for faults")
	return cmd
}

// findings checks everything. cfg is nil when the file itself has faults.
func (c *cli) findings(ctx context.Context, fields bool) ([]config.Fault, *config.Config, error) {
	cfg, err := c.load(!fields)
	if faults, ok := errors.AsType[*config.Faults](err); ok {
		return faults.List, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	findings := slices.Clone(cfg.Warnings)
	var known map[string]mapping.KnownFields
	if !fields {
		if known, err = c.fieldsOfSyncs(ctx, cfg); err != nil {
			return nil, nil, err
		}
	} else {
		var unknown []config.Fault
		if known, unknown, err = c.fieldsOfScripts(ctx, cfg); err != nil {
			return nil, nil, err
		}
		findings = append(findings, unknown...)
	}
	findings = append(findings, scriptFindings(cfg, known)...)
	fromAdapters, err := adapterFindings(ctx, cfg, c.withSecrets())
	return append(findings, fromAdapters...), cfg, err
}

// withSecrets is the configuration as the service has it; nil where a secret is
// not known here, which is a warning of its own.
func (c *cli) withSecrets() *config.Config {
	cfg, err := c.load(false)
	if err != nil {
		return nil
	}
	return cfg
}

// fieldsOfScripts asks the connections of every job for their fields. A script
// of several jobs may name what one of them has. The findings tell which jobs
// could not be asked; nothing is known of the fields of their scripts.
func (c *cli) fieldsOfScripts(ctx context.Context, cfg *config.Config) (map[string]mapping.KnownFields, []config.Fault, error) {
	known := map[string]mapping.KnownFields{}
	var findings []config.Fault
	err := c.withConnections(cfg, func(p view) error {
		for _, job := range cfg.Jobs {
			fields, err := p.fieldsOf(ctx, job)
			if err != nil {
				findings = append(findings, fieldsUnknown(cfg, job, err))
				fields = jobFields{}
			}
			if len(fields.undeclared) > 0 {
				findings = append(findings, fieldsUndeclared(cfg, job, fields.undeclared))
			}
			know(known, job, fields)
		}
		return nil
	})
	return known, findings, err
}

// know adds what is known of the fields of a job to that of its script.
func know(known map[string]mapping.KnownFields, job roster.Job, fields jobFields) {
	names := fields.known()
	if before, ok := known[job.Mapping]; ok {
		names.Source, names.Target, names.Usual = both(before.Source, names.Source), both(before.Target, names.Target), both(before.Usual, names.Usual)
	}
	known[job.Mapping] = names
}

// fieldsOfSyncs asks the targets of syncs for the fields that they declare, which
// nobody outside is called for.
func (c *cli) fieldsOfSyncs(ctx context.Context, cfg *config.Config) (map[string]mapping.KnownFields, error) {
	known := map[string]mapping.KnownFields{}
	if !slices.ContainsFunc(cfg.Jobs, func(job roster.Job) bool { return job.Type == roster.JobSync }) {
		return known, nil
	}
	whole := c.withSecrets()
	if whole == nil {
		whole = cfg
	}
	err := c.withConnections(whole, func(p view) error {
		for _, job := range whole.Jobs {
			var fields jobFields
			if job.Type == roster.JobSync {
				var err error
				if fields.target, fields.undeclared, err = p.syncTargetFields(ctx, job, false); err != nil {
					return err
				}
				fields.usual = usualFields(job)
			}
			know(known, job, fields)
		}
		return nil
	})
	return known, err
}

func fieldsUnknown(cfg *config.Config, job roster.Job, err error) config.Fault {
	hint := "ask again when the system answers, or leave out --fields"
	if f, ok := errors.AsType[*roster.Fault](err); ok && f.Hint != "" {
		hint = f.Hint
	}
	return config.Fault{
		Severity: config.SeverityWarning, Code: "script.fields_unknown", File: cfg.Path,
		Message: fmt.Sprintf("the fields that %s names were not compared with those of job %s: %v", job.Mapping, job.Ref, err), Hint: hint,
	}
}

// fieldsUndeclared says that a script was compared in part only.
func fieldsUndeclared(cfg *config.Config, job roster.Job, kinds []sdk.Kind) config.Fault {
	return config.Fault{
		Severity: config.SeverityWarning, Code: "script.fields_unknown", File: cfg.Path,
		Message: fmt.Sprintf("job %s: connection %s does not tell which fields its records of kind %s have: of those that %s fills only the likely mistyped are found",
			job.Ref, job.To, join(kinds), job.Mapping),
		Hint: "where the connection can declare them, as by `fields` in a file of the adapter rest, name them there",
	}
}

// both joins two lists of names; what is unknown in one is unknown in both.
func both(a, b []string) []string {
	if a == nil || b == nil {
		return nil
	}
	return append(a, b...)
}

// scriptFindings checks each script once.
func scriptFindings(cfg *config.Config, known map[string]mapping.KnownFields) []config.Fault {
	var findings []config.Fault
	seen := map[string]bool{}
	for _, job := range cfg.Jobs {
		if seen[job.Mapping] || job.Mapping == "" {
			continue
		}
		seen[job.Mapping] = true
		found, err := mapping.FindingsOf(cfg.ScriptsDir, job.Mapping, known[job.Mapping])
		if err != nil {
			findings = append(findings, config.Fault{
				Severity: config.SeverityError, Code: config.CodeScript, File: job.Mapping, Message: err.Error(),
			})
			continue
		}
		for _, f := range found {
			findings = append(findings, scriptFinding(f))
		}
	}
	return findings
}

func scriptFinding(f mapping.Finding) config.Fault {
	fault := config.Fault{
		Severity: config.Severity(f.Severity), Code: config.Code(f.Code), File: f.File,
		Line: f.Line, Column: f.Column, Message: f.Message, Hint: f.Hint,
	}
	if fault.Line > 0 {
		// Where only the line is known, the place is its beginning.
		fault.Column = max(fault.Column, 1)
	}
	return fault
}

// adapterFindings starts the adapters and checks each connection's settings, and,
// where whole has the secrets too, what the connections of syncs can do.
func adapterFindings(ctx context.Context, cfg, whole *config.Config) (findings []config.Fault, err error) {
	err = withHost(cfg, func(host *adapters.Host) error {
		for _, id := range slices.Sorted(maps.Keys(cfg.Accounts)) {
			connections := cfg.Accounts[id].Connections
			for _, key := range slices.Sorted(maps.Keys(connections)) {
				findings = append(findings, checkConnection(ctx, cfg, host, connections[key])...)
			}
		}
		if whole != nil {
			findings = append(findings, syncFindings(ctx, whole, host)...)
		}
		return nil
	})
	return findings, err
}

func checkConnection(ctx context.Context, cfg *config.Config, host *adapters.Host, conn roster.Connection) []config.Fault {
	if conn.Adapter == roster.AdapterInbound {
		return inboundFindings(cfg, conn)
	}
	info, err := host.Describe(ctx, conn.Adapter)
	switch {
	case errors.Is(err, adapters.ErrNotInstalled):
		// A file may be checked away from its machine: then no adapter is there.
		severity := config.SeverityWarning
		if _, err := os.Stat(cfg.Plugins.Dir); err == nil {
			severity = config.SeverityError
		}
		return []config.Fault{config.AtAdapter(cfg, conn.Ref, config.Fault{
			Severity: severity, Code: "adapter.not_installed", File: cfg.Path,
			Message: fmt.Sprintf("connection %s: %v; its settings were not checked", conn.Ref, err),
			Hint:    "a job that uses the connection fails: put the program into plugins.dir, or correct plugins.dir or the connection's adapter",
		})}
	case err != nil:
		f := asFault(connectionFault(conn.Ref, err))
		return []config.Fault{config.AtAdapter(cfg, conn.Ref, config.Fault{
			Severity: config.SeverityError, Code: config.Code(f.Code), File: cfg.Path, Message: f.Message, Hint: f.Hint,
		})}
	}
	return config.CheckSettings(cfg, conn.Ref, info.Settings)
}

func (c *cli) showFindings(findings []config.Fault, cfg *config.Config, strict bool) error {
	faults := 0
	for _, f := range findings {
		if f.Severity == config.SeverityError || strict {
			faults++
		}
	}
	if c.json {
		jobs := []jobTimes{}
		if cfg != nil {
			jobs = upcoming(cfg, time.Now())
		}
		c.print(map[string]any{
			"command": "validate", "ok": faults == 0,
			"result": map[string]any{"findings": append([]config.Fault{}, findings...), "jobs": jobs}, "error": nil,
		})
	} else {
		for _, f := range findings {
			fmt.Fprintf(c.stdout, "%s\n", f)
		}
		c.showVerdict(faults, cfg)
	}
	if faults > 0 {
		return &endError{code: exitConfig}
	}
	return nil
}

func (c *cli) showVerdict(faults int, cfg *config.Config) {
	if faults > 0 {
		fmt.Fprintf(c.stdout, "%s: %s\n", c.configFile(), counted(faults, "fault"))
		return
	}
	fmt.Fprintf(c.stdout, "%s is valid: %s, %s\n", cfg.Path, counted(len(cfg.Accounts), "account"), counted(len(cfg.Jobs), "job"))
	for _, job := range upcoming(cfg, time.Now()) {
		var times []string
		for _, slot := range job.Next {
			text := slot.At.Format(dueFormat)
			if slot.Sweep {
				text += " (sweep)"
			}
			times = append(times, text)
		}
		fmt.Fprintf(c.stdout, "  %s  %s next: %s\n", job.Job, job.words(), strings.Join(times, ", "))
	}
}

// dueFormat is how due times are shown to people.
const dueFormat = "Mon 2006-01-02 15:04 MST"

// jobTimes is when a job is due.
type jobTimes struct {
	Job      string     `json:"job"`
	Schedule string     `json:"schedule"`
	Sweep    string     `json:"sweep,omitempty"`
	Timezone string     `json:"timezone"`
	Next     []slotTime `json:"next"`
}

type slotTime struct {
	At    time.Time `json:"at"`
	Sweep bool      `json:"sweep,omitempty"`
}

// words are the job's schedules as they are written.
func (j jobTimes) words() string {
	text := strconv.Quote(j.Schedule)
	if j.Sweep != "" {
		text += " sweep " + strconv.Quote(j.Sweep)
	}
	return text
}

// shownTimes is how many due times of a job are shown: enough to see what a cron
// line means.
const shownTimes = 5

// upcoming tells of each job that a schedule starts when it is due next, in its
// account's zone.
func upcoming(cfg *config.Config, now time.Time) []jobTimes {
	jobs := []jobTimes{}
	for _, job := range cfg.Jobs {
		t, err := timed(job)
		if err != nil {
			continue // a fault of the configuration, which is shown as one
		}
		times := jobTimes{Job: job.Ref, Schedule: job.Schedule, Sweep: job.Sync.Sweep, Timezone: job.Location.String()}
		for _, slot := range t.Upcoming(now, shownTimes) {
			times.Next = append(times.Next, slotTime{At: slot.At.In(job.Location), Sweep: slot.Sweep})
		}
		if times.Next != nil {
			jobs = append(jobs, times)
		}
	}
	return jobs
}
