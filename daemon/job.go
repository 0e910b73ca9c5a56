package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func (c *cli) jobCommand() *cobra.Command {
	var watch, sweep bool
	start := &cobra.Command{
		Use:   "run ACCOUNT/JOB",
		Short: "Start a run of a job",
		Long: `Start a run of a job. Without --watch the command returns when the run is
accepted, and the run goes on in the daemon. With --watch it follows the run to
its end and exits 0 when every record arrived, 3 when some were left behind, 4
when a guard stopped it.

A run that has no place among the others waits, and is queued until then. A job
that is paused is started all the same: a pause is for its schedule.`,
		Example: "  rosterd job run acme/launch --watch",
		Args:    exactly("ACCOUNT/JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.daemon()
			if err != nil {
				return err
			}
			run, err := client.OrderRun(cmd.Context(), admin.RunOrder{Job: args[0], Scope: roster.Scope{Sweep: sweep}})
			if err != nil {
				return err
			}
			c.noteStanding(cmd.Context(), client, args[0])
			if watch {
				return c.watch(cmd.Context(), client, run)
			}
			c.accepted(run)
			return nil
		},
	}
	start.Flags().BoolVar(&watch, "watch", false, "follow the run to its end")
	start.Flags().BoolVar(&sweep, "sweep", false, "walk the whole source of a sync, so that records that are gone are found")
	return group("job", "Start and pause jobs", start, c.pauseCommand(), c.resumeCommand())
}

// watch follows a run and prints its end: an object a line with --json, a
// progress bar on a terminal, else a line for each state.
func (c *cli) watch(ctx context.Context, client *admin.Client, run roster.Run) error {
	var err error
	if c.json {
		err = client.Watch(ctx, run.ID, func(e admin.Event) error {
			c.print(e)
			run = eventRun(run, e)
			return nil
		})
	} else {
		run, err = follow(ctx, client, run, newBar(c.stderr))
	}
	if err != nil {
		return c.unwatched(ctx, run, err)
	}
	if !c.json {
		c.printRun(run)
	}
	if code := stateCode(run); code != exitOK {
		return &endError{code: code}
	}
	return nil
}

// unwatched says what becomes of a run that is no longer followed: a person who
// presses Ctrl-C ends the command, and not the run.
func (c *cli) unwatched(ctx context.Context, run roster.Run, err error) error {
	if errors.Is(err, admin.ErrUnreachable) {
		return fmt.Errorf("run %s of %s is no longer followed, and goes on when the daemon is started again: %w", run.ID, run.Job, err)
	}
	if ctx.Err() == nil {
		return err
	}
	return &roster.Fault{
		Code:    "run.unwatched",
		Message: fmt.Sprintf("run %s of %s is no longer followed; it goes on in the daemon", run.ID, run.Job),
		Hint:    fmt.Sprintf("see how it stands with  rosterd runs %s%s", c.configFlag(), run.ID),
	}
}

// follow shows a run's progress and returns it when it is over.
func follow(ctx context.Context, client *admin.Client, run roster.Run, bar *bar) (roster.Run, error) {
	defer bar.end()
	err := client.Watch(ctx, run.ID, func(e admin.Event) error {
		run = eventRun(run, e)
		bar.show(run)
		return nil
	})
	return run, err
}

// eventRun is the run as an event tells it.
func eventRun(run roster.Run, e admin.Event) roster.Run {
	run.State, run.Fault, run.Warnings, run.Waits, run.Again = e.State, e.Fault, e.Warnings, e.Waits, e.Again
	if e.Counts != nil {
		run.Counts = *e.Counts
	}
	return run
}

// bar shows the progress of a run on a terminal, and its states elsewhere.
type bar struct {
	out   io.Writer
	tty   bool
	state roster.RunState
	waits string
	bar   *progressbar.ProgressBar
}

func newBar(out io.Writer) *bar {
	return &bar{out: out, tty: terminal(out)}
}

func (b *bar) show(run roster.Run) {
	if run.State != b.state {
		b.end()
		b.state = run.State
		if !b.tty {
			fmt.Fprintf(b.out, "%s\n", run.State)
			return
		}
	}
	if run.Waits != b.waits {
		if b.waits = run.Waits; b.waits != "" {
			fmt.Fprintf(b.out, "%s: %s\n", run.State, run.Waits)
		}
	}
	if !b.tty {
		return
	}
	switch run.State {
	case roster.RunPreparing:
		b.at(-1, "preparing  records read", run.Counts.Read)
	case roster.RunDelivering:
		if run.Type == roster.JobSync {
			b.at(changesOf(run.Counts), "delivering changes", changesDone(run.Counts))
			return
		}
		b.at(run.Counts.Frozen, "delivering clients served", run.Counts.Served)
	default:
	}
}

func (b *bar) at(total int, what string, n int) {
	if b.bar == nil {
		b.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(b.out), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("rec"),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetWidth(30))
	}
	b.bar.Set(n) //nolint:errcheck // a bar that cannot be drawn is not worth failing for
}

func (b *bar) end() {
	if b.bar != nil {
		fmt.Fprintln(b.out)
		b.bar = nil
	}
}
