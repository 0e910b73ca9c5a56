package main

import (
	"fmt"
	"slices"
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
		Long: `List runs, the latest first. With the id of a run, show that one with its counts and
why it ended so. What happened in it step by step is in the log; under systemd
"journalctl -u rosterd ROSTERD_RUN=RUN" shows that of a run, ROSTERD_JOB=ACCOUNT/JOB
that of a job.`,
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
	c.tableOf(runs, roster.JobImport, "RUN\tJOB\tSTATE\tASKED\tREAD\tFROZEN\tSKIPPED\tQUARANTINED\tSERVED", func(n roster.Counts) []any {
		return []any{n.Read, n.Frozen, n.Skipped, n.Quarantined, n.Served}
	})
	c.tableOf(runs, roster.JobSync, "RUN\tJOB\tSTATE\tASKED\tREAD\tCREATED\tUPDATED\tDEACTIVATED\tUNCHANGED\tSKIPPED\tQUARANTINED\tWAITING",
		func(n roster.Counts) []any {
			return []any{n.Read, known(n.Created), known(n.Updated), n.Deactivated, n.Unchanged, n.Skipped, n.Quarantined, n.Waiting}
		})
}

// tableOf prints the runs of one type, with their counts.
func (c *cli) tableOf(runs []roster.Run, of roster.JobType, head string, counts func(roster.Counts) []any) {
	if !slices.ContainsFunc(runs, func(r roster.Run) bool { return r.Type == of }) {
		return
	}
	c.table(head, func(line func(...any)) {
		for _, r := range runs {
			if r.Type == of {
				line(append([]any{r.ID, r.Job, r.State, ago(r.Asked)}, counts(r.Counts)...)...)
			}
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
	if run.Type == roster.JobSync {
		c.printSyncCounts(run)
	} else {
		c.printImportCounts(n)
	}
	c.printEnding(run)
}

func (c *cli) printImportCounts(n roster.Counts) {
	fmt.Fprintf(c.stdout, "  read         %7d = frozen + skipped + quarantined\n", n.Read)
	fmt.Fprintf(c.stdout, "  frozen       %7d = served + unserved\n", n.Frozen)
	fmt.Fprintf(c.stdout, "  skipped      %7d\n", n.Skipped)
	fmt.Fprintf(c.stdout, "  quarantined  %7d\n", n.Quarantined)
	fmt.Fprintf(c.stdout, "  served       %7d = created %s + updated %s + kept %s + failed %s + unknown %d\n",
		n.Served, count(n.Created), count(n.Updated), count(n.Kept), count(n.Failed), n.Unknown)
	fmt.Fprintf(c.stdout, "  unserved     %7d\n", n.Unserved)
}

// printSyncCounts prints what a sync has done or, until it delivers, would do.
func (c *cli) printSyncCounts(run roster.Run) {
	n := run.Counts
	if n.Created == nil && changesOf(n) > 0 || run.State == roster.RunPlanned || run.State == roster.RunBlocked {
		fmt.Fprintf(c.stdout, "  read         %7d = to create %d + to update %d + to link %d + unchanged %d + skipped %d + quarantined %d + waiting %d\n",
			n.Read, n.ToCreate, n.ToUpdate, n.ToLink, n.Unchanged, n.Skipped, n.Quarantined, n.Waiting)
		fmt.Fprintf(c.stdout, "  to deactivate%7d\n", n.ToDeactivate)
		return
	}
	fmt.Fprintf(c.stdout, "  read         %7d = created %d + updated %d + linked %d + unchanged %d + skipped %d + quarantined %d + waiting %d\n",
		n.Read, known(n.Created), known(n.Updated), n.Linked, n.Unchanged, n.Skipped, n.Quarantined, n.Waiting)
	fmt.Fprintf(c.stdout, "  deactivated  %7d\n", n.Deactivated)
	if n.Remaining > 0 {
		fmt.Fprintf(c.stdout, "  still to be  %7d\n", n.Remaining)
	}
}

// printEnding prints why a run ended so, and what to look at next.
func (c *cli) printEnding(run roster.Run) {
	n := run.Counts
	if run.Again != nil {
		fmt.Fprintf(c.stdout, "  it goes on by itself at %s\n", run.Again.Format(dueFormat))
	}
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
	if n.Waiting > 0 && run.State.Ended() && run.Again == nil {
		fmt.Fprintf(c.stdout, "  see what waits: rosterd parked list %s--job %s\n", c.configFlag(), run.Job)
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

// known is a number that is 0 until it is known.
func known(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// changesDone is how many of its changes a run has made.
func changesDone(c roster.Counts) int { return known(c.Created) + known(c.Updated) + c.Deactivated }

// ago prints a time for people.
func ago(t time.Time) string { return agoAt(t, time.Now()) }

// agoAt prints a time as it is seen at now.
func agoAt(t, now time.Time) string {
	d := now.Sub(t)
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
