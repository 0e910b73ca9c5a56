package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/alerts"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/metrics"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// The facets of what is told of.
const (
	facetRun     = "run"
	facetParked  = "parked"
	facetStale   = "stale"
	facetAdapter = "adapter"
	facetDisk    = "disk"
)

// receiversOf are the receivers of a configuration.
func receiversOf(cfg *config.Config) []alerts.Receiver {
	out := make([]alerts.Receiver, 0, len(cfg.Alerts.Receivers))
	for _, r := range cfg.Alerts.Receivers {
		to := alerts.Receiver{Name: r.Name, On: r.On, Account: r.Account}
		if e := r.Email; e != nil {
			to.Type = "email"
			to.Sender = alerts.Email{Host: e.Host, Port: e.Port, TLS: e.TLS, Username: e.Username, Password: e.Password, From: e.From, To: e.To}
		} else {
			to.Type, to.Sender = "webhook", alerts.Webhook{URL: r.Webhook.URL, Key: r.Webhook.Key}
		}
		out = append(out, to)
	}
	return out
}

// alerting is the watch that tells people; it has nothing to do without
// receivers, but to forget those that are gone.
func (p *parts) alerting() *alerts.Watch {
	cfg := p.now().cfg
	return &alerts.Watch{
		Receivers: receiversOf(cfg), Repeat: cfg.Alerts.Repeat, Origin: cfg.PublicURL, Store: p.store,
		View: p.conditions, Wake: p.look, Now: time.Now, NewID: func() string { return newID(time.Now()) }, Log: p.log,
		Told: func(receiver string, result alerts.Result) { p.metrics.Alerted(receiver, metrics.AlertResult(result)) },
	}
}

// alert tells people until ctx ends, and anew whenever a reload has changed whom.
// What was told stands in the store, so that another watch does not say it again.
func (p *parts) alert(ctx context.Context) {
	for ctx.Err() == nil {
		watching, stop := context.WithCancel(ctx)
		var watch sync.WaitGroup
		w := p.alerting()
		watch.Go(func() { w.Run(watching) })
		select {
		case <-ctx.Done():
		case <-p.realert:
		}
		stop()
		watch.Wait()
	}
}

// conditions are how everything stands that people can be told of.
func (p *parts) conditions(ctx context.Context) ([]alerts.Condition, error) {
	if len(p.now().cfg.Alerts.Receivers) == 0 {
		return nil, nil
	}
	sessions, err := p.store.Sessions(ctx, roster.SessionFilter{Open: true})
	if err != nil {
		return nil, err
	}
	waiting := map[string]int{}
	for _, s := range sessions {
		if s.State == roster.SessionParked {
			waiting[s.Job]++
		}
	}
	jobs, err := p.jobPictures(ctx)
	if err != nil {
		return nil, err
	}
	out := append(p.adapterConditions(), p.diskCondition())
	for _, pic := range jobs {
		pic.waiting = waiting[pic.Ref]
		for _, c := range []alerts.Condition{pic.run(), pic.parked(), pic.stale()} {
			c.Subject, c.Account = pic.Ref, pic.job.Account
			out = append(out, c)
		}
	}
	return out, nil
}

// run is how the last run ended. A fault is told by its code: its text is for
// those who may see the daemon.
func (pic jobPicture) run() alerts.Condition {
	c := alerts.Condition{Facet: facetRun, Summary: "no run has come to an end"}
	if pic.last == nil {
		return c
	}
	run := *pic.last
	code := ""
	if run.Fault != nil {
		code = " (" + run.Fault.Code + ")"
	}
	c.Summary, c.Command = "its last run is ok", ""
	switch run.State {
	case roster.RunFailed:
		c.State, c.Summary = "failed", fmt.Sprintf("its last run failed%s with %d records read", code, run.Counts.Read)
	case roster.RunBlocked:
		c.State, c.Summary = "blocked", fmt.Sprintf("its last run was stopped%s with %d records read; nothing was written", code, run.Counts.Read)
	case roster.RunPartial:
		c.State, c.Summary = "partial", fmt.Sprintf("its last run left %d of %d records behind", leftBehind(run.Counts), run.Counts.Read)
	default:
		return c
	}
	c.Command = "rosterd runs " + run.ID
	return c
}

// parked is what of a job waits for a person.
func (pic jobPicture) parked() alerts.Condition {
	c := alerts.Condition{Facet: facetParked, Summary: "nothing of it waits for a person"}
	var what []string
	if pic.Parked > 0 {
		what = append(what, counted(pic.Parked, "create"))
	}
	if pic.waiting > 0 {
		what = append(what, counted(pic.waiting, "session"))
	}
	if len(what) > 0 {
		c.State, c.Summary, c.Command = "parked", strings.Join(what, " and ")+" of it wait for a person", "rosterd status"
	}
	return c
}

// stale is whether the schedule of a job is kept.
func (pic jobPicture) stale() alerts.Condition {
	c := alerts.Condition{Facet: facetStale, Summary: "its schedule is kept"}
	if !pic.Stale {
		return c
	}
	last := "no run has delivered"
	if !pic.LastDelivered.IsZero() {
		last = "its last run that delivered ended at " + pic.LastDelivered.UTC().Format(time.RFC3339)
	}
	c.State, c.Command = "stale", "rosterd status"
	c.Summary = fmt.Sprintf("%s, and one is due for %s", last, pic.Lag.Truncate(time.Minute))
	return c
}

func (p *parts) adapterConditions() []alerts.Condition {
	parked := map[string]int{}
	for _, h := range p.host.Health() {
		if h.Parked {
			parked[h.Name] = h.Ends
		}
	}
	var out []alerts.Condition
	for _, name := range p.usedAdapters() {
		c := alerts.Condition{Subject: name, Facet: facetAdapter, Summary: "the adapter can be used"}
		if ends, ok := parked[name]; ok {
			c.State, c.Command = "adapter_parked", "journalctl -u rosterd"
			c.Summary = fmt.Sprintf("the adapter has ended %d times and is not started again", ends)
		}
		out = append(out, c)
	}
	return out
}

func (p *parts) diskCondition() alerts.Condition {
	c := alerts.Condition{Subject: "state_dir", Facet: facetDisk, Summary: "the disk has room"}
	dir := p.now().cfg.StateDir
	if err := store.CheckRoom(dir); err != nil {
		c.State, c.Summary, c.Command = "disk", "its disk cannot be used; no run is started", "rosterd status"
		if free, _, err2 := store.Disk(dir); err2 == nil && errors.Is(err, syscall.ENOSPC) {
			c.Summary = fmt.Sprintf("its disk has %d MiB free, which are kept for what must still be stored; no run is started", free>>20)
		}
	}
	return c
}

// testAlerts sends a test message to one receiver, or to all.
func testAlerts(ctx context.Context, cfg *config.Config, name string) ([]admin.AlertTest, error) {
	receivers := receiversOf(cfg)
	if name != "" {
		receivers = slices.DeleteFunc(receivers, func(r alerts.Receiver) bool { return r.Name != name })
	}
	if len(receivers) == 0 {
		return nil, errors.Join(noReceiver(name), roster.ErrNotFound)
	}
	tests := make([]admin.AlertTest, len(receivers))
	var sending sync.WaitGroup
	for i, r := range receivers {
		tests[i] = admin.AlertTest{Receiver: r.Name, Type: r.Type}
		sending.Go(func() {
			err := alerts.Test(ctx, r, cfg.PublicURL, strings.ToLower(rand.Text()), time.Now())
			tests[i].OK = err == nil
			if err != nil {
				tests[i].Fault = asFault(err)
			}
		})
	}
	sending.Wait()
	return tests, nil
}

func noReceiver(name string) error {
	f := &roster.Fault{
		Code: "receiver.not_found", Message: "the configuration has no receivers of alerts", Hint: "add them below  alerts.receivers  and have a running daemon take them over with `rosterd reload`",
	}
	if name != "" {
		f.Message = fmt.Sprintf("alerts have no receiver %q", name)
		f.Hint = "the receivers are those below  alerts.receivers  in the configuration"
	}
	return f
}

// TestAlerts sends test messages.
func (o operations) TestAlerts(ctx context.Context, receiver string) ([]admin.AlertTest, error) {
	return testAlerts(ctx, o.p.now().cfg, receiver)
}

func (c *cli) alertsCommand() *cobra.Command {
	var receiver string
	test := &cobra.Command{
		Use: "test", Short: "Send a test message to the receivers of alerts", Args: exactly(),
		Long: `Send a test message to the receivers below alerts.receivers in the configuration,
and say what came of each. The running daemon sends it, as it sends alerts; where
none runs, this command does.

Exits 0 when every receiver has taken it, 1 when there is no such receiver, and 69
when one has not taken it.`,
		Example: `  rosterd alerts test
  rosterd alerts test --receiver ops`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tests, err := c.sendTests(cmd.Context(), receiver)
			if err != nil {
				return err
			}
			return c.showTests(tests)
		},
	}
	test.Flags().StringVar(&receiver, "receiver", "", "only this receiver")
	return group("alerts", "Tell people when something begins to need them", test)
}

func (c *cli) sendTests(ctx context.Context, receiver string) ([]admin.AlertTest, error) {
	client, err := c.daemon()
	if err != nil {
		return nil, err
	}
	tests, err := client.TestAlerts(ctx, receiver)
	if !errors.Is(err, admin.ErrUnreachable) {
		return tests, err
	}
	cfg, err := c.load(false)
	if err != nil {
		return nil, err
	}
	return testAlerts(ctx, cfg, receiver)
}

func (c *cli) showTests(tests []admin.AlertTest) error {
	lost := slices.ContainsFunc(tests, func(t admin.AlertTest) bool { return !t.OK })
	if c.json {
		c.print(tests)
	} else {
		c.table("RECEIVER\tTYPE\tTEST", func(line func(...any)) {
			for _, t := range tests {
				result := "taken"
				if !t.OK {
					result = "not taken"
				}
				line(t.Receiver, t.Type, result)
			}
		})
		for _, t := range tests {
			if t.Fault != nil {
				fmt.Fprintf(c.stdout, "! %s: %s\n    %s\n", t.Receiver, t.Fault.Message, t.Fault.Hint)
			}
		}
	}
	if lost {
		return &endError{code: exitUnavailable}
	}
	return nil
}
