package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

// testRecords is how many records of a kind are read for a check, unless a
// flag says otherwise: a live system may answer a few requests a second only.
const testRecords = 50

// maxSettings bounds a settings file, in bytes.
const maxSettings = 1 << 20

func (c *cli) adapterTestCommand() *cobra.Command {
	var o adapterTestOptions
	var kinds []string
	records := testRecords
	cmd := &cobra.Command{
		Use: "test PROGRAM", Short: "Check that an adapter keeps its contract", Args: exactly("PROGRAM"),
		Long: `Start an adapter's program as the daemon does and check it against the contract:
its description, the settings it refuses, paging, resuming from a cursor,
cancelled calls. Each check is a line that says what to do where it fails.

The settings file holds a connection as the configuration does, in YAML or JSON:

  settings: {path: members.csv, id: member_no}
  clubs: {downtown: "1"}
  client_id: "456"

Nothing is written to the outside system without --write: no import is started,
no record sent. It is read several times over, and should not change meanwhile.

With --write some fifty records are created and changed, and stay there: use a
system that is made for trials. The settings file then says what they look like,
with a number of its own in the place of each {n}:

  write:
    kind: member
    record: {first_name: "Test {n}", email: "rosterd-{n}@example.com"}
    bad: {email: no address}   # a record that the system refuses
    club: "1"                  # ids there; optional, also owner and lead_source

A target that converts and moves people is checked for that with kind: prospect,
member: {...} where a member's record is another one, and other_club: "2".

With --measure-lags the checks are not made. Records are created, and some given
up in the middle, to see how late they take effect and can be found: the times
that everything promised of creates rests on.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.settings == "" {
				return usagef("`rosterd adapter test` needs --settings FILE, which holds the settings of a connection")
			}
			if o.lags < 0 || o.lags > 0 && !o.writes {
				return usagef("--measure-lags creates records, 2 for each of its number: it needs --write")
			}
			wanted, err := kindsOf(kinds)
			if err != nil {
				return err
			}
			return c.testAdapter(cmd.Context(), args[0], o, sdktest.Case{Kinds: wanted, MaxRecords: records})
		},
	}
	cmd.Flags().StringVar(&o.settings, "settings", "", "file with the settings of a connection, YAML or JSON")
	cmd.Flags().StringSliceVar(&kinds, "kind", nil, "kinds of record that the connection must have (default: those that it has)")
	cmd.Flags().IntVar(&records, "records", testRecords, "how many records of a kind are read at most for one check")
	cmd.Flags().BoolVar(&o.writes, "write", false, "also create and change records in the outside system, which keeps them")
	cmd.Flags().IntVar(&o.lags, "measure-lags", 0, "measure exec_lag and index_lag with `N` creates, and as many that are given up, in place of the checks")
	cmd.Flags().DurationVar(&o.limit, "lag-limit", lagLimit, "how long a record is searched for by --measure-lags")
	return cmd
}

// adapterTestOptions say what a test of an adapter does.
type adapterTestOptions struct {
	// settings is the path of the settings file.
	settings string
	// writes says that records may be written.
	writes bool
	// lags is how many creates the times of the system are measured with; 0 makes
	// the checks. limit is how long each of them is searched for.
	lags  int
	limit time.Duration
}

func kindsOf(names []string) ([]sdk.Kind, error) {
	var kinds []sdk.Kind
	for _, name := range names {
		if !sdk.Kind(name).Valid() {
			return nil, usagef("--kind %q is none of %q", name, sdk.Kinds())
		}
		kinds = append(kinds, sdk.Kind(name))
	}
	return kinds, nil
}

// testAdapter starts the program, makes the checks and shows them.
func (c *cli) testAdapter(ctx context.Context, program string, o adapterTestOptions, suite sdktest.Case) (err error) {
	path, err := filepath.Abs(program)
	if err != nil {
		return fmt.Errorf("find the adapter: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return &roster.Fault{
			Code: "adapter.not_installed", Message: fmt.Sprintf("adapter is not installed: there is no program %s", path),
			Hint: "name the file that was built, such as  rosterd adapter test bin/" + filepath.Base(path),
		}
	}
	dir, err := os.MkdirTemp("", "rosterd-")
	if err != nil {
		return fmt.Errorf("make a folder for sockets: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	host, err := adapters.NewHost(adapters.Options{
		Dir: filepath.Dir(path), RuntimeDir: dir, Now: time.Now,
		Logger: slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	subject := hosted{host: host, name: filepath.Base(path)}
	info, err := subject.Describe(ctx)
	if err != nil {
		return err
	}
	if err := c.testCase(o.settings, info, o.writes, &suite); err != nil {
		return err
	}
	if o.lags > 0 {
		return c.measureLags(ctx, subject, suite, o)
	}
	return c.makeChecks(ctx, subject, info, suite, o.writes)
}

// makeChecks makes the checks of the suite and shows them.
func (c *cli) makeChecks(ctx context.Context, subject sdktest.Subject, info sdk.Info, suite sdktest.Case, writes bool) error {
	verdict := testVerdict{Adapter: info.Name, Version: info.Version, Checks: []sdktest.Result{}}
	verdict.Unwritten = !writes && slices.Contains(info.Abilities, sdk.AbilityTarget)
	sdktest.Evaluate(ctx, subject, suite, func(r sdktest.Result) {
		verdict.add(r)
		if !c.json {
			c.showCheck(r)
		}
	})
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("check adapter %s: %w", info.Name, err)
	}
	return c.showVerdictOf(verdict)
}

// testVerdict is what came of all checks.
type testVerdict struct {
	Adapter string `json:"adapter"`
	Version string `json:"version"`
	OK      int    `json:"ok"`
	Failed  int    `json:"failed"`
	LeftOut int    `json:"left_out"`
	// Unwritten says that what the adapter writes was not checked.
	Unwritten bool             `json:"unwritten,omitempty"`
	Checks    []sdktest.Result `json:"checks"`
}

func (v *testVerdict) add(r sdktest.Result) {
	v.Checks = append(v.Checks, r)
	switch r.Status {
	case sdktest.OK:
		v.OK++
	case sdktest.Failed:
		v.Failed++
	case sdktest.LeftOut:
		v.LeftOut++
	}
}

func (c *cli) showCheck(r sdktest.Result) {
	fmt.Fprintf(c.stdout, "%-8s  %s\n", r.Status, strings.TrimSpace(fmt.Sprintf("%-28s  %s", r.Check, r.Reason)))
	if r.Advice != "" {
		fmt.Fprintf(c.stdout, "          what to do: %s\n", r.Advice)
	}
}

func (c *cli) showVerdictOf(v testVerdict) error {
	if c.json {
		c.print(map[string]any{"command": "adapter test", "ok": v.Failed == 0, "result": v, "error": nil})
	} else {
		word := "keeps"
		if v.Failed > 0 {
			word = "does not keep"
		}
		fmt.Fprintf(c.stdout, "%s %s %s the contract: %d checks ok, %d failed, %d left out\n",
			v.Adapter, v.Version, word, v.OK, v.Failed, v.LeftOut)
	}
	if v.Unwritten {
		fmt.Fprintf(c.stderr, "NOT CHECKED: what %s writes, and whether it creates records twice. Run it again with --write,"+
			" at a system that is made for trials\n", v.Adapter)
	}
	if v.Failed > 0 {
		return &endError{code: exitFailure}
	}
	return nil
}

// hosted is an adapter in a process of its own.
type hosted struct {
	host *adapters.Host
	name string
}

// Describe implements [sdktest.Subject].
func (h hosted) Describe(ctx context.Context) (sdk.Info, error) { return h.host.Describe(ctx, h.name) }

// Open implements [sdktest.Subject].
func (h hosted) Open(ctx context.Context, c sdk.Connection) (sdktest.Opened, error) {
	open := h.host.Open
	if c.ReadOnly {
		open = h.host.OpenReadOnly
	}
	conn, err := open(ctx, roster.Connection{
		Ref: c.Name, Adapter: h.name, ClientID: c.ClientID, Clubs: c.Clubs, Settings: roster.NewSecret(string(c.Settings)),
	})
	if err != nil {
		return sdktest.Opened{}, err
	}
	return sdktest.Opened{Value: conn, Abilities: conn.Abilities(), Close: func(context.Context) error { return conn.Close() }}, nil
}

// testCase fills in what a settings file says.
func (c *cli) testCase(path string, info sdk.Info, writes bool, suite *sdktest.Case) error {
	refuse := func(err error) error {
		return &roster.Fault{
			Code: "adapter.config", Message: fmt.Sprintf("settings file %s: %v", path, err),
			Hint: "write the connection as in the configuration: settings, and clubs and client_id where the adapter needs them",
		}
	}
	text, err := readSmall(path, maxSettings)
	if err != nil {
		return refuse(err)
	}
	var file struct {
		Adapter  string            `yaml:"adapter"`
		ClientID string            `yaml:"client_id"`
		Clubs    map[string]string `yaml:"clubs"`
		Settings map[string]any    `yaml:"settings"`
		Write    *trialRecords     `yaml:"write"`
	}
	var keys map[string]any
	for _, into := range []any{&keys, &file} {
		if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(into); err != nil && !errors.Is(err, io.EOF) {
			return refuse(err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains([]string{"adapter", "client_id", "clubs", "settings", "write"}, key) {
			return refuse(fmt.Errorf("unknown key %q: what the adapter needs for itself stands below the key settings", key))
		}
	}
	if file.Adapter != "" && file.Adapter != info.Name {
		return refuse(fmt.Errorf("it is for the adapter %s, and the program is %s", file.Adapter, info.Name))
	}
	for name, value := range file.Settings {
		if file.Settings[name], err = c.testSetting(filepath.Dir(path), value); err != nil {
			return refuse(fmt.Errorf("setting %s: %w", name, err))
		}
	}
	resolvePaths(filepath.Dir(path), file.Settings, info.Settings)
	raw, err := json.Marshal(file.Settings)
	if err != nil {
		return refuse(err)
	}
	if file.Settings == nil {
		raw = json.RawMessage("{}")
	}
	suite.Connection = sdk.Connection{Name: "test/" + info.Name, ClientID: file.ClientID, Clubs: file.Clubs, Settings: raw}
	if writes {
		if suite.Write, err = file.Write.writing(); err != nil {
			return refuse(err)
		}
	}
	return nil
}

// testSetting puts a secret in the place of a reference to it.
func (c *cli) testSetting(dir string, value any) (any, error) {
	reference, ok := value.(map[string]any)
	if !ok || len(reference) != 1 {
		return value, nil
	}
	for source, name := range reference {
		at, ok := name.(string)
		switch {
		case !ok:
		case source == "env":
			if secret := c.getenv(at); secret != "" {
				return secret, nil
			}
			return nil, fmt.Errorf("the environment variable %s is not set", at)
		case source == "file":
			return secretFile(within(dir, at))
		case source == "credential":
			return secretFile(filepath.Join(c.getenv("CREDENTIALS_DIRECTORY"), filepath.Base(at)))
		}
	}
	return value, nil
}

func secretFile(path string) (string, error) {
	text, err := readSmall(path, maxSettings)
	return strings.TrimRight(string(text), "\r\n"), err
}

// resolvePaths makes the settings that are paths count from the folder of
// their file, as they do in the configuration.
func resolvePaths(dir string, settings map[string]any, schema json.RawMessage) {
	var rules struct {
		Properties map[string]struct {
			Format string `json:"format"`
		} `json:"properties"`
	}
	if json.Unmarshal(schema, &rules) != nil {
		return
	}
	for name, rule := range rules.Properties {
		if path, ok := settings[name].(string); ok && path != "" && rule.Format == "path" {
			settings[name] = within(dir, path)
		}
	}
}

func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	if abs, err := filepath.Abs(filepath.Join(dir, path)); err == nil {
		return abs
	}
	return path
}

// readSmall reads a file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return text, err
}
