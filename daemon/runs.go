package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/roster"
)

func (c *cli) runsCommand() *cobra.Command {
	var filter roster.RunFilter
	list := &cobra.Command{
		Use:   "runs [RUN]",
		Short: "List runs, or show one",
		Long:  "List runs, the latest first. With the id of a run, show that one with its counts and why it ended so.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("`rosterd runs` takes at most one run")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			if len(args) == 1 {
				run, err := client.Run(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				c.showRun(run)
				return nil
			}
			runs, err := client.Runs(cmd.Context(), filter)
			if err != nil {
				return err
			}
			c.showRuns(runs)
			return nil
		},
	}
	list.Flags().StringVar(&filter.Job, "job", "", "only runs of this job (ACCOUNT/JOB)")
	list.Flags().IntVar(&filter.Limit, "limit", 20, "how many, the latest first")
	return list
}

func (c *cli) showRun(run roster.Run) {
	if c.json {
		c.print(run)
		return
	}
	c.printRun(run)
}

func (c *cli) showRuns(runs []roster.Run) {
	if c.json {
		c.print(runs)
		return
	}
	if len(runs) == 0 {
		fmt.Fprintln(c.stdout, "no runs; start one with `rosterd job run ACCOUNT/JOB`")
		return
	}
	c.table("RUN\tJOB\tSTATE\tASKED\tREAD\tFROZEN\tSKIPPED\tQUARANTINED\tSERVED", func(line func(...any)) {
		for _, r := range runs {
			n := r.Counts
			line(r.ID, r.Job, r.State, ago(r.Asked), n.Read, n.Frozen, n.Skipped, n.Quarantined, n.Served)
		}
	})
}

// printRun prints one run for people.
func (c *cli) printRun(run roster.Run) {
	n := run.Counts
	fmt.Fprintf(c.stdout, "run %s of %s: %s\n", run.ID, run.Job, run.State)
	if run.Waits != "" {
		fmt.Fprintf(c.stdout, "  %s\n", run.Waits)
	}
	fmt.Fprintf(c.stdout, "  read         %7d = frozen + skipped + quarantined\n", n.Read)
	fmt.Fprintf(c.stdout, "  frozen       %7d = served + unserved\n", n.Frozen)
	fmt.Fprintf(c.stdout, "  skipped      %7d\n", n.Skipped)
	fmt.Fprintf(c.stdout, "  quarantined  %7d\n", n.Quarantined)
	fmt.Fprintf(c.stdout, "  served       %7d = created %s + updated %s + kept %s + failed %s + unknown %d\n",
		n.Served, count(n.Created), count(n.Updated), count(n.Kept), count(n.Failed), n.Unknown)
	fmt.Fprintf(c.stdout, "  unserved     %7d\n", n.Unserved)
	for _, w := range run.Warnings {
		fmt.Fprintf(c.stdout, "  warning: %s\n", w)
	}
	if run.Fault != nil {
		fmt.Fprintf(c.stdout, "  %s: %s\n", run.Fault.Code, run.Fault.Message)
		if run.Fault.Hint != "" {
			fmt.Fprintf(c.stdout, "  hint: %s\n", run.Fault.Hint)
		}
	}
	if n.Quarantined > 0 {
		fmt.Fprintf(c.stdout, "  see why: rosterd quarantine list %s--run %s\n", c.configFlag(), run.ID)
	}
}

// configFlag is what a suggested command needs to find the same configuration.
func (c *cli) configFlag() string {
	if c.configPath == "" {
		return ""
	}
	return "--config " + c.configPath + " "
}

// count prints a number that may be unknown.
func count(n *int) string {
	if n == nil {
		return "?"
	}
	return strconv.Itoa(*n)
}

// ago prints a time for people.
func ago(t time.Time) string {
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return t.Format("2006-01-02")
}
