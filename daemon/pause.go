package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
)

func (c *cli) pauseCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "pause ACCOUNT/JOB",
		Short: "Keep a job from being started by its schedule",
		Long: `Keep a job from being started by its schedule until it is resumed, also over a
restart of the daemon. A run under way goes on, and "rosterd job run" starts the
job all the same. Who paused it, when and why is kept and shown by "rosterd status".`,
		Example: `  rosterd job pause acme/launch --reason "the gym moves to a new system"`,
		Args:    exactly("ACCOUNT/JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return usagef("`%s` takes --reason TEXT, which tells others why", cmd.CommandPath())
			}
			client, err := c.daemon()
			if err != nil {
				return err
			}
			job, err := client.PauseJob(cmd.Context(), args[0], reason)
			if err != nil {
				return err
			}
			c.showPaused(job)
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in one line")
	return cmd
}

func (c *cli) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume ACCOUNT/JOB",
		Short: "Let a paused job be started by its schedule",
		Long: `Let a paused job be started by its schedule. What became due meanwhile is one run
at once, or none where the job says  misfire: skip .`,
		Args: exactly("ACCOUNT/JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.daemon()
			if err != nil {
				return err
			}
			job, err := client.ResumeJob(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			c.showPaused(job)
			return nil
		},
	}
}

// showPaused tells how a job stands behind a pause or its end.
func (c *cli) showPaused(job admin.JobStatus) {
	if c.json {
		c.print(job)
		return
	}
	switch {
	case job.Paused != nil:
		fmt.Fprintf(c.stdout, "job %s is paused by %s; resume it with `rosterd job resume %s%s`\n", job.Ref, job.Paused.By, c.configFlag(), job.Ref)
	case job.Next != nil:
		fmt.Fprintf(c.stdout, "job %s is resumed; its next run is due %s\n", job.Ref, job.Next.Format(dueFormat))
	default:
		fmt.Fprintf(c.stdout, "job %s is resumed; no schedule starts it\n", job.Ref)
	}
	if job.Running != nil && job.Paused != nil {
		fmt.Fprintf(c.stdout, "run %s is under way and goes on\n", job.Running.ID)
	}
}

// noteStanding says on standard error that a job that was started is paused, and
// that the configuration is not the one in the file. That it cannot be known is no
// fault of the start.
func (c *cli) noteStanding(ctx context.Context, client *admin.Client, job string) {
	s, err := client.Status(ctx)
	if err != nil {
		return
	}
	for _, j := range s.Jobs {
		if j.Ref == job && j.Paused != nil {
			fmt.Fprintf(c.stderr, "note: job %s is paused by %s (%s); it was started all the same\n", j.Ref, j.Paused.By, j.Paused.Reason)
		}
	}
	for _, f := range s.Problems {
		if f.Code == codeConfigChanged {
			fmt.Fprintf(c.stderr, "note: %s\n  hint: %s\n", f.Message, f.Hint)
		}
	}
}
