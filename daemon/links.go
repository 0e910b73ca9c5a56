package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func (c *cli) linksCommand() *cobra.Command {
	return group("links", "Look after which record is which in the other system",
		c.linksListCommand(), c.linksMissingCommand(), c.linksShowCommand(), c.linksSetCommand(), c.linksRemoveCommand())
}

func (c *cli) linksListCommand() *cobra.Command {
	var set admin.LinkSet
	var kind string
	filter := roster.LinkFilter{}
	cmd := &cobra.Command{
		Use: "list [ACCOUNT/JOB]", Short: "List links, in the order of the source's ids",
		Long: `List the links of a job, or those from one connection to another (--from, --to). The
two directions between two connections share their links.`,
		Example: "  rosterd links list acme/leads --kind prospect\n  rosterd links list --from acme/crm --to acme/clubsys --kind member",
		Args: func(cmd *cobra.Command, args []string) error {
			pair := set.From != "" && set.To != ""
			if len(args) > 1 || (len(args) == 1) == pair || len(args) == 1 && set.From+set.To != "" || pair && kind == "" {
				return usagef("`%s` takes either ACCOUNT/JOB, or --from, --to and --kind; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				set.Job = args[0]
			}
			kinds, err := c.linkKinds(set.Job, kind)
			if err != nil {
				return err
			}
			if len(kinds) > 1 && filter.After != "" {
				return usagef("`%s` takes --after with --kind only", cmd.CommandPath())
			}
			return c.listLinks(cmd.Context(), set, kinds, filter)
		},
	}
	cmd.Flags().StringVar(&set.From, "from", "", "the connection that is the source (ACCOUNT/CONNECTION)")
	cmd.Flags().StringVar(&set.To, "to", "", "the connection that is the target")
	cmd.Flags().StringVar(&kind, "kind", "", "only records of this kind: staff, lead_source, prospect or member")
	cmd.Flags().StringVar(&filter.After, "after", "", "begin behind this id of the source")
	cmd.Flags().IntVar(&filter.Limit, "limit", 20, "how many of each kind")
	return cmd
}

// linkKinds are the kinds to list: the one that is asked for, or those of the job.
func (c *cli) linkKinds(job, kind string) ([]sdk.Kind, error) {
	if kind != "" {
		return []sdk.Kind{sdk.Kind(kind)}, nil
	}
	cfg, err := c.peek(true)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(cfg.Jobs, func(j roster.Job) bool { return j.Ref == job })
	if at < 0 {
		return []sdk.Kind{sdk.KindMember}, nil // the daemon says which job may be meant
	}
	return cfg.Jobs[at].Kinds, nil
}

// kindLinks are links of one kind, as they are printed in JSON.
type kindLinks struct {
	Kind sdk.Kind `json:"kind"`
	admin.LinkPage
}

func (c *cli) listLinks(ctx context.Context, set admin.LinkSet, kinds []sdk.Kind, filter roster.LinkFilter) error {
	client, done, err := c.reader(ctx)
	if err != nil {
		return err
	}
	defer done()
	all := []kindLinks{}
	for _, kind := range kinds {
		set.Kind = kind
		page, err := client.Links(ctx, set, filter)
		if err != nil {
			return err
		}
		all = append(all, kindLinks{kind, page})
	}
	if c.json {
		c.print(all)
		return nil
	}
	c.showLinks(set, all)
	return nil
}

func (c *cli) showLinks(set admin.LinkSet, all []kindLinks) {
	if !slices.ContainsFunc(all, func(k kindLinks) bool { return len(k.Links) > 0 }) {
		fmt.Fprintln(c.stdout, "no links")
		return
	}
	c.table("KIND\tSOURCE\tTARGET\tORIGIN\tMADE\tCHANGED\tNOTE", func(line func(...any)) {
		for _, k := range all {
			for _, l := range k.Links {
				note := "-"
				if l.Gone {
					note = "gone from the source"
				}
				line(k.Kind, plainText(l.Source), plainText(l.Target), l.Origin, ago(l.Made), ago(l.Changed), note)
			}
		}
	})
	of := set.Job
	if of == "" {
		of = fmt.Sprintf("--from %s --to %s", set.From, set.To)
	}
	for _, k := range all {
		if k.Next != "" {
			fmt.Fprintf(c.stdout, "more: rosterd links list %s%s --kind %s --after '%s'\n", c.configFlag(), of, k.Kind, plainText(k.Next))
		}
	}
}

func (c *cli) linksShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ACCOUNT/JOB KIND ID", Short: "Show the link of a record, and its history", Args: exactly("ACCOUNT/JOB", "KIND", "ID"),
		Long: `Show what a record is linked to, by its id in the source or in the target, with what
became of it: when the link was made, by which run or person, and whether a create
is under way or waits for a person.`,
		Example: "  rosterd links show acme/leads prospect 4711",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			report, err := client.Link(cmd.Context(), admin.LinkSet{Job: args[0], Kind: sdk.Kind(args[1])}, args[2])
			return c.linkShown(report, err)
		},
	}
}

// reasonFlag adds the flag by which a person says why.
func reasonFlag(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", "why, in one line; it is kept in clear, so name nobody")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *reason == "" {
			return usagef("`%s` takes --reason TEXT, which tells others why", cmd.CommandPath())
		}
		return run(cmd, args)
	}
}

func (c *cli) linksSetCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "set ACCOUNT/JOB KIND SOURCE TARGET", Short: "Link two records by hand", Args: exactly("ACCOUNT/JOB", "KIND", "SOURCE", "TARGET"),
		Long: `Link a record of the source with one of the target, in place of another link of the
source's record. The next run that reads the record sends it. A target that is
linked to another record is refused: remove that link first.`,
		Example: `  rosterd links set acme/leads prospect 4711 P-93 --reason "the same person, entered by hand"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.daemon()
			if err != nil {
				return err
			}
			report, err := client.SetLink(cmd.Context(), admin.LinkSet{Job: args[0], Kind: sdk.Kind(args[1])}, args[2], args[3], reason)
			return c.linkShown(report, err)
		},
	}
	reasonFlag(cmd, &reason)
	return cmd
}

func (c *cli) linksRemoveCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "remove ACCOUNT/JOB KIND SOURCE", Short: "Remove the link of a record", Args: exactly("ACCOUNT/JOB", "KIND", "SOURCE"),
		Long: `Remove the link of a record of the source. Both records stay as they are. The next run
that reads the record takes it for one that the target does not have: it is created
there, unless the job has  on_missing: ignore .`,
		Example: `  rosterd links remove acme/leads prospect 4711 --reason "linked to somebody else's record"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.daemon()
			if err != nil {
				return err
			}
			report, err := client.RemoveLink(cmd.Context(), admin.LinkSet{Job: args[0], Kind: sdk.Kind(args[1])}, args[2], reason)
			return c.linkShown(report, err)
		},
	}
	reasonFlag(cmd, &reason)
	return cmd
}

func (c *cli) linkShown(report admin.LinkReport, err error) error {
	if err != nil {
		return err
	}
	if c.json {
		c.print(report)
		return nil
	}
	c.showLink(report)
	return nil
}

func (c *cli) showLink(r admin.LinkReport) {
	fmt.Fprintf(c.stdout, "%s, %s to %s\n", r.Kind, r.From, r.To)
	switch {
	case r.Link != nil:
		fmt.Fprintf(c.stdout, "  source   %s\n  target   %s\n", plainText(r.Link.Source), plainText(r.Link.Target))
		fmt.Fprintf(c.stdout, "  origin   %s %s, changed %s\n", r.Link.Origin, ago(r.Link.Made), ago(r.Link.Changed))
		if r.Link.Gone {
			fmt.Fprintln(c.stdout, "  gone     the target's record was deactivated, because the source's was gone")
		}
	case r.Pending != nil:
		c.showPending(r.Pending)
	default:
		fmt.Fprintln(c.stdout, "  not linked")
	}
	for _, e := range r.History {
		fmt.Fprintf(c.stdout, "  %s  %-11s %s -> %s  by %s", e.At.Format("2006-01-02 15:04:05"), e.What, orDash(plainText(e.Source)), orDash(plainText(e.Target)), plainText(e.By))
		if e.Note != "" {
			fmt.Fprintf(c.stdout, "  (%s)", plainText(e.Note))
		}
		fmt.Fprintln(c.stdout)
	}
}

func (c *cli) showPending(p *admin.Pending) {
	settle := "parked"
	switch {
	case p.State == roster.IntentNew:
		fmt.Fprintln(c.stdout, "  not linked: a person decided that it is to be created")
	case p.Review:
		settle = "review"
		fmt.Fprintf(c.stdout, "  not linked: run %s asked a person %s which record of the target it is\n", p.Run, ago(p.Armed))
	default:
		fmt.Fprintf(c.stdout, "  not linked: its create, attempt %d by run %s %s, is %s\n", p.Attempt, p.Run, ago(p.Armed), p.State)
	}
	if p.Reason != "" {
		fmt.Fprintf(c.stdout, "  why      %s\n", p.Reason)
	}
	if p.Parked != "" {
		fmt.Fprintf(c.stdout, "  settle   rosterd %s show %s%s\n", settle, c.configFlag(), p.Parked)
	}
}
