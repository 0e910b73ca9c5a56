package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
)

// process is what a command sees of the process it runs in.
type process struct {
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// cli is what all commands share.
type cli struct {
	process
	configPath string
	json       bool
	// pretend are files that the configuration is read with before they are written.
	pretend map[string][]byte
	// screen is the terminal, once somebody was asked.
	screen *screen
}

// run executes the command line and returns the exit code.
func run(p process) int {
	c := &cli{process: p}
	root := c.root()
	root.SetArgs(p.args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	command, err := root.ExecuteContextC(ctx)
	if err != nil {
		c.complain(command, err)
	}
	return exitCode(err)
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "rosterd",
		Short: "Keep rosters of people in step between systems that do not know each other",
		Long: `rosterd reads people from one system, maps each record with a Lua script, and
delivers the result to another: an import into inTandem, which pulls the clients
page by page, or a sync, which pushes what differs and keeps the ids linked.

To see it work, with nothing to set up:  rosterd quickstart`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q; `rosterd --help` lists them", args[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringVar(&c.configPath, "config", "", "configuration file (or ROSTERD_CONFIG; default /etc/rosterd/rosterd.yaml, or else rosterd.yaml here)")
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print JSON instead of text")
	root.AddCommand(
		c.runCommand(), c.quickstartCommand(), c.validateCommand(), c.statusCommand(), c.jobCommand(), c.runsCommand(),
		c.sessionCommand(), c.quarantineCommand(), c.connectionsCommand(),
		c.planCommand(), c.applyCommand(), c.approveCommand(), c.syncCommand(), c.linksCommand(), c.parkedCommand(), c.reviewCommand(), c.explainCommand(), c.logCommand(),
		c.mapCommand(), c.luaCommand(), c.adapterCommand(),
		c.stateCommand(), c.auditCommand(), c.privacyCommand(), c.cursorCommand(), c.doctorCommand(), c.reloadCommand(), c.initCommand(), c.accountCommand(), c.explainErrorCommand(),
		c.sandboxCommand(), c.alertsCommand(), c.versionCommand(), c.mapWorkerCommand(), c.stateVerifyCommand(), c.keeperCommand(),
	)
	complete(root)
	return root
}

// exactly makes a wrong number of arguments a fault in usage, which names what
// is wanted.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(names) == 0 {
			return usagef("`%s` takes no arguments, and got %q", cmd.CommandPath(), args[0])
		}
		return usagef("`%s` takes %s; see `%s --help`", cmd.CommandPath(), strings.Join(names, " "), cmd.CommandPath())
	}
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs}
	g.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("`%s` has no command %q; see `%s --help`", cmd.CommandPath(), args[0], cmd.CommandPath())
		}
		return cmd.Help()
	}
	g.AddCommand(commands...)
	return g
}

// defaultConfig is where the packaged daemon keeps its configuration.
const defaultConfig = "/etc/rosterd/rosterd.yaml"

// load reads the configuration that the flag, the environment or the default
// names.
func (c *cli) load(skipSecrets bool) (*config.Config, error) {
	path := c.configFile()
	return config.Load(path, config.Options{Getenv: c.getenv, SkipSecrets: skipSecrets, Pretend: c.pretend})
}

// peek reads the configuration for a command that runs no job: a script that is
// still to be written does not stop it.
func (c *cli) peek(skipSecrets bool) (*config.Config, error) {
	return config.Load(c.configFile(), config.Options{Getenv: c.getenv, SkipSecrets: skipSecrets, SkipScripts: true})
}

func (c *cli) configFile() string {
	for _, path := range []string{c.configPath, c.getenv("ROSTERD_CONFIG")} {
		if path != "" {
			return path
		}
	}
	if _, err := os.Stat(defaultConfig); err != nil {
		if _, err := os.Stat("rosterd.yaml"); err == nil {
			return "rosterd.yaml"
		}
	}
	return defaultConfig
}

// complaint is the shape of an error with --json.
type complaint struct {
	Command string         `json:"command"`
	OK      bool           `json:"ok"`
	Error   complaintError `json:"error"`
}

type complaintError struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Hint    string         `json:"hint,omitempty"`
	Exit    int            `json:"exit"`
	Faults  []config.Fault `json:"faults,omitempty"`
}

// complain prints what ended a command.
func (c *cli) complain(command *cobra.Command, err error) {
	if _, ok := errors.AsType[*endError](err); ok {
		return
	}
	told := describe(err)
	if c.json {
		c.print(complaint{Command: command.CommandPath(), Error: told})
		return
	}
	if len(told.Faults) > 0 {
		fmt.Fprintln(c.stderr, strings.TrimRight(err.Error(), "\n"))
		return
	}
	fmt.Fprintf(c.stderr, "rosterd: %s\n", told.Message)
	if told.Hint != "" {
		fmt.Fprintf(c.stderr, "  hint: %s\n", told.Hint)
	}
}

// describe gives an error its code and its hint.
func describe(err error) complaintError {
	told := complaintError{Code: "failure", Message: err.Error(), Exit: exitCode(err)}
	if faults, ok := errors.AsType[*config.Faults](err); ok {
		told.Code, told.Message, told.Faults = "config", "the configuration has faults", faults.List
		return told
	}
	if f, ok := errors.AsType[*roster.Fault](err); ok {
		told.Code, told.Message, told.Hint = f.Code, f.Message, f.Hint
		return told
	}
	if p, ok := errors.AsType[*admin.Problem](err); ok {
		told.Code, told.Message, told.Hint = p.Code, p.Detail, p.Hint
		for _, fault := range p.Errors {
			told.Message += "; " + fault.Parameter + ": " + fault.Detail
		}
		return told
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		told.Code = "usage"
	}
	if errors.Is(err, admin.ErrUnreachable) {
		told.Code, told.Hint = "daemon.unreachable", "start it with `systemctl start rosterd` or `rosterd run`"
	}
	if errors.Is(err, admin.ErrDenied) {
		told.Code, told.Hint = "daemon.denied", "join the socket's group, `sudo adduser YOU rosterd`, and log in again; or use sudo"
	}
	return told
}

// print writes one JSON object or array on a line.
func (c *cli) print(v any) {
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		fmt.Fprintf(c.stderr, "rosterd: print JSON: %v\n", err)
	}
}

// table prints rows under a head, aligned.
func (c *cli) table(head string, rows func(line func(cells ...any))) {
	w := tabwriter.NewWriter(c.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, head)
	rows(func(cells ...any) {
		for i, cell := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, cell)
		}
		fmt.Fprintln(w)
	})
	w.Flush()
}
