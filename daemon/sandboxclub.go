package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/sandbox/club"
)

// clubFlags are the flags of `rosterd sandbox club` that are not options of the
// platform as they stand.
type clubFlags struct {
	listen, control string
	clubs           []string
	people          int
	lose            float64
	faults          []string
}

func (c *cli) sandboxClubCommand() *cobra.Command {
	o := club.Options{Now: time.Now}
	var flags clubFlags
	cmd := &cobra.Command{
		Use: "club", Short: "Run a simulated club-management system", Args: exactly(),
		Long: `Run a simulated club-management system: clubs, staff, lead sources, prospects and
members over HTTP and JSON. It can be the source of a sync and its target. What
it keeps is gone when it ends.

It tells its address and its calls on standard error, and prints on standard output
the file by which a connection with the adapter rest speaks to it. Which calls it
has, what it offers against records that are created twice (--class), and what goes
wrong are switches:

  rosterd sandbox club --people 600 --club 12=Downtown --club 13=Airport
  rosterd sandbox club --class C --lose 0.25 --exec-lag 100ms > club.rest.yaml
  rosterd sandbox club --without create --fault '*.too_many=0.1' --normalise

With --people it has prospects with owners and lead sources, as a CRM has them.
Without, it has staff and two lead sources, as a system before the first sync.

--control serves on another address what a test may ask and set: /control/state,
/control/creates, /control/duplicates, /control/records, /control/faults and
/control/wait.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(credentials(&o), flags.into(&o)); err != nil {
				return err
			}
			o.Logger = slog.New(slog.NewTextHandler(c.stderr, nil))
			return c.runClub(cmd.Context(), o, flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.listen, "listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	f.StringVar(&flags.control, "control", "", "address of the control API, for tests; none without it")
	f.StringArrayVar(&flags.clubs, "club", nil, "a club, as `ID=NAME`; may be repeated (default 12=Downtown and 13=Airport)")
	f.IntVar(&flags.people, "people", 0, "number of prospects that are there from the start")
	f.Float64Var(&flags.lose, "lose", 0, "`probability` that the answer of a create is lost; short for --fault create.lose_answer, save and upsert")
	f.StringArrayVar(&flags.faults, "fault", nil, fmt.Sprintf("what goes wrong, as `CALL.FAULT=PROBABILITY`; may be repeated; * is every call with no fault of its own; the faults are %v", club.Faults()))
	f.StringVar(&o.Token, "token", "sandbox", "bearer token that callers must send; any when empty")
	f.StringVar(&o.Username, "username", "", "user name that callers must send, with --password, in place of the token")
	f.StringVar(&o.Password, "password", "", "password that callers must send with --username")
	f.StringVar((*string)(&o.Class), "class", string(club.ClassC), fmt.Sprintf("what creates can be held to: one of %v", club.Classes()))
	f.DurationVar(&o.KeyTTL, "key-ttl", 24*time.Hour, "how long class A remembers an idempotency key")
	f.DurationVar(&o.ExecLag, "exec-lag", 0, "longest time after which a request with the fault late takes effect")
	f.DurationVar(&o.IndexLag, "index-lag", 0, "time for which lists and searches do not show a new record")
	f.StringSliceVar(&o.Without, "without", nil, "`CALLS` that it lacks, such as create or member.list")
	f.BoolVar(&o.SameRecord, "same-record", false, "a prospect becomes a member by an update and keeps its id; there is no call convert")
	f.BoolVar(&o.Normalise, "normalise", false, "change names, e-mail addresses and phone numbers before they are stored")
	f.StringVar((*string)(&o.Update), "update", string(club.Patch), "what an update does to fields that it does not carry: patch or replace")
	f.StringSliceVar(&o.Required, "required", nil, "`FIELDS` that people must have (default first_name,last_name)")
	f.StringToIntVar(&o.MaxLength, "max-length", nil, "largest number of characters, as `FIELD=N`")
	f.BoolVar(&o.ErrorsIn200, "errors-in-200", false, "answer errors with status 200 and \"ok\": false")
	f.StringVar((*string)(&o.Paging), "paging", string(club.PageNumbers), "how lists are paged: page, offset or cursor")
	f.IntVar(&o.PerPage, "per-page", 50, "records of a page where a request names no number")
	f.IntVar(&o.Limit.PerSecond, "per-second", 0, "largest number of calls a second; 0 is any")
	f.IntVar(&o.Limit.PerMinute, "per-minute", 0, "largest number of calls a minute; 0 is any")
	f.IntVar(&o.Limit.PerDay, "per-day", 0, "largest number of calls a day; 0 is any")
	f.DurationVar(&o.RetryAfter, "retry-after", time.Second, "wait that the faults too_many and unavailable name, in both forms")
	f.Uint64Var(&o.Seed, "seed", rand.Uint64(), "makes ids and faults the same in each run")
	f.Lookup("seed").DefValue = "random" // help says the same each time
	return cmd
}

// credentials makes callers send a password in place of the token, where there is a
// user name.
func credentials(o *club.Options) error {
	switch {
	case o.Username == "" && o.Password == "":
	case o.Username == "" || o.Password == "":
		return usagef("--username and --password go together")
	default:
		o.Token = ""
	}
	return nil
}

// into puts the flags into the options, and says what is wrong with them.
func (f clubFlags) into(o *club.Options) error {
	for _, text := range f.clubs {
		id, name, _ := strings.Cut(text, "=")
		if id == "" {
			return usagef("--club wants an id and a name such as 12=Downtown, and not %q", text)
		}
		if name == "" {
			name = id
		}
		o.Clubs = append(o.Clubs, club.Club{ID: id, Name: name})
	}
	o.Faults = club.Plan{}
	plan := func(call club.Call, fault club.Fault, chance float64) {
		if o.Faults[call] == nil {
			o.Faults[call] = map[club.Fault]float64{}
		}
		o.Faults[call][fault] = chance
	}
	if f.lose != 0 {
		for _, call := range []club.Call{club.CallCreate, club.CallSave, club.CallUpsert} {
			plan(call, club.LoseAnswer, f.lose)
		}
	}
	for _, text := range f.faults {
		name, number, _ := strings.Cut(text, "=")
		call, fault, ok := strings.Cut(name, ".")
		chance, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil {
			return usagef("--fault wants a text such as create.late=0.1, and not %q", text)
		}
		plan(club.Call(call), club.Fault(fault), chance)
	}
	if f.people < 0 || f.people > 1_000_000 {
		return usagef("--people is between 0 and 1000000, and not %d", f.people)
	}
	o.Records = club.SeedTarget(o.Clubs...)
	if f.people > 0 {
		o.Records = club.Seed(f.people, o.Clubs...)
	}
	if err := o.Validate(); err != nil {
		return usagef("%w", err)
	}
	return nil
}

// runClub serves until ctx ends.
func (c *cli) runClub(ctx context.Context, o club.Options, flags clubFlags) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", flags.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	p := club.New(o)
	said := clubSaid{
		Type: "listening", Address: l.Addr().String(), URL: "http://" + l.Addr().String(), Token: o.Token, Username: o.Username,
		Class: o.Class, Clubs: o.Clubs, Calls: p.Calls(), Seed: strconv.FormatUint(o.Seed, 10),
	}
	if len(said.Clubs) == 0 {
		said.Clubs = club.DefaultClubs()
	}
	if flags.control != "" {
		control, err := (&net.ListenConfig{}).Listen(ctx, "tcp", flags.control)
		if err != nil {
			_ = l.Close() // nothing was served on it
			return fmt.Errorf("--control: %w", err)
		}
		said.Control = "http://" + control.Addr().String()
		p.StartControl(control)
	}
	p.Start(l)
	if said.Example, err = p.Example(said.URL); err == nil {
		c.sayClub(said)
		<-ctx.Done()
	}
	if closing := p.Close(); err == nil {
		err = closing
	}
	return err
}

// clubSaid is what the command prints.
type clubSaid struct {
	Type    string `json:"type"`
	Address string `json:"address"`
	URL     string `json:"url"`
	Control string `json:"control,omitempty"`
	Token   string `json:"token"`
	// Username is there where callers send a password and no token.
	Username string      `json:"username,omitempty"`
	Class    club.Class  `json:"class"`
	Clubs    []club.Club `json:"clubs"`
	Calls    []string    `json:"calls"`
	// Seed is a text, since not every reader of JSON keeps 64 bits.
	Seed    string `json:"seed"`
	Example string `json:"example"`
}

// sayClub prints the file for the adapter rest alone on standard output, so that it
// can be redirected.
func (c *cli) sayClub(said clubSaid) {
	if c.json {
		c.print(said)
		return
	}
	fmt.Fprintf(c.stderr, "simulated club platform on %s\n", said.URL)
	if said.Control != "" {
		fmt.Fprintf(c.stderr, "  control  %s/control/state\n", said.Control)
	}
	token, header := said.Token, "-H 'Authorization: Bearer "+said.Token+"'"
	switch {
	case said.Username != "":
		token, header = "none: the user name is "+said.Username, "-u "+said.Username+":PASSWORD"
	case token == "":
		token = "any"
	}
	fmt.Fprintf(c.stderr, "  token    %s\n  class    %s\n  seed     %s\n", token, said.Class, said.Seed)
	for _, one := range said.Clubs {
		fmt.Fprintf(c.stderr, "  club     %s (%s)\n", one.ID, one.Name)
	}
	for _, k := range club.Kinds() {
		var calls []string
		for _, name := range said.Calls {
			if call, ok := strings.CutPrefix(name, string(k)+"."); ok {
				calls = append(calls, call)
			}
		}
		fmt.Fprintf(c.stderr, "  %-11s %s\n", k, strings.Join(calls, ", "))
	}
	fmt.Fprintf(c.stderr, "try it:  curl %s %s/v1/staff\nto sync with it, save what is on standard output, as with  > club.rest.yaml\n", header, said.URL)
	fmt.Fprint(c.stdout, said.Example)
}
