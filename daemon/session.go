package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func (c *cli) sessionCommand() *cobra.Command {
	var filter roster.SessionFilter
	list := &cobra.Command{
		Use: "list", Short: "List import sessions, the latest first", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			sessions, err := client.Sessions(cmd.Context(), filter)
			if err != nil {
				return err
			}
			c.showSessions(sessions, filter)
			return nil
		},
	}
	list.Flags().StringVar(&filter.Run, "run", "", "only sessions of this run")
	list.Flags().BoolVar(&filter.Open, "open", false, "only sessions that are not over")
	list.Flags().IntVar(&filter.Limit, "limit", 20, "how many")
	retry := c.sessionAction("retry", "Announce a parked session once more", (*admin.Client).RetrySession)
	retry.Long = `Announce a parked session once more. It is parked because nothing proved that
the target took the announcement. Look there first: if the import has begun after
all, a second one would bring the same clients again.`
	end := c.sessionAction("close", "End a session; what was not served is counted as unserved", (*admin.Client).CloseSession)
	end.Long = `End a session, so that its run ends and the business is free for the next import.
Clients that were not served are counted as unserved; the next run brings them.`
	return group("session", "Look after import sessions", list, c.sessionShow(), retry, end)
}

func (c *cli) sessionAction(
	name, short string, act func(*admin.Client, context.Context, string) (roster.Session, error),
) *cobra.Command {
	return &cobra.Command{
		Use: name + " SESSION", Short: short, Args: exactly("SESSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.daemon()
			if err != nil {
				return err
			}
			session, err := act(client, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				c.print(session)
				return nil
			}
			fmt.Fprintf(c.stdout, "session %s is %s\n", session.ID, session.State)
			return nil
		},
	}
}

func (c *cli) showSessions(sessions []roster.Session, filter roster.SessionFilter) {
	if c.json {
		c.print(sessions)
		return
	}
	if len(sessions) == 0 {
		if filter.Run != "" || filter.Open {
			fmt.Fprintln(c.stdout, "no such sessions")
		} else {
			fmt.Fprintln(c.stdout, "no sessions; an import job makes them")
		}
		return
	}
	c.table("SESSION\tRUN\tPART\tSTATE\tBUSINESS\tCLIENTS\tSERVED\tTOUCHED\tREASON", func(line func(...any)) {
		for _, s := range sessions {
			line(s.ID, s.Run, s.Part, s.State, s.Business, s.Clients(), s.ServedCount(), ago(s.Touched), s.Reason)
		}
	})
}
