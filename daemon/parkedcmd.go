package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func (c *cli) parkedCommand() *cobra.Command {
	link := c.settleCommand(roster.ParkedLink, "link ID TARGET", "It was done: link the record with the target's id", "ID", "TARGET")
	link.Long = `The create was done, and the record is the one with this id in the target. They are
linked, and the next run compares them.`
	link.Example = "  rosterd parked link 5jxq2mka7ntb P-93"
	create := c.settleCommand(roster.ParkedCreate, "create ID", "It was not done: let the next run send it", "ID")
	create.Long = `The create was not done. The record goes into the quarantine, from where the next run
sends it. Look into the target first: if it was done after all, there will be two.`
	drop := c.settleCommand(roster.ParkedDrop, "drop ID", "Leave the record alone until it changes in the source", "ID")
	drop.Long = `Leave the record alone: it is not sent until it changes in the source.`
	return group("parked", "Settle creates of which nobody knows whether they were done",
		c.parkedListCommand(), c.parkedShowCommand("Show a create that waits, with the record's values"), link, create, drop)
}

func (c *cli) reviewCommand() *cobra.Command {
	link := c.settleCommand(roster.ParkedLink, "link ID TARGET", "It is this one: link the record with the target's id", "ID", "TARGET")
	link.Long = `The new record is the one with this id in the target, one of those that it may be or
another one. They are linked, and the next run compares them.`
	link.Example = "  rosterd review link 5jxq2mka7ntb P-93"
	create := c.settleCommand(roster.ParkedCreate, "create ID", "It is none of them: let the next run create it", "ID")
	create.Long = `The new record is none of those that the target has. It goes into the quarantine, from
where the next run creates it without matching it again.`
	drop := c.settleCommand(roster.ParkedDrop, "drop ID", "Leave the record alone until it changes in the source", "ID")
	drop.Long = `Leave the record alone: it is neither linked nor created until it changes in the source.`
	return group("review", "Say which record of the target a new one is, where a job's match found several",
		c.reviewListCommand(), c.parkedShowCommand("Show a record with those of the target that it may be"), link, create, drop)
}

func (c *cli) reviewListCommand() *cobra.Command {
	return c.parkedLister("List records of which the target has several that each may be", roster.ParkedFilter{Review: true})
}

func (c *cli) parkedListCommand() *cobra.Command {
	return c.parkedLister("List creates that wait for a person, reviews too", roster.ParkedFilter{})
}

func (c *cli) parkedLister(short string, filter roster.ParkedFilter) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: short, Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			page, err := client.Parked(cmd.Context(), filter)
			if err != nil {
				return err
			}
			if c.json {
				c.print(page)
				return nil
			}
			c.showParked(page, filter)
			return nil
		},
	}
	cmd.Flags().StringVar(&filter.Job, "job", "", "only those of this job (ACCOUNT/JOB)")
	cmd.Flags().StringVar(&filter.After, "after", "", "begin behind this id")
	cmd.Flags().IntVar(&filter.Limit, "limit", 20, "how many")
	return cmd
}

func (c *cli) showParked(page admin.ParkedPage, filter roster.ParkedFilter) {
	if len(page.Parked) == 0 {
		fmt.Fprintln(c.stdout, map[bool]string{false: "no creates wait for a person", true: "no records wait for a review"}[filter.Review])
		return
	}
	reviews := 0
	c.table("ID\tJOB\tKIND\tSOURCE\tSENT\tMAY BE\tREASON", func(line func(...any)) {
		for _, p := range page.Parked {
			sent := ago(p.Armed)
			if p.Review {
				sent = "-"
				reviews++
			}
			line(p.ID, p.Job, p.Kind, plainText(p.Source), sent, orDash(plainText(strings.Join(p.Hits, ", "))), p.Reason)
		}
	})
	command, flag := "parked list", c.configFlag()
	if filter.Review {
		command = "review list"
	} else if reviews > 0 {
		fmt.Fprintf(c.stdout, "%s of which nothing was sent: settle with `rosterd review`\n", counted(reviews, "review"))
	}
	if filter.Job != "" {
		flag += "--job " + filter.Job + " "
	}
	if page.Next != "" {
		fmt.Fprintf(c.stdout, "more: rosterd %s %s--after %s\n", command, flag, page.Next)
	}
}

func (c *cli) parkedShowCommand(short string) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: short, Args: exactly("ID"),
		Long: short + ". The values are personal data: mind where you print them.",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			p, err := client.ParkedCreate(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				c.print(p)
				return nil
			}
			c.showParkedCreate(p)
			return nil
		},
	}
}

func (c *cli) showParkedCreate(p admin.ParkedRecord) {
	command, at := "parked", p.Armed.Format("2006-01-02 15:04:05 MST")
	fmt.Fprintf(c.stdout, "%s  %s %s %s, to be created in %s\n", p.ID, p.Job, p.Kind, plainText(p.Source), p.To)
	fmt.Fprintf(c.stdout, "  why      %s\n", p.Reason)
	if p.Review {
		command = "review"
		fmt.Fprintf(c.stdout, "  found    %s, by run %s; nothing was sent\n", at, p.Run)
	} else {
		fmt.Fprintf(c.stdout, "  sent     %s, attempt %d, by run %s\n", at, p.Attempt, p.Run)
	}
	fmt.Fprintf(c.stdout, "  may be   %s\n", orDash(plainText(strings.Join(p.Hits, ", "))))
	fmt.Fprintf(c.stdout, "  record   %s\n", orDash(plainText(string(p.Record))))
	fmt.Fprintf(c.stdout, "look into %s, then one of\n", p.To)
	for _, words := range []string{"link %s%s TARGET", "create %s%s", "drop %s%s"} {
		fmt.Fprintf(c.stdout, "  rosterd "+command+" "+words+"\n", c.configFlag(), p.ID)
	}
}

func (c *cli) settleCommand(verdict roster.ParkedVerdict, use, short string, names ...string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: exactly(names...),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.daemon()
			if err != nil {
				return err
			}
			target := ""
			if len(args) > 1 {
				target = args[1]
			}
			p, err := client.SettleParked(cmd.Context(), args[0], verdict, target)
			if err != nil {
				return err
			}
			if c.json {
				c.print(p)
				return nil
			}
			c.showSettled(p, verdict, target)
			return nil
		},
	}
}

func (c *cli) showSettled(p roster.Parked, verdict roster.ParkedVerdict, target string) {
	what := fmt.Sprintf("%s %s of %s", p.Kind, plainText(p.Source), p.Job)
	switch verdict {
	case roster.ParkedLink:
		fmt.Fprintf(c.stdout, "%s is linked with %s; the next run compares them\n", what, plainText(target))
	case roster.ParkedCreate:
		fmt.Fprintf(c.stdout, "%s is created by the next run; start it with `rosterd job run %s%s`\n", what, c.configFlag(), p.Job)
	case roster.ParkedDrop:
		fmt.Fprintf(c.stdout, "%s is left alone until it changes in the source\n", what)
	}
}
