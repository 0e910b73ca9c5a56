package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
)

// logView is what of the record log is shown.
type logView struct {
	filter      admin.LogFilter
	level       string
	since       string
	all, follow bool
}

func (c *cli) logCommand() *cobra.Command {
	var v logView
	cmd := &cobra.Command{
		Use: "log", Short: "Show what became of every record", Args: exactly(),
		Long: `Show what became of records, a line each, the latest last: INFO of one that arrived,
WARNING of one that arrived with something missing, as its owner, ERROR of one that
did not arrive, with why. Records that are as they were have no line. The time is
that of the record's club, or of its account where it has none. The ids of records
may be e-mail addresses: mind where you print them.

--since takes how long ago (24h, 7d), a day (2026-11-29), a minute ("2026-11-29
14:00") or a time with its zone (2026-11-29T14:00:00Z). A day is one of the named
club or account, or of the only account that is configured, and else of this machine.

With --json each line is a JSON object. ` + "`rosterd explain`" + ` tells all of one record.`,
		Example: "  rosterd log --account acme --level warning --since 24h\n  rosterd log --job acme/leads --club downtown --follow",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.showLog(cmd.Context(), v) },
	}
	flags := cmd.Flags()
	flags.StringVar(&v.filter.Account, "account", "", "only of this account")
	flags.StringVar(&v.filter.Job, "job", "", "only of this job (ACCOUNT/JOB)")
	flags.StringVar(&v.filter.Club, "club", "", "only records of this club")
	flags.StringVar(&v.level, "level", "info", "info, or warning and graver, or error")
	flags.StringVar(&v.since, "since", "", "only from then on")
	flags.IntVar(&v.filter.Limit, "limit", 100, "how many lines at most: the latest")
	flags.BoolVar(&v.all, "all", false, "every line, however many")
	flags.BoolVar(&v.follow, "follow", false, "go on with lines as they come, until it is ended")
	return cmd
}

func (c *cli) showLog(ctx context.Context, v logView) error {
	if err := v.filter.Level.UnmarshalText([]byte(v.level)); err != nil {
		return usagef("--level is info, warning or error, and not %q", v.level)
	}
	cfg, err := c.peek(true)
	if err == nil {
		err = v.check(cfg)
	}
	if err != nil {
		return err
	}
	if v.filter.Since, err = since(v.since, time.Now(), v.zone(cfg)); err != nil {
		return err
	}
	next, stored, err := c.storedLog(ctx, v)
	if err != nil || !v.follow {
		return err
	}
	if stored {
		return errNoDaemon("following the log")
	}
	return c.followLog(ctx, v.filter, next)
}

// check refuses names that the configuration does not have.
func (v *logView) check(cfg *config.Config) error {
	f := v.filter
	if _, ok := cfg.Accounts[f.Account]; f.Account != "" && !ok {
		return usagef("there is no account %q; there are %s", f.Account, strings.Join(slices.Sorted(maps.Keys(cfg.Accounts)), ", "))
	}
	if f.Club == "" {
		return nil
	}
	var clubs []string
	for _, a := range cfg.Accounts {
		if account := v.account(); account == "" || account == a.ID {
			clubs = append(clubs, slices.Collect(maps.Keys(a.Clubs))...)
		}
	}
	slices.Sort(clubs)
	if !slices.Contains(clubs, f.Club) {
		return usagef("there is no club %q; there are %s", f.Club, strings.Join(slices.Compact(clubs), ", "))
	}
	return nil
}

// account is the account that is meant, empty for all.
func (v *logView) account() string {
	if v.filter.Account != "" {
		return v.filter.Account
	}
	account, _, _ := strings.Cut(v.filter.Job, "/")
	return account
}

// zone is the one in which a day is meant.
func (v *logView) zone(cfg *config.Config) *time.Location {
	account := v.account()
	if account == "" && len(cfg.Accounts) == 1 {
		account = slices.Collect(maps.Keys(cfg.Accounts))[0]
	}
	if _, ok := cfg.Accounts[account]; !ok {
		return time.Local //nolint:gosmopolitan // a day of this machine, as the help says
	}
	return zones{accounts: cfg.Accounts, known: map[string]*time.Location{}}.of(account, v.filter.Club)
}

// since reads when to begin; empty is the beginning.
func since(text string, now time.Time, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.Add(-time.Duration(n) * 24 * time.Hour), nil //nolint:gosec // 16 bits fit
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at, nil
		}
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	return time.Time{}, usagef("--since takes 24h, 7d, 2026-11-29, \"2026-11-29 14:00\" or 2026-11-29T14:00:00Z, and not %q", text)
}

// storedLog shows the lines that there are. It returns where what follows begins, and
// whether no daemon runs.
func (c *cli) storedLog(ctx context.Context, v logView) (next string, stored bool, err error) {
	stored = true
	if client, err := c.daemon(); err == nil {
		stored = errors.Is(client.Live(ctx), admin.ErrUnreachable)
	}
	client, done, err := c.reader(ctx)
	if err != nil {
		return "", stored, err
	}
	defer done()
	filter := v.filter
	if v.all {
		filter.Limit, filter.After = 1000, admin.LogBegin
	}
	shown := 0
	for {
		page, err := client.RecordLog(ctx, filter)
		if err != nil {
			return "", stored, err
		}
		c.printLog(page)
		shown += len(page.Lines)
		if v.all && page.More {
			filter.After = page.Next
			continue
		}
		if shown == 0 && !c.json && !v.follow {
			fmt.Fprintln(c.stdout, "no lines")
		}
		if page.More {
			fmt.Fprintln(c.stderr, "older lines are left out; --limit or --all shows them")
		}
		return page.Next, stored, nil
	}
}

// followEvery is how often a log that is followed is asked for more.
const followEvery = time.Second

// followLog shows lines as they come, until the command is ended. A daemon that is
// started again is waited for.
func (c *cli) followLog(ctx context.Context, filter admin.LogFilter, next string) error {
	client, err := c.daemon()
	if err != nil {
		return err
	}
	filter.Limit, filter.After = 1000, next
	gone, ended := false, func() bool { return ctx.Err() != nil }
	for more := false; ; {
		if !more {
			_ = sleep(ctx, followEvery) // it ends early only with ctx
		}
		if ended() {
			return nil
		}
		page, err := client.RecordLog(ctx, filter)
		if ended() {
			return nil
		}
		more = false
		switch {
		case errors.Is(err, admin.ErrUnreachable):
			if !gone {
				fmt.Fprintln(c.stderr, "the daemon does not answer; lines follow when it is there again")
			}
			gone = true
		case err != nil:
			return err
		default:
			c.printLog(page)
			filter.After, more, gone = page.Next, page.More, false
		}
	}
}

func (c *cli) printLog(page admin.LogPage) {
	for i := range page.Lines {
		if c.json {
			c.print(page.Lines[i])
			continue
		}
		fmt.Fprintln(c.stdout, logText(&page.Lines[i], true))
	}
	if page.Lost > 0 {
		fmt.Fprintf(c.stderr, "%s could not be kept when they came: the disk was full, or the day's share of retention.log_mib\n", counted(page.Lost, "line"))
	}
	if page.Damaged > 0 {
		fmt.Fprintf(c.stderr, "%s of the log cannot be read: damaged, or sealed with another master key\n", counted(page.Damaged, "part"))
	}
}

// logText is a line for people; with its job where several may be meant.
func logText(l *admin.LogLine, withJob bool) string {
	at := l.At
	if zone, err := time.LoadLocation(l.Zone); err == nil {
		at = at.In(zone)
	}
	words := []string{at.Format("2006-01-02 15:04:05 MST"), fmt.Sprintf("%-7s", strings.ToUpper(l.Level.String()))}
	if withJob {
		words = append(words, l.Job)
	}
	words = append(words, string(l.Kind))
	if l.Record != "" {
		words = append(words, plainText(l.Record))
	}
	if l.Target != "" {
		words = append(words, "→ "+plainText(l.Target))
	}
	if l.Club != "" {
		words = append(words, "("+l.Club+")")
	}
	return strings.Join(words, " ") + ": " + plainText(l.Text)
}
