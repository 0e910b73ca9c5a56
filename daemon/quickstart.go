package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox"
	"github.com/rosterd/rosterd/internal/sandbox/sample"
	"github.com/rosterd/rosterd/scripts"
)

// The names that the quickstart's configuration uses.
const (
	quickstartJob    = "riverside/launch"
	quickstartScript = "gym_to_intandem.lua"
	quickstartToken  = "quickstart-token"
	quickstartApp    = "riversideimport"
)

func (c *cli) quickstartCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "quickstart", Short: "See the main jobs work on sample data; nothing to set up", Args: exactly(),
		Long: `Import a sample of 1,000 gym members into a simulated inTandem, and sync the
prospects of a simulated CRM, with their owners and lead sources, into a simulated
club platform that loses answers; then two of them become members. The daemon, the
adapter processes and HTTP are real. Everything is written to one folder, which is
named and kept: edit the scripts there and run it again with --dir.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.quickstart(cmd.Context(), dir) },
	}
	cmd.Flags().StringVar(&dir, "dir", "", "use the folder of an earlier quickstart")
	return cmd
}

func (c *cli) quickstart(ctx context.Context, dir string) error {
	q, err := c.newQuickstart(dir)
	if err != nil {
		return err
	}
	q.configPath = q.path("rosterd.yaml")
	fmt.Fprintf(c.stderr, "folder   %s\nscript   %s\n\n", q.dir, q.script())
	run, groups, synced, err := q.play(ctx)
	if err != nil {
		return err
	}
	if err := q.tell(run, groups); err != nil {
		return err
	}
	return q.tellSync(synced)
}

// quickstart is one folder with everything that the command needs.
type quickstart struct {
	*cli
	dir string
}

func (q *quickstart) path(name string) string { return filepath.Join(q.dir, name) }
func (q *quickstart) script() string          { return filepath.Join(q.dir, "scripts", quickstartScript) }

// newQuickstart opens the folder of an earlier one or lays out another.
func (c *cli) newQuickstart(dir string) (*quickstart, error) {
	q := &quickstart{cli: c, dir: dir}
	if dir != "" {
		if _, err := os.Stat(q.path("rosterd.yaml")); err != nil {
			return nil, usagef("--dir %s is no folder of an earlier quickstart: %w", dir, err)
		}
		return q, nil
	}
	var err error
	if q.dir, err = os.MkdirTemp("", "rosterd-quickstart-"); err != nil {
		return nil, err
	}
	if err := q.layOut(); err != nil {
		return nil, fmt.Errorf("lay out %s: %w", q.dir, err)
	}
	return q, nil
}

// quickstartConfig is a whole configuration; config.example.yaml explains the
// keys.
const quickstartConfig = `version: 1
state_dir: state
listen:
  public: "{{.Public}}"
  admin: "unix:{{.Dir}}/admin.sock"
public_url: "http://{{.Public}}"
plugins: {dir: "{{.Plugins}}"}
export: {session_gap: 100ms, session_timeout: 1m}
scripts_dir: scripts
accounts:
  riverside:
    name: Riverside Gyms
    country: CA
    timezone: America/Toronto
    clubs:
      downtown: {name: Downtown}
      airport: {name: Airport}
    connections:
      gym:
        adapter: csv
        clubs: {downtown: "1", airport: "2"}
        settings: {path: members.csv, id: member_no, club: club_no}
      intandem:
        adapter: intandem
        settings:
          business_uid: riverside
          app_code_name: {{.App}}
          token: {file: token}
          app_token: {file: token}
          api_url: "http://{{.InTandem}}"
      crm:
        adapter: rest
        clubs: {downtown: "12", airport: "13"}
        settings: {config: crm.rest.yaml, base_url: "http://{{.CRM}}", token: {file: token}}
      club:
        adapter: rest
        settle_margin: 200ms
        clubs: {downtown: "7", airport: "8"}
        settings: {config: club.rest.yaml, base_url: "http://{{.Club}}", token: {file: token}}
    jobs:
      launch:
        type: import
        from: gym
        to: intandem
        mapping: {{.Script}}
        schedule: manual
      leads:
        type: sync
        from: crm
        to: club
        kinds: [staff, lead_source, prospect, member]
        read: all
        mapping: {{.SyncScript}}
        schedule: manual
        guards: {max_update: 100%} # so that an edited script may change everybody
`

// layOut writes the sample, the scripts with their cases, and a configuration
// with addresses that are free at this moment.
func (q *quickstart) layOut() error {
	free, err := freeAddresses(4)
	if err != nil {
		return err
	}
	plugins, err := pluginsDir()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	err = template.Must(template.New("config").Parse(quickstartConfig)).Execute(&text, map[string]string{
		"Public": free[0], "InTandem": free[1], "CRM": free[2], "Club": free[3], "Dir": q.dir, "Plugins": plugins,
		"App": quickstartApp, "Script": quickstartScript, "SyncScript": quickstartSyncScript,
	})
	if err != nil {
		return err
	}
	files := map[string][]byte{"rosterd.yaml": text.Bytes(), "members.csv": sample.Members, "token": []byte(quickstartToken + "\n")}
	if err := layOutPlatforms(files, free[2], free[3]); err != nil {
		return err
	}
	for _, script := range []string{quickstartScript, quickstartSyncScript} {
		for _, name := range []string{script, strings.TrimSuffix(script, ".lua") + ".txtar"} {
			if files["scripts/"+name], err = fs.ReadFile(scripts.Files, name); err != nil {
				return err
			}
		}
	}
	if err := os.Mkdir(q.path("scripts"), 0o700); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(q.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// freeAddresses finds addresses at which nobody listens.
func freeAddresses(n int) (free []string, err error) {
	for range n {
		l, listening := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
		if listening != nil {
			return nil, errors.Join(err, listening)
		}
		// It is held until all are found, so that they differ.
		defer func() { err = errors.Join(err, l.Close()) }()
		free = append(free, l.Addr().String())
	}
	return free, nil
}

// pluginsDir is where the adapters stand: beside the program, in the tree that a
// package was unpacked to, or in the system.
func pluginsDir() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	if exe, err = filepath.EvalSymlinks(exe); err != nil {
		return "", err
	}
	here := filepath.Dir(exe)
	for _, dir := range []string{filepath.Join(here, "plugins"), filepath.Join(here, "../lib/rosterd/plugins"), "/usr/lib/rosterd/plugins"} {
		if _, err := os.Stat(filepath.Join(dir, "csv")); err == nil {
			return dir, nil
		}
	}
	return "", &roster.Fault{
		Code: "adapter.not_installed", Message: "the adapters csv, intandem and rest stand neither beside " + exe + " in plugins/ nor in /usr/lib/rosterd/plugins",
		Hint: "build them with `make build`, which puts them where they are found",
	}
}

// play starts the simulated platforms and the daemon, runs the import and then
// the sync to their ends, and stops everything. The sync is nil where the import
// did not get so far.
func (q *quickstart) play(ctx context.Context) (run roster.Run, groups []roster.QuarantineGroup, synced *syncScene, err error) {
	log, err := os.OpenFile(q.path("rosterd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return run, nil, nil, err
	}
	defer log.Close()
	logger := slog.New(slog.NewJSONHandler(log, nil))
	cfg, err := config.Load(q.path("rosterd.yaml"), config.Options{Getenv: q.getenv})
	if err != nil {
		return run, nil, nil, err
	}
	stop, err := q.startInTandem(ctx, cfg, logger)
	if err != nil {
		return run, nil, nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	platforms, err := q.startPlatforms(ctx, cfg, logger)
	if err != nil {
		return run, nil, nil, err
	}
	defer func() { err = errors.Join(err, platforms.close()) }()

	ctx, cancel := context.WithCancel(ctx)
	ready, ended := make(chan *parts, 1), make(chan error, 1)
	go func() { ended <- serve(ctx, cfg, logger, q.getenv, func(p *parts) { ready <- p }) }()
	select {
	case p := <-ready:
		run, groups, err = q.importMembers(ctx, cfg)
		if err == nil && arrived(run) {
			synced, err = q.syncProspects(ctx, cfg, p, platforms)
		}
		cancel()
		return run, groups, synced, errors.Join(err, <-ended)
	case err := <-ended:
		cancel()
		return run, nil, nil, err
	}
}

// startInTandem simulates the platform at the address that the configuration
// names.
func (q *quickstart) startInTandem(ctx context.Context, cfg *config.Config, log *slog.Logger) (stop func() error, err error) {
	secrets, err := exportSecrets(cfg)
	if err != nil {
		return nil, err
	}
	l, err := listenAs(ctx, cfg, "intandem", "api_url")
	if err != nil {
		return nil, err
	}
	platform := sandbox.NewInTandem(sandbox.Options{
		Token: quickstartToken, AppCodeName: quickstartApp, BusinessUID: "riverside", StaffUID: "s1",
		APIURI: cfg.PublicURL + "/c/" + secrets[0].Reveal(), Now: time.Now, Logger: log,
		Seed: rand.Uint64(), // an earlier quickstart's sessions have other ids
	})
	platform.Start(l)
	return platform.Close, nil
}

// listenAs listens at the address that a setting of a connection names.
func listenAs(ctx context.Context, cfg *config.Config, connection, setting string) (net.Listener, error) {
	c := cfg.Accounts["riverside"].Connections[connection]
	var settings map[string]any
	if err := json.Unmarshal([]byte(c.Settings.Reveal()), &settings); err != nil {
		return nil, fmt.Errorf("read the settings of connection %s: %w", connection, err)
	}
	address, _ := settings[setting].(string)
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		return nil, fmt.Errorf("listen for what is simulated behind connection %s: %w", connection, err)
	}
	return l, nil
}

// importMembers runs the job and follows it.
func (q *quickstart) importMembers(ctx context.Context, cfg *config.Config) (roster.Run, []roster.QuarantineGroup, error) {
	client, err := dial(cfg)
	if err != nil {
		return roster.Run{}, nil, err
	}
	run, err := client.StartRun(ctx, quickstartJob)
	if err != nil {
		return run, nil, err
	}
	if run, err = follow(ctx, client, run, newBar(q.stderr)); err != nil {
		return run, nil, err
	}
	if run, err = awaitOutcome(ctx, client, run); err != nil {
		return run, nil, err
	}
	groups, err := client.QuarantineGroups(ctx, roster.QuarantineFilter{Run: run.ID})
	return run, groups, err
}

// outcomeTime is how long the simulated inTandem may take to tell what it made
// of the clients; it needs some milliseconds.
const outcomeTime = 10 * time.Second

// awaitOutcome returns the run once the target has told of every client. When
// it does not, the run is returned as it is: its counts say so.
func awaitOutcome(ctx context.Context, client *admin.Client, run roster.Run) (roster.Run, error) {
	patience, cancel := context.WithTimeout(ctx, outcomeTime)
	defer cancel()
	for run.Counts.Unknown > 0 && sleep(patience, 20*time.Millisecond) == nil {
		again, err := client.Run(ctx, run.ID)
		if err != nil {
			return run, err
		}
		run = again
	}
	return run, nil
}

// tell prints what happened, and fails when the shipped script did not give
// the counts that the sample must give.
func (q *quickstart) tell(run roster.Run, groups []roster.QuarantineGroup) error {
	if q.json {
		q.print(map[string]any{"type": "summary", "run": run.ID, "state": run.State, "counts": run.Counts, "dir": q.dir})
	} else {
		q.printRun(run)
		if len(groups) > 0 {
			fmt.Fprintln(q.stdout)
			q.table("  QUARANTINED\tSTAGE\tREASON", func(line func(...any)) {
				for _, g := range groups {
					line(fmt.Sprintf("  %d", g.Count), g.Stage, g.Reason)
				}
			})
		}
		fmt.Fprintf(q.stdout, `
the script is   %s
try its cases   rosterd map test %s
run it again    rosterd quickstart --dir %s
`, q.script(), q.script(), q.dir)
	}
	return q.verdict(run, groups)
}

func (q *quickstart) verdict(run roster.Run, groups []roster.QuarantineGroup) error {
	if !arrived(run) {
		return &endError{code: stateCode(run)}
	}
	shipped, err := q.asShipped(quickstartScript)
	if err != nil || !shipped {
		return err
	}
	return unexpected(run, groups)
}

// arrived reports whether a run was delivered to its end.
func arrived(run roster.Run) bool {
	return run.State == roster.RunOK || run.State == roster.RunPartial
}

// asShipped reports whether a script was not edited.
func (q *quickstart) asShipped(script string) (bool, error) {
	shipped, err := fs.ReadFile(scripts.Files, script)
	if err != nil {
		return false, err
	}
	used, err := os.ReadFile(q.path(filepath.Join("scripts", script)))
	return bytes.Equal(shipped, used), err
}

// unexpected compares a run of the shipped script with what the sample must
// give.
func unexpected(run roster.Run, groups []roster.QuarantineGroup) error {
	want, n := sample.Expected(), run.Counts
	codes := map[string]int{}
	for _, g := range groups {
		codes[g.Code] += g.Count
	}
	same := n.Read == want.Read && n.Frozen == want.Frozen && n.Skipped == want.Skipped &&
		n.Quarantined == want.Quarantined && n.Served == want.Frozen && n.Unknown == 0
	for code, count := range want.Codes {
		same = same && codes[code] == count
	}
	if same {
		return nil
	}
	return &roster.Fault{
		Code:    "quickstart.counts",
		Message: fmt.Sprintf("the sample must give %+v, and gave %+v with %v", want, n, codes),
		Hint:    "if members.csv was edited, this is expected; else please report it",
	}
}
