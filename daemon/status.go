package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func (c *cli) statusCommand() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show how every job stands and what needs a person", Args: exactly(),
		Long: `Show on one screen how every job stands: its last run, when a run last left nothing
behind, whether its schedule is kept, its next run and what it does at this moment;
what is left of the limits of requests that its connections keep, where their adapters
run; then what needs a person, each with the command that mends it or shows more.

A due time is met by a run that was asked for at it or later and has delivered, also
where it left some records behind. By that a schedule is
  fresh   every due time is met, or the first that is not is at most 15 minutes ago
  late    it is longer ago
  stale   a second due time is not met either, and 15 minutes are over since
  -       the job is manual or paused, or no run has delivered and no daemon runs
Where no run has delivered, due times count from the start of the daemon.

With --watch the screen is drawn anew every 2 seconds until Ctrl-C, which ends the
command with 0; with --json too, as an object a line. A daemon that goes away
meanwhile is told and waited for.`,
		Example: "  rosterd status --watch",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return c.watchStatus(cmd)
			}
			return c.oneStatus(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "show it again every 2 seconds until Ctrl-C")
	return cmd
}

// oneStatus asks once and prints the answer.
func (c *cli) oneStatus(ctx context.Context) error {
	client, done, err := c.reader(ctx)
	if err != nil {
		return err
	}
	defer done()
	s, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if c.json {
		c.print(s)
		return nil
	}
	c.showStatus(s, time.Now())
	return nil
}

// showStatus prints how everything stands at now.
func (c *cli) showStatus(s admin.Status, now time.Time) {
	if s.PID == 0 {
		fmt.Fprintln(c.stdout, "no daemon runs; this is what the last one has stored")
	} else {
		fmt.Fprintf(c.stdout, "rosterd %s, pid %d, started %s, public address %s\n", s.Version, s.PID, agoAt(s.Started, now), s.PublicURL)
	}
	if len(s.Jobs) == 0 {
		fmt.Fprintln(c.stdout, "no jobs are configured")
	} else {
		c.table("JOB\tTYPE\tSCHEDULE\tNEXT\tLAST\tLAST OK\tFRESH\tNOW", func(line func(...any)) {
			for _, j := range s.Jobs {
				line(jobCells(j, now)...)
			}
		})
	}
	showQuotas(c.stdout, s.Quotas)
	for _, f := range s.Problems {
		c.showFinding(f)
	}
}

// showFinding prints what needs a person, and the command for it.
func (c *cli) showFinding(f admin.Finding) {
	fmt.Fprintf(c.stdout, "! %s\n", f.Message)
	if f.Hint != "" {
		fmt.Fprintf(c.stdout, "    %s\n", f.Hint)
	}
	command := f.Command
	if strings.HasPrefix(command, "rosterd ") {
		command = strings.TrimSpace(command + " " + c.configFlag())
	}
	if command != "" {
		fmt.Fprintf(c.stdout, "    %s\n", command)
	}
}

// jobCells are a job's cells in the table of the status.
func jobCells(j admin.JobStatus, now time.Time) []any {
	next, last, success, running := "-", "never run", "-", "-"
	if j.Next != nil {
		next = j.Next.Format(nextFormat)
	}
	if j.Paused != nil {
		next = "paused"
	}
	if j.Last != nil {
		last = fmt.Sprintf("%s %s", j.Last.State, agoAt(j.Last.Asked, now))
	}
	if j.LastSuccess != nil {
		success = agoAt(*j.LastSuccess, now)
	}
	switch {
	case j.Running != nil:
		running = progressText(*j.Running, j.Progress)
	case j.QuotaAgain != nil:
		running = "waits for a quota until " + j.QuotaAgain.Format(nextFormat)
	}
	return []any{j.Ref, j.Type, j.Schedule, next, last, success, orDash(string(j.Freshness)), running}
}

// nextFormat is how a time is shown that is to come soon.
const nextFormat = "Mon 15:04 MST"

// progressText is how far a run is; p is nil where the daemon is older.
func progressText(run roster.Run, p *admin.Progress) string {
	text := string(run.State)
	switch {
	case p == nil || run.State == roster.RunQueued:
	case p.Of == nil:
		text += fmt.Sprintf(" %d read", p.Done)
	default:
		text += fmt.Sprintf(" %d/%d", p.Done, *p.Of)
	}
	if run.Waits != "" {
		text += ": " + run.Waits
	}
	return text
}

// join prints a list of words.
func join[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}
