package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/roster"
)

// sessionShow is the command that tells what came of each page of a session.
func (c *cli) sessionShow() *cobra.Command {
	return &cobra.Command{
		Use: "show SESSION", Short: "Show what came of each page of a session", Args: exactly("SESSION"),
		Long: `Show what came of each page of a session: how many of its clients were served,
and what the target told of them. Until the target has told anything, "-" stands
for what is not known; that needs the setting app_token of the connection.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			report, err := client.Session(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				c.print(report)
				return nil
			}
			c.showReport(report)
			return nil
		},
	}
}

func (c *cli) showReport(r roster.SessionReport) {
	fmt.Fprintf(c.stdout, "session %s, part %d of run %s of %s, is %s: %d of %d clients served\n",
		r.ID, r.Part, r.Run, r.Job, r.State, r.ServedCount(), r.Clients())
	if r.Reason != "" {
		fmt.Fprintln(c.stdout, r.Reason)
	}
	if len(r.Pages) == 0 {
		fmt.Fprintln(c.stdout, "the target has asked for no page")
		return
	}
	c.table("PAGE\tCLIENTS\tSERVED\tCREATED\tUPDATED\tKEPT\tFAILED\tUNKNOWN", func(line func(...any)) {
		for _, p := range r.Pages {
			if p.Outcome == nil {
				line(p.Page, p.Clients, p.Served, "-", "-", "-", "-", p.Unknown)
				continue
			}
			line(p.Page, p.Clients, p.Served, p.Outcome.Created, p.Outcome.Updated, p.Outcome.Kept, p.Outcome.Failed, p.Unknown)
		}
	})
}
