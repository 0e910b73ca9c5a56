package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
)

func (c *cli) accountCommand() *cobra.Command {
	var draft config.Draft
	var clubs, connections []string
	add := &cobra.Command{
		Use: "add ACCOUNT", Short: "Write the file of a new customer, to be filled in", Args: exactly("ACCOUNT"),
		Long: `Write ACCOUNT.yaml into the folder of the first pattern of the configuration's include
that takes such a name, as accounts.d/*.yaml does. A file that is there is never changed.

The settings that the adapters of --connection require stand in it as comments, with what
they are; secrets as references to credentials. --like takes over the connections and jobs
of another account, but leaves open the ids in the systems, the settings that are required
or called id or uid, and secrets; its jobs are manual until their schedules are confirmed.

What is open is a comment, so that a daemon that is started meanwhile reads the file as it
is. What is still to be filled in is listed, with what "rosterd validate" says of the file.
When nothing is missing any more, "rosterd reload" has the daemon take it over.`,
		Example: `  rosterd account add zenith --name "Zenith Gyms" --country CA --timezone America/Toronto \
    --club downtown=Downtown --club airport=Airport --connection gym=csv --connection intandem=intandem
  rosterd account add zenith --name "Zenith Gyms" --country CA --timezone America/Toronto --like acme`,
		RunE: func(cmd *cobra.Command, args []string) error {
			draft.ID = args[0]
			for _, text := range clubs {
				key, name, err := pairOf("--club", "KEY=NAME", text)
				if err != nil {
					return err
				}
				draft.Clubs = append(draft.Clubs, config.DraftClub{Key: key, Name: name})
			}
			for _, text := range connections {
				key, adapter, err := pairOf("--connection", "NAME=ADAPTER", text)
				if err != nil {
					return err
				}
				draft.Connections = append(draft.Connections, config.DraftConnection{Key: key, Adapter: adapter})
			}
			return c.addAccount(cmd.Context(), draft)
		},
	}
	f := add.Flags()
	f.StringVar(&draft.Name, "name", "", "the customer's name for people; without it the account's")
	f.StringVar(&draft.Country, "country", "", "ISO 3166-1 alpha-2, such as CA")
	f.StringVar(&draft.Timezone, "timezone", "", "IANA zone, such as America/Toronto")
	f.StringArrayVar(&clubs, "club", nil, "a location, as KEY=NAME; leave it out for one location")
	f.StringArrayVar(&connections, "connection", nil, "a system, as NAME=ADAPTER")
	f.StringVar(&draft.Like, "like", "", "an account whose connections and jobs are taken over")
	return group("account", "Add customers", add)
}

// pairOf splits what a flag was given.
func pairOf(flag, form, text string) (key, rest string, err error) {
	key, rest, ok := strings.Cut(text, "=")
	if !ok || key == "" || rest == "" || !accountKey(key) {
		return "", "", usagef("%s wants %s with a KEY in small letters and digits, and not %q", flag, form, text)
	}
	return key, rest, nil
}

// accountKey reports whether a text may be a key and the name of a file. The
// configuration checks the rest.
func accountKey(text string) bool {
	return len(text) <= 64 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// accountAdded is what was written.
type accountAdded struct {
	File     string         `json:"file"`
	Open     []config.Open  `json:"open"`
	Findings []config.Fault `json:"findings"`
}

func (c *cli) addAccount(ctx context.Context, draft config.Draft) error {
	cfg, err := c.load(true)
	if err != nil {
		return err
	}
	if err := checkDraft(cfg, &draft); err != nil {
		return err
	}
	path, err := accountFile(cfg, draft.ID)
	if err != nil {
		return err
	}
	if draft.Schemas, err = draftSchemas(ctx, cfg, draft); err != nil {
		return err
	}
	text, open, err := draft.Write(cfg)
	if err != nil {
		return err
	}
	if err := writeAccount(cfg, path, text); err != nil {
		return err
	}
	// The configuration was well before: with a file that cannot be meant the daemon
	// would not start again.
	if _, err := c.load(true); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	findings, _, err := c.findings(ctx, false)
	if err != nil {
		return fmt.Errorf("check %s, which is written: %w", path, err)
	}
	added := accountAdded{File: path, Open: append([]config.Open{}, open...), Findings: []config.Fault{}}
	for _, f := range findings {
		if filepath.Clean(f.File) == filepath.Clean(path) {
			added.Findings = append(added.Findings, f)
		}
	}
	c.showAdded(added)
	return nil
}

// checkDraft finds what cannot be meant before anything is written.
func checkDraft(cfg *config.Config, draft *config.Draft) error {
	if draft.Name == "" {
		draft.Name = draft.ID
	}
	like, known := cfg.Accounts[draft.Like]
	_, taken := cfg.Accounts[draft.ID]
	switch {
	case !accountKey(draft.ID):
		return usagef("%q is no name of an account: use small letters and digits, with - or _ between", draft.ID)
	case draft.Country == "" || draft.Timezone == "":
		return usagef("`rosterd account add` takes --country CC and --timezone ZONE: phone numbers and schedules are read by them")
	case draft.Like != "" && !known:
		return usagef("--like names the account %q, which there is not", draft.Like)
	case taken:
		return accountExists("account " + draft.ID)
	}
	seen := map[string]bool{}
	for key := range like.Connections {
		seen[key] = true
	}
	for _, one := range draft.Connections {
		if seen[one.Key] {
			return usagef("the connection %q is there twice", one.Key)
		}
		seen[one.Key] = true
	}
	return nil
}

func accountExists(what string) error {
	return &roster.Fault{Code: "account.exists", Message: what + " is there already, and nothing was changed", Hint: "choose another name, or edit its file"}
}

// accountFile is where the configuration looks for the file of an account.
func accountFile(cfg *config.Config, id string) (string, error) {
	name := id + ".yaml"
	for _, pattern := range cfg.Include {
		dir, form := filepath.Split(pattern)
		matches, err := filepath.Match(form, name)
		if err == nil && matches && form != name && !strings.ContainsAny(dir, "*?[") {
			return filepath.Join(dir, name), nil
		}
	}
	return "", &roster.Fault{
		Code: "account.include", Message: cfg.Path + " includes no folder for the files of accounts",
		Hint: "write  include: [accounts.d/*.yaml]  into it, and start the daemon anew: include is not reloaded",
	}
}

// draftSchemas asks every adapter of a draft for its settings.
func draftSchemas(ctx context.Context, cfg *config.Config, draft config.Draft) (map[string]json.RawMessage, error) {
	schemas := map[string]json.RawMessage{}
	for _, one := range draft.Connections {
		schemas[one.Adapter] = nil
	}
	for _, one := range cfg.Accounts[draft.Like].Connections {
		schemas[one.Adapter] = nil
	}
	err := withHost(cfg, func(host *adapters.Host) error {
		for name := range schemas {
			info, err := adapterInfo(ctx, host, name)
			if err != nil {
				return connectionFault(name, err)
			}
			schemas[name] = info.Settings
		}
		return nil
	})
	return schemas, err
}

// writeAccount writes a file that is not there, for those who may read the main
// one.
func writeAccount(cfg *config.Config, path string, text []byte) error {
	main, err := os.Stat(cfg.Path)
	if err != nil {
		return fmt.Errorf("write an account: %w", err)
	}
	if err := makeAccounts(filepath.Dir(path), main); err != nil {
		return fmt.Errorf("make the folder of accounts: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, main.Mode().Perm())
	if errors.Is(err, fs.ErrExist) {
		return accountExists(path)
	}
	if err != nil {
		return fmt.Errorf("write an account: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, sameOwner(path, main), f.Close()); err != nil {
		return fmt.Errorf("write an account: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// makeAccounts makes the folder, where it is not there, for those who may read the
// main configuration.
func makeAccounts(dir string, main fs.FileInfo) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return sameOwner(dir, main)
}

// sameOwner gives a path to the owner and the group of a file: root writes for the
// user that the daemon runs as. Who may not give files away keeps it.
func sameOwner(path string, like fs.FileInfo) error {
	stat, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err := os.Chown(path, int(stat.Uid), int(stat.Gid))
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

func (c *cli) showAdded(added accountAdded) {
	if c.json {
		c.print(map[string]any{"command": "account add", "ok": true, "error": nil, "result": added})
		return
	}
	fmt.Fprintf(c.stdout, "wrote %s\n", added.File)
	if len(added.Open) > 0 {
		fmt.Fprintln(c.stdout, "still to be filled in:")
	}
	for _, o := range added.Open {
		fmt.Fprintf(c.stdout, "  line %-3d %s  %s\n", o.Line, o.Place, o.What)
	}
	for _, f := range added.Findings {
		fmt.Fprintf(c.stdout, "%s\n", f)
	}
	flag := c.configFlag()
	fmt.Fprintf(c.stdout, "next: %s, then %s has the daemon take it over\n",
		strings.TrimSpace("rosterd validate "+flag), strings.TrimSpace("rosterd reload "+flag))
}
