package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func (c *cli) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how every job stands and what needs a person", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			s, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				c.print(s)
				return nil
			}
			c.showStatus(s)
			return nil
		},
	}
}

func (c *cli) showStatus(s admin.Status) {
	if s.PID == 0 {
		fmt.Fprintln(c.stdout, "no daemon runs; this is what the last one has stored")
	} else {
		fmt.Fprintf(c.stdout, "rosterd %s, pid %d, started %s, public address %s\n", s.Version, s.PID, ago(s.Started), s.PublicURL)
	}
	if len(s.Jobs) == 0 {
		fmt.Fprintln(c.stdout, "no jobs are configured")
		return
	}
	c.table("JOB\tTYPE\tSCHEDULE\tNEXT\tLAST\tNOW", func(line func(...any)) {
		for _, j := range s.Jobs {
			next, last, running := "-", "never run", "-"
			if j.Next != nil {
				next = j.Next.Format("Mon 15:04 MST")
			}
			if j.Paused != nil {
				next = "paused"
			}
			if j.Last != nil {
				last = fmt.Sprintf("%s %s", j.Last.State, ago(j.Last.Asked))
			}
			if j.Running != nil {
				running = progressText(*j.Running)
			}
			line(j.Ref, j.Type, j.Schedule, next, last, running)
		}
	})
	for _, f := range s.Problems {
		fmt.Fprintf(c.stdout, "! %s\n", f.Message)
		if f.Hint != "" {
			fmt.Fprintf(c.stdout, "    %s\n", f.Hint)
		}
		if f.Command != "" {
			fmt.Fprintf(c.stdout, "    %s\n", strings.TrimSpace(f.Command+" "+c.configFlag()))
		}
	}
}

func progressText(run roster.Run) string {
	if run.Waits != "" {
		return fmt.Sprintf("%s: %s", run.State, run.Waits)
	}
	if run.State == roster.RunDelivering && run.Type == roster.JobSync {
		return fmt.Sprintf("delivering %d/%d", changesDone(run.Counts), changesOf(run.Counts))
	}
	if run.State == roster.RunDelivering {
		return fmt.Sprintf("delivering %d/%d", run.Counts.Served, run.Counts.Frozen)
	}
	return fmt.Sprintf("%s %d read", run.State, run.Counts.Read)
}

func (c *cli) connectionsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "connections", Short: "Show the configured systems and the address that inTandem calls", Args: exactly(),
		Long: `Show the configured systems. For an import target the api_uri is printed: the
address to register with inTandem for the app. It holds a secret; treat it as one.
For the target of a sync it is printed what is promised of its creates when an
answer is lost, by kind, in words that a customer can be shown. The daemon asks the
adapters for that; nobody outside is called.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			connections, err := client.Connections(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				c.print(connections)
				return nil
			}
			c.showConnections(connections)
			return nil
		},
	}
}

func (c *cli) showConnections(connections []admin.ConnectionInfo) {
	if len(connections) == 0 {
		fmt.Fprintln(c.stdout, "no connections are configured")
		return
	}
	c.table("CONNECTION\tADAPTER\tABILITIES\tJOBS", func(line func(...any)) {
		for _, n := range connections {
			line(n.Ref, strings.TrimSpace(n.Adapter+" "+n.AdapterVersion), join(n.Abilities), strings.Join(n.Jobs, ", "))
		}
	})
	for _, n := range connections {
		if uri := n.APIURI.Reveal(); uri != "" {
			fmt.Fprintf(c.stdout, "%s  api_uri: %s\n", n.Ref, uri)
		}
		c.showGuarantees(n)
		if n.Check != nil && n.Check.Fault != nil {
			fmt.Fprintf(c.stdout, "! %s: %s\n    %s\n", n.Ref, n.Check.Fault.Message, n.Check.Fault.Hint)
		}
	}
}

// join prints a list of words.
func join[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}
