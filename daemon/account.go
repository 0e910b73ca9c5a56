package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/turnup"
)

// accountFlags are what `rosterd account add` is given.
type accountFlags struct {
	name, country, timezone, like, from   string
	clubs, connections                    []string
	clientIDs, clubIDs, settings, secrets []string
	dryRun, unchecked, silent             bool
}

func (c *cli) accountCommand() *cobra.Command {
	var flags accountFlags
	add := &cobra.Command{
		Use: "add ACCOUNT", Short: "Take in a new customer: ask, try the systems, write the file", Args: exactly("ACCOUNT"),
		Long: `Write ACCOUNT.yaml into the folder of the first pattern of the configuration's include
that takes such a name, as accounts.d/*.yaml does. A file that is there is never changed.

What is needed comes from flags, from a file (--from: an account as it would stand in the
configuration, in which anything may be missing; - is standard input) and, where something
is missing and somebody sits at a terminal, from questions: the client id and the clubs'
ids in each system, how it is reached, and the settings that its adapter has. A relative
path in a setting counts from ACCOUNT.yaml, as it does in every file of the configuration.

Secrets stand in files of their own that only the daemon's user reads, in the folder secrets beside the
configuration, and nowhere else. --secret takes one from a file (=@FILE), from standard
input (=-), or asks for it; it takes none from the command line, which others can see. A
reference, as '={credential: NAME}', is written as it is.

Each system whose settings are complete is then tried: does it answer, does it take the
credentials, which clubs and staff does it have, and which of them would be linked? Only
when all is well is anything written, and what cannot be read afterwards is removed
again. --no-check writes without asking the systems. --dry-run shows all and writes nothing.

--like takes over the connections and jobs of another account, but leaves open the ids in
the systems, the settings that are required or called id or uid, and secrets; its jobs are
manual until their schedules are confirmed.

What nobody has answered stands in the file as a comment, so that a daemon that is started
meanwhile reads it as it is, and is listed. When nothing is missing any more, "rosterd
reload" has the daemon take it over.`,
		Example: `  rosterd account add zenith
  rosterd account add zenith --from zenith-answers.yaml --dry-run
  rosterd account add zenith --name "Zenith Gyms" --country CA --timezone America/Toronto \
    --club downtown=Downtown --connection crm=rest --client-id crm=456 --club-id crm.downtown=12 \
    --set crm.config=crm.rest.yaml --set crm.base_url=https://crm.example.com \
    --set crm.username=sync --secret crm.password=@password.txt
  rosterd account add zenith --name "Zenith Gyms" --country CA --timezone America/Toronto --like acme`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.addAccount(cmd.Context(), args[0], flags)
		},
	}
	f := add.Flags()
	f.StringVar(&flags.name, "name", "", "the customer's name for people; without it the account's")
	f.StringVar(&flags.country, "country", "", "ISO 3166-1 alpha-2, such as CA")
	f.StringVar(&flags.timezone, "timezone", "", "IANA zone, such as America/Toronto")
	f.StringArrayVar(&flags.clubs, "club", nil, "a location, as KEY=NAME; leave it out for one location")
	f.StringArrayVar(&flags.connections, "connection", nil, "a system, as NAME=ADAPTER")
	f.StringArrayVar(&flags.clientIDs, "client-id", nil, "the account's id in a system, as CONNECTION=ID")
	f.StringArrayVar(&flags.clubIDs, "club-id", nil, "a club's id in a system, as CONNECTION.CLUB=ID")
	f.StringArrayVar(&flags.settings, "set", nil, "a setting of a connection, as CONNECTION.SETTING=VALUE")
	f.StringArrayVar(&flags.secrets, "secret", nil, "a secret of a connection: CONNECTION.SETTING=@FILE, CONNECTION.SETTING=- for standard input, a reference, or CONNECTION.SETTING to be asked")
	f.StringVar(&flags.like, "like", "", "an account whose connections and jobs are taken over")
	f.StringVar(&flags.from, "from", "", "a `file` of answers; - is standard input")
	f.BoolVar(&flags.dryRun, "dry-run", false, "try the systems and show what would be written, and write nothing")
	f.BoolVar(&flags.unchecked, "no-check", false, "write without trying the systems")
	f.BoolVar(&flags.silent, "no-ask", false, "ask nothing, also at a terminal")
	return group("account", "Add customers", add)
}

// turnUp is an account on its way into the configuration.
type turnUp struct {
	*cli
	flags accountFlags
	cfg   *config.Config
	draft config.Draft
	files accountFiles
	// dialogue is nil where nobody can be asked.
	dialogue *turnup.Dialogue
	// unchecked are the connections that are not to be tried.
	unchecked map[string]bool
}

func (c *cli) addAccount(ctx context.Context, id string, flags accountFlags) error {
	cfg, err := c.load(true)
	if err != nil {
		return err
	}
	t := &turnUp{cli: c, flags: flags, cfg: cfg, unchecked: map[string]bool{}}
	if err := t.gather(ctx, id); err != nil {
		return err
	}
	asked, err := t.ask(ctx)
	if err != nil {
		return err
	}
	if err := t.named(); err != nil {
		return err
	}
	added, err := t.preview(ctx)
	if err != nil {
		return err
	}
	if flags.dryRun {
		c.showAdded(added)
		return nil
	}
	if asked {
		if err := t.confirm(ctx, added); err != nil {
			return err
		}
	}
	if added.Findings, err = t.write(ctx, added); err != nil {
		return err
	}
	c.showAdded(added)
	return nil
}

// gather takes what flags and the file of answers give.
func (t *turnUp) gather(ctx context.Context, id string) (err error) {
	open := false // the file of answers is to be read by others
	if t.flags.from != "" {
		if t.draft, open, err = t.readAnswers(); err != nil {
			return err
		}
	}
	t.draft.ID, t.draft.Like = id, t.flags.like
	if err := t.merge(); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	if t.files, err = filesOf(t.cfg, id); err != nil {
		return err
	}
	t.draft.SecretsDir = t.files.secretsFromAccount()
	t.draft.Schemas = map[string]json.RawMessage{}
	for _, one := range t.draft.Systems(t.cfg) {
		if err := t.learn(ctx, &t.draft, one.Adapter); err != nil {
			return err
		}
	}
	if err := t.draft.CheckSettings(t.cfg); err != nil {
		return err
	}
	secrets, err := t.draft.PartSecrets(t.cfg)
	if err != nil {
		return err
	}
	if secrets && open {
		return usagef("%s holds secrets, and others than you may read it: `chmod go-rwx %s` first", t.flags.from, t.flags.from)
	}
	return t.settings(ctx)
}

// maxAnswers bounds a file of answers, and a secret, in bytes.
const maxAnswers = 1 << 20

// readAnswers reads the file of answers; open says that others may read it.
func (t *turnUp) readAnswers() (draft config.Draft, open bool, err error) {
	name, in := "standard input", t.stdin
	if t.flags.from != "-" {
		f, err := os.Open(t.flags.from)
		if err != nil {
			return draft, false, usagef("--from: %w", err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return draft, false, usagef("--from: %w", err)
		}
		name, in, open = t.flags.from, f, info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0
	}
	text, err := readBounded(in)
	if err != nil {
		return draft, false, usagef("--from: %w", err)
	}
	draft, err = config.ReadAnswers(name, text)
	return draft, open, err
}

func readBounded(in io.Reader) ([]byte, error) {
	if in == nil {
		return nil, fmt.Errorf("there is no standard input")
	}
	text, err := io.ReadAll(io.LimitReader(in, maxAnswers+1))
	if err == nil && len(text) > maxAnswers {
		err = fmt.Errorf("it is over %d bytes", maxAnswers)
	}
	return text, err
}

// merge puts the flags over the file of answers.
func (t *turnUp) merge() error {
	d := &t.draft
	for from, to := range map[*string]*string{&t.flags.name: &d.Name, &t.flags.country: &d.Country, &t.flags.timezone: &d.Timezone} {
		if *from != "" {
			*to = *from
		}
	}
	for _, text := range t.flags.clubs {
		key, name, err := pairOf("--club", "KEY=NAME", text)
		if err != nil {
			return err
		}
		d.Clubs = slices.DeleteFunc(d.Clubs, func(c config.DraftClub) bool { return c.Key == key })
		d.Clubs = append(d.Clubs, config.DraftClub{Key: key, Name: name})
	}
	like := t.cfg.Accounts[d.Like].Connections
	kept := d.Connections[:0]
	for _, one := range d.Connections {
		of, taken := like[one.Key]
		if !taken {
			kept = append(kept, one)
		} else if one.Adapter != "" && one.Adapter != of.Adapter {
			return usagef("%s gives connection %q the adapter %s, and account %s has %s there", t.flags.from, one.Key, one.Adapter, d.Like, of.Adapter)
		}
	}
	d.Connections = kept
	for _, text := range t.flags.connections {
		key, adapter, err := pairOf("--connection", "NAME=ADAPTER", text)
		if err != nil {
			return err
		}
		d.Connections = append(d.Connections, config.DraftConnection{Key: key, Adapter: adapter})
	}
	return nil
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

// check finds what cannot be meant before anybody is asked.
func (t *turnUp) check() error {
	d := &t.draft
	like, known := t.cfg.Accounts[d.Like]
	_, taken := t.cfg.Accounts[d.ID]
	switch {
	case !accountKey(d.ID):
		return usagef("%q is no name of an account: use small letters and digits, with - or _ between", d.ID)
	case d.Like != "" && !known:
		return usagef("--like names the account %q, which there is not", d.Like)
	case taken:
		return accountExists("account " + d.ID)
	}
	seen := map[string]bool{}
	for key := range like.Connections {
		seen[key] = true
	}
	for _, one := range d.Connections {
		if seen[one.Key] {
			return usagef("the connection %q is there twice", one.Key)
		}
		if one.Adapter == "" {
			return usagef("connection %q has no adapter: write  adapter: NAME  into %s", one.Key, t.flags.from)
		}
		seen[one.Key] = true
	}
	return nil
}

// named checks what every account has, once it has been asked for.
func (t *turnUp) named() error {
	if t.draft.Name == "" {
		t.draft.Name = t.draft.ID
	}
	if t.draft.Country == "" || t.draft.Timezone == "" {
		return usagef("`rosterd account add` takes --country CC and --timezone ZONE: phone numbers and schedules are read by them")
	}
	return nil
}

func accountExists(what string) error {
	return &roster.Fault{Code: "account.exists", Message: what + " is there already, and nothing was changed", Hint: "choose another name, or edit its file"}
}

// learn asks an adapter for its settings.
func (t *turnUp) learn(ctx context.Context, draft *config.Draft, adapter string) error {
	if _, ok := draft.Schemas[adapter]; ok {
		return nil
	}
	return withHost(t.cfg, func(host *adapters.Host) error {
		info, err := adapterInfo(ctx, host, adapter)
		if err != nil {
			return connectionFault(adapter, err)
		}
		draft.Schemas[adapter] = info.Settings
		return nil
	})
}
