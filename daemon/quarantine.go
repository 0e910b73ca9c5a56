package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func (c *cli) quarantineCommand() *cobra.Command {
	var filter roster.QuarantineFilter
	list := &cobra.Command{
		Use: "list", Short: "List refused records, grouped by cause", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			groups, err := client.QuarantineGroups(cmd.Context(), roster.QuarantineFilter{Job: filter.Job, Run: filter.Run})
			if err != nil {
				return err
			}
			if filter.Code != "" {
				groups = slices.DeleteFunc(groups, func(g roster.QuarantineGroup) bool { return g.Code != filter.Code })
			}
			page, err := client.Quarantine(cmd.Context(), filter)
			if err != nil {
				return err
			}
			if c.json {
				c.print(map[string]any{"groups": groups, "quarantined": page.Records, "next": page.Next})
				return nil
			}
			c.showQuarantine(groups, page, filter)
			return nil
		},
	}
	list.Flags().StringVar(&filter.Job, "job", "", "only records of this job (ACCOUNT/JOB)")
	list.Flags().StringVar(&filter.Run, "run", "", "only records that this run refused")
	list.Flags().StringVar(&filter.Code, "code", "", "only records of this cause")
	list.Flags().StringVar(&filter.After, "after", "", "begin behind this record")
	list.Flags().IntVar(&filter.Limit, "limit", 20, "how many records")
	show := &cobra.Command{
		Use: "show RECORD", Short: "Show one refused record with its values", Args: exactly("RECORD"),
		Long: "Show one refused record with its values. They are personal data: mind where you print them.",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			q, err := client.Quarantined(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				c.print(q)
				return nil
			}
			c.showQuarantined(q)
			return nil
		},
	}
	return group("quarantine", "Look after refused records", list, show, c.replayCommand(), c.dropCommand())
}

func (c *cli) showQuarantine(groups []roster.QuarantineGroup, page admin.QuarantinePage, filter roster.QuarantineFilter) {
	switch {
	case len(groups) == 0 && filter.Job+filter.Run+filter.Code == "":
		fmt.Fprintln(c.stdout, "no records in quarantine")
		return
	case len(groups) == 0:
		fmt.Fprintf(c.stdout, "no such records in quarantine; `rosterd quarantine list%s` lists all\n", strings.TrimRight(" "+c.configFlag(), " "))
		return
	}
	c.table("COUNT\tSTAGE\tCODE\tREASON", func(line func(...any)) {
		for _, g := range groups {
			line(g.Count, g.Stage, g.Code, g.Reason)
		}
	})
	fmt.Fprintln(c.stdout)
	c.table("ID\tJOB\tKIND\tRECORD\tPOSITION\tCODE\tREFUSED", func(line func(...any)) {
		for _, q := range page.Records {
			line(q.ID, q.Job, q.Kind, orDash(plainText(q.Record)), orDash(plainText(q.Position)), q.Code, ago(q.At))
		}
	})
	if page.Next != "" {
		fmt.Fprintf(c.stdout, "more: rosterd quarantine list %s%s--after %s\n", c.configFlag(), flagsOf(filter), page.Next)
	}
}

// flagsOf are the flags that ask for the same records.
func flagsOf(f roster.QuarantineFilter) string {
	var flags strings.Builder
	for _, flag := range [][2]string{{"job", f.Job}, {"run", f.Run}, {"code", f.Code}} {
		if flag[1] != "" {
			fmt.Fprintf(&flags, "--%s %s ", flag[0], flag[1])
		}
	}
	return flags.String()
}

func (c *cli) showQuarantined(q roster.Quarantined) {
	fmt.Fprintf(c.stdout, "%s  %s %s %s\n", q.ID, q.Job, q.Kind, orDash(plainText(q.Record)))
	fmt.Fprintf(c.stdout, "  where    %s, stage %s, run %s\n", orDash(plainText(q.Position)), q.Stage, q.Run)
	fmt.Fprintf(c.stdout, "  why      %s: %s\n", q.Code, q.Reason)
	fmt.Fprintf(c.stdout, "  refused  %s\n", q.At.Format("2006-01-02 15:04:05 MST"))
	fmt.Fprintf(c.stdout, "  record   %s\n", orDash(plainText(string(q.Payload))))
	if q.Stage == roster.StageRead {
		fmt.Fprintf(c.stdout, "  next     mend it in the source; the next run of the job reads it again\n")
		return
	}
	fmt.Fprintf(c.stdout, "  next     mend the cause in the source, the script or the target; the next run of the job tries it again, or at once\n")
	fmt.Fprintf(c.stdout, "           rosterd quarantine replay %s%s --watch\n", c.configFlag(), q.ID)
}
