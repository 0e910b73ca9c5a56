package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

// planOptions are the flags of `rosterd plan`.
type planOptions struct {
	run, out        string
	sweep, detailed bool
	limit           int
}

func (c *cli) planCommand() *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan [ACCOUNT/JOB]",
		Short: "Show what a sync would change, and write nothing",
		Long: `Prepare a run of a sync, let the guards judge it, and show what it would change:
each record that it would create (+), update (~), deactivate or delete (-), with
the fields that change and the line of the script that made each. The values of a
target that shows its records are read while they are printed. Lines are known of a
script that is a plan (return mapping{...}), not of a function.

Nothing is written to the target. What was planned is kept for 7 days, and until
the job runs again; "rosterd apply" delivers it. With --run the changes of a run
that was planned before, or that a guard has blocked, are shown.

The values are personal data: mind where you print them.

It exits 0 for a plan, and 4 when a guard would stop the run. With
--detailed-exitcode it exits 0 when there is nothing to do, and 3 when there is.`,
		Example: "  rosterd plan acme/leads --out leads.plan\n  rosterd apply leads.plan --watch\n  rosterd plan --run 20260301-120000-abcdef",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 1) == (o.run != "") {
				return usagef("`%s` takes either ACCOUNT/JOB or --run RUN; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.limit < 1 {
				return usagef("`%s` takes a --limit from 1 on", cmd.CommandPath())
			}
			if o.run == "" {
				return c.plan(cmd.Context(), admin.RunOrder{Job: args[0], Plan: true, Scope: roster.Scope{Sweep: o.sweep}}, o)
			}
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			run, err := client.Run(cmd.Context(), o.run)
			if err != nil {
				return err
			}
			return c.showPlan(cmd.Context(), client, run, o)
		},
	}
	cmd.Flags().StringVar(&o.run, "run", "", "show the changes of this run, which was planned or blocked before")
	cmd.Flags().BoolVar(&o.sweep, "sweep", false, "walk the whole source, so that records that are gone are found")
	cmd.Flags().StringVar(&o.out, "out", "", "write a `file` that names the plan, for `rosterd apply`")
	cmd.Flags().BoolVar(&o.detailed, "detailed-exitcode", false, "exit 3 when there is something to do")
	cmd.Flags().IntVar(&o.limit, "limit", 50, "how many records are shown")
	return cmd
}

// plan starts a run that only plans, follows it to its end and shows it.
func (c *cli) plan(ctx context.Context, order admin.RunOrder, o planOptions) error {
	client, err := c.daemon()
	if err != nil {
		return err
	}
	c.noteStanding(ctx, client, "")
	run, err := client.OrderRun(ctx, order)
	if err != nil {
		return err
	}
	out := c.stderr
	if c.json {
		out = io.Discard
	}
	if run, err = follow(ctx, client, run, newBar(out)); err != nil {
		return c.unwatched(ctx, run, err)
	}
	return c.showPlan(ctx, client, run, o)
}

// showPlan prints a planned run with its changes, and ends as it should.
func (c *cli) showPlan(ctx context.Context, client *admin.Client, run roster.Run, o planOptions) error {
	if run.State != roster.RunPlanned && run.State != roster.RunBlocked {
		if o.run != "" {
			_, err := client.Changes(ctx, run.ID, 0, 1) // says why there are none to show
			return err
		}
		c.showRun(run)
		return &endError{code: max(stateCode(run), exitFailure)}
	}
	page, err := allChanges(ctx, client, run.ID, o.limit)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := writePlan(o.out, run); err != nil {
			return err
		}
	}
	if c.json {
		c.print(struct {
			Run roster.Run `json:"run"`
			admin.ChangePage
		}{run, page})
	} else {
		c.printRun(run)
		c.showChanges(run, page)
		if run.State == roster.RunPlanned && changesOf(run.Counts) > 0 {
			what := run.ID
			if o.out != "" {
				what = o.out
			}
			fmt.Fprintf(c.stdout, "deliver it with: rosterd apply %s%s --watch\n", c.configFlag(), what)
		}
	}
	switch {
	case run.State == roster.RunBlocked:
		return &endError{code: exitBlocked}
	case o.detailed && changesOf(run.Counts) > 0:
		return &endError{code: exitChanges}
	}
	return nil
}

// changesOf is the number of changes that a prepared run would make.
func changesOf(c roster.Counts) int { return c.ToCreate + c.ToUpdate + c.ToDeactivate }

// changesPage is how many changes are asked for at a time.
const changesPage = 500

// allChanges returns the first changes of a run, as many as are wanted.
func allChanges(ctx context.Context, client *admin.Client, run string, limit int) (admin.ChangePage, error) {
	var all admin.ChangePage
	for from := 0; ; {
		page, err := client.Changes(ctx, run, from, min(changesPage, limit-len(all.Changes)))
		if err != nil {
			return all, err
		}
		page.Changes = append(all.Changes, page.Changes...)
		all = page
		if from = page.Next; from == 0 || len(all.Changes) >= limit {
			return all, nil
		}
	}
}

// planFile names a plan; what it would change stays with the daemon.
type planFile struct {
	Version int           `json:"version"`
	Run     string        `json:"run"`
	Job     string        `json:"job"`
	Counts  roster.Counts `json:"counts"`
	Created time.Time     `json:"created"`
}

const (
	planVersion  = 1
	maxPlanBytes = 64 << 10
)

// writePlan writes a plan's file, whole, readable by its owner only.
func writePlan(path string, run roster.Run) (err error) {
	text, err := json.MarshalIndent(planFile{planVersion, run.ID, run.Job, run.Counts, run.Asked}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".rosterd-plan-")
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	_, err = temp.Write(append(text, '\n'))
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the plan: %w", errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}

// readPlan returns the run that an argument names: the id of one, or a plan's
// file.
func readPlan(arg string) (run string, err error) {
	f, err := os.Open(arg)
	if errors.Is(err, os.ErrNotExist) {
		return arg, nil
	}
	if err != nil {
		return "", fmt.Errorf("read the plan: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPlanBytes))
	if err != nil {
		return "", fmt.Errorf("read the plan: %w", err)
	}
	var plan planFile
	if err := json.Unmarshal(text, &plan); err != nil || plan.Run == "" {
		return "", usagef("%s is no file of `rosterd plan --out`", arg)
	}
	if plan.Version != planVersion {
		return "", usagef("%s is a plan of version %d, and this rosterd reads version %d", arg, plan.Version, planVersion)
	}
	return plan.Run, nil
}

func (c *cli) applyCommand() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "apply FILE|RUN", Short: "Deliver what was planned", Args: exactly("FILE|RUN"),
		Long: `Deliver what "rosterd plan" has shown, by the file that it wrote or by the id of the
run. A plan is delivered as it was shown or not at all: when the configuration, the
script, an adapter, the job's place in its source or a link of one of its records is
another one by now, the run fails with plan.stale, and nothing is written.

A run that a guard has blocked is not applied: "rosterd approve" lets it through.`,
		Example: "  rosterd apply leads.plan --watch",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := readPlan(args[0])
			if err != nil {
				return err
			}
			return c.approve(cmd.Context(), id, watch, false)
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "follow the run to its end")
	return cmd
}

func (c *cli) approveCommand() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "approve RUN", Short: "Let a run go on that a guard has blocked", Args: exactly("RUN"),
		Long: `Let a run of a sync go on that a guard has blocked, or that was planned. Look at what
it would change first, with "rosterd plan --run RUN". It is delivered as it was
prepared or, where something has changed since, not at all (plan.stale).`,
		Example: "  rosterd approve 20260301-120000-abcdef --watch",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.approve(cmd.Context(), args[0], watch, true)
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "follow the run to its end")
	return cmd
}

// approve lets a run go on. One that a guard has blocked goes on only when that
// was asked for.
func (c *cli) approve(ctx context.Context, id string, watch, blocked bool) error {
	client, err := c.daemon()
	if err != nil {
		return err
	}
	run, err := client.Run(ctx, id)
	if err != nil {
		return err
	}
	if run.State == roster.RunBlocked && !blocked {
		return &roster.Fault{
			Code: codeBlocked, Message: fmt.Sprintf("run %s of %s is blocked by a guard, and nothing was written", run.ID, run.Job),
			Hint: "look at it with `rosterd plan --run " + run.ID + "`, and let it through with `rosterd approve " + run.ID + "`",
		}
	}
	if run, err = client.ApproveRun(ctx, id); err != nil {
		return err
	}
	if watch {
		return c.watch(ctx, client, run)
	}
	c.accepted(run)
	return nil
}

// accepted tells that a run was accepted and goes on in the daemon.
func (c *cli) accepted(run roster.Run) {
	if c.json {
		c.print(run)
		return
	}
	fmt.Fprintf(c.stdout, "run %s of %s is accepted; follow it with `rosterd runs %s%s`\n", run.ID, run.Job, c.configFlag(), run.ID)
}

func (c *cli) syncCommand() *cobra.Command {
	var plan bool
	cmd := &cobra.Command{
		Use: "sync ACCOUNT/JOB ID", Short: "Sync one record of a source at once", Args: exactly("ACCOUNT/JOB", "ID"),
		Long: `Read one record of a sync's source by its id, and bring the target in step with it.
The run is followed to its end. With --plan it is only shown what would change, as
"rosterd plan" does. The source's adapter needs the ability getter.`,
		Example: "  rosterd sync acme/leads 4711 --plan",
		RunE: func(cmd *cobra.Command, args []string) error {
			order := admin.RunOrder{Job: args[0], Plan: plan, Scope: roster.Scope{Record: args[1]}}
			if plan {
				return c.plan(cmd.Context(), order, planOptions{limit: changesPage})
			}
			client, err := c.daemon()
			if err != nil {
				return err
			}
			run, err := client.OrderRun(cmd.Context(), order)
			if err != nil {
				return err
			}
			return c.watch(cmd.Context(), client, run)
		},
	}
	cmd.Flags().BoolVar(&plan, "plan", false, "show what would change, and write nothing")
	return cmd
}
