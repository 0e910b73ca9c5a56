package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/schedule"
	"github.com/rosterd/rosterd/internal/systemd"
)

// The codes of configurations that are not taken over.
const (
	codeReloadFaults  = "reload.faults"
	codeReloadRestart = "reload.restart"
)

func (c *cli) reloadCommand() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use: "reload", Short: "Have the running daemon take over the changed configuration", Args: exactly(),
		Long: `Have the running daemon read its configuration again and run with it. Runs under
way end with the configuration that they began with. A configuration in which
` + "`rosterd validate`" + ` finds a fault changes nothing: its faults are shown with their
places, and exit code 78. Keys that need a restart, such as state_dir and listen,
are named and change nothing either. SIGHUP does the same.`,
		Example: "  rosterd reload --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.daemon()
			if err != nil {
				return err
			}
			report, err := client.Reload(cmd.Context(), dry)
			if err != nil {
				return reloadRefused(err)
			}
			c.showReload(report)
			return nil
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only show what would change")
	return cmd
}

// reloadRefused shows the findings of a refused configuration like those of one
// that was read here.
func reloadRefused(err error) error {
	p, ok := errors.AsType[*admin.Problem](err)
	if !ok || len(p.Findings) == 0 {
		return err
	}
	return &config.Faults{List: faultsOf(p.Findings)}
}

func faultsOf(findings []admin.ConfigFinding) []config.Fault {
	faults := make([]config.Fault, 0, len(findings))
	for _, f := range findings {
		faults = append(faults, config.Fault{
			Severity: config.Severity(f.Severity), Code: config.Code(f.Code), Message: f.Message, File: f.File,
			Line: f.Line, Column: f.Column, Hint: f.Hint, Excerpt: f.Excerpt,
		})
	}
	return faults
}

func (c *cli) showReload(report admin.ReloadReport) {
	if c.json {
		c.print(report)
		return
	}
	for _, f := range faultsOf(report.Warnings) {
		fmt.Fprintf(c.stdout, "%s\n", f)
	}
	for _, change := range report.Changes {
		sign := map[string]string{"added": "+", "removed": "-", "changed": "~"}[change.Change]
		fmt.Fprintf(c.stdout, "%s %s %s\n", sign, change.What, change.Name)
	}
	switch n := len(report.Changes); {
	case n == 0:
		fmt.Fprintln(c.stdout, "the configuration has not changed")
	case report.Applied:
		fmt.Fprintf(c.stdout, "the daemon runs with the new configuration: %s\n", counted(n, "change"))
	default:
		fmt.Fprintf(c.stdout, "%s would be taken over; run `rosterd reload` without --dry-run\n", counted(n, "change"))
	}
}

// Reload reads the configuration again and runs with it, unless dry.
func (o operations) Reload(ctx context.Context, dry bool) (admin.ReloadReport, error) {
	p := o.p
	p.reloading.Lock()
	defer p.reloading.Unlock()
	next, report, err := p.compare(ctx)
	if dry {
		return report, err
	}
	if err != nil {
		p.refused(err)
		return report, err
	}
	loop, err := p.loop(next)
	if err != nil {
		return report, err
	}
	pushed, err := p.inbound.after(p, p.now().cfg, next)
	if err != nil {
		p.refused(err)
		return report, err
	}
	if p.manager != nil {
		tell(p.log, p.manager.Reloading())
		defer func() { tell(p.log, p.manager.Ready(p.statusText(ctx))) }()
	}
	made, before := newSetup(next), p.now().cfg
	p.current.Store(made)
	p.runner.SetJobs(made.jobs)
	p.inbound.current.Store(pushed)
	p.subscribed.Clear()
	p.unloaded.Store(nil)
	p.metrics.ConfigRead(time.Now(), true)
	if !reflect.DeepEqual(before.Alerts, next.Alerts) {
		select {
		case p.realert <- struct{}{}:
		default: // the next watch is not made yet
		}
	}
	// Whoever asked may be gone meanwhile; half of it is not taken over.
	handing, done := context.WithTimeout(context.WithoutCancel(ctx), handTime)
	defer done()
	select {
	case p.loops <- loop:
	case <-handing.Done():
		return report, roster.ErrStopping
	}
	report.Applied = true
	p.log.Info("configuration reloaded", "changes", len(report.Changes), "jobs", len(next.Jobs))
	return report, nil
}

// handTime is how long the schedule may take to take over another one. It is not
// there any more when the daemon stops.
const handTime = 10 * time.Second

// compare reads the configuration and tells what it changes.
func (p *parts) compare(ctx context.Context) (*config.Config, admin.ReloadReport, error) {
	var report admin.ReloadReport
	before := p.now().cfg
	next, err := config.Load(before.Path, config.Options{Getenv: p.getenv})
	if faults, ok := errors.AsType[*config.Faults](err); ok {
		return nil, report, refusal(before.Path, faults.List)
	}
	if err != nil {
		return nil, report, err
	}
	changes, fixed := config.Compare(before, next)
	for _, c := range changes {
		report.Changes = append(report.Changes, admin.ReloadChange{What: c.What, Name: c.Name, Change: c.How})
	}
	if len(fixed) > 0 {
		return nil, report, &admin.Problem{
			Status: http.StatusUnprocessableEntity, Type: "urn:rosterd:problem:" + codeReloadRestart, Title: "A restart is needed",
			Code: codeReloadRestart, Detail: "a running daemon cannot change " + strings.Join(fixed, ", ") + ", and nothing was changed",
			Hint: "restart it with `systemctl restart rosterd`, or put the old values back; runs go on where they are",
		}
	}
	findings, err := validated(ctx, before.Path)
	if err != nil {
		return nil, report, err
	}
	if slices.ContainsFunc(findings, func(f config.Fault) bool { return f.Severity == config.SeverityError }) {
		return nil, report, refusal(before.Path, findings)
	}
	report.Warnings = findingsOf(findings)
	return next, report, nil
}

func refusal(path string, faults []config.Fault) *admin.Problem {
	n := 0
	for _, f := range faults {
		if f.Severity == config.SeverityError {
			n++
		}
	}
	return &admin.Problem{
		Status: http.StatusUnprocessableEntity, Type: "urn:rosterd:problem:" + codeReloadFaults, Title: "The configuration has faults",
		Code: codeReloadFaults, Detail: fmt.Sprintf("%s has %s, and the daemon goes on with what it has", path, counted(n, "fault")),
		Hint: "mend them, check with `rosterd validate`, and reload again", Findings: findingsOf(faults),
	}
}

func findingsOf(faults []config.Fault) []admin.ConfigFinding {
	var out []admin.ConfigFinding
	for _, f := range faults {
		out = append(out, admin.ConfigFinding{
			Severity: string(f.Severity), Code: string(f.Code), Message: f.Message, File: f.File, Line: f.Line, Column: f.Column,
			Hint: f.Hint, Excerpt: f.Excerpt,
		})
	}
	return out
}

// refused keeps what is wrong with a configuration for the status.
func (p *parts) refused(err error) {
	finding := &admin.Finding{
		Code: codeReloadFaults, Message: "the configuration file was not taken over at " + time.Now().UTC().Format(time.RFC3339) + ": " + err.Error(),
		Command: "rosterd reload --dry-run",
	}
	if problem, ok := errors.AsType[*admin.Problem](err); ok {
		finding.Code, finding.Hint = problem.Code, problem.Hint
		finding.Message = "the configuration file is not the one that the daemon runs with: " + problem.Detail
	}
	p.unloaded.Store(finding)
	p.metrics.ConfigRead(time.Now(), false)
	p.log.Error("configuration not reloaded; the daemon goes on with the one that it has", "code", finding.Code, "err", finding.Message)
}

// unloadedProblem tells of a configuration that was not taken over.
func (p *parts) unloadedProblem() []admin.Finding {
	if f := p.unloaded.Load(); f != nil {
		return []admin.Finding{*f}
	}
	return nil
}

// reloadBySignal reloads as the API does, and writes it down. What is wrong is
// logged, and shown by the status.
func (p *parts) reloadBySignal(ctx context.Context) {
	seq, err := p.account.Begin("a signal", "reload", nil, "")
	if err != nil {
		p.log.Error("the configuration is not reloaded: that cannot be written down", "err", err)
		return
	}
	code := ""
	if _, err := (operations{p}).Reload(ctx, false); err != nil {
		code = asFault(err).Code
		if problem, ok := errors.AsType[*admin.Problem](err); ok {
			code = problem.Code
		}
	}
	if err := p.account.End(seq, 0, code); err != nil {
		p.log.Error("the outcome of a reload is not in the audit log", "entry", seq, "err", err)
	}
}

// reloadOnHangup reloads at each SIGHUP until ctx ends.
func (p *parts) reloadOnHangup(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			p.reloadBySignal(ctx)
		}
	}
}

// scheduling runs the schedule, and another one at each reload, until ctx ends.
func (p *parts) scheduling(ctx context.Context, loop *schedule.Loop) error {
	for {
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- loop.Run(running) }()
		select {
		case err := <-ended:
			stop()
			return err
		case loop = <-p.loops:
			stop()
			if err := <-ended; err != nil {
				return err
			}
		}
	}
}

// probePath is where the public listener proves to be this daemon's.
const probePath = "/probe/"

// probed answers a nonce in front of the export protocol.
func (p *parts) probed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nonce, ok := strings.CutPrefix(r.URL.Path, probePath)
		if !ok || r.Method != http.MethodGet || len(nonce) > maxNonce {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintln(w, p.probeAnswer(nonce))
	})
}

const maxNonce = 64

// Probe answers a nonce as the public listener does.
func (o operations) Probe(_ context.Context, nonce string) (string, error) {
	return o.p.probeAnswer(nonce), nil
}

// probeAnswer is what only this process can answer to a nonce.
func (p *parts) probeAnswer(nonce string) string {
	mac := hmac.New(sha256.New, p.probeKey[:])
	mac.Write([]byte(nonce))
	return hex.EncodeToString(mac.Sum(nil))
}

// tellManager has the service manager told of reloads.
func (p *parts) tellManager(manager *systemd.Notifier) { p.manager = manager }

// Reload is refused.
func (atRest) Reload(context.Context, bool) (admin.ReloadReport, error) {
	return admin.ReloadReport{}, errNoDaemon("reloading the configuration")
}

// Probe is refused.
func (atRest) Probe(context.Context, string) (string, error) {
	return "", errNoDaemon("probing the public address")
}
