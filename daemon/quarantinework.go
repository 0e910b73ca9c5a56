package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func (c *cli) replayCommand() *cobra.Command {
	var job, code string
	var all, watch bool
	cmd := &cobra.Command{
		Use: "replay [RECORD]...", Short: "Try refused records again at once",
		Long: `Start a run that reads nothing but quarantined records: those that are named, those of
a job (--job), of one cause (--code), or of every job (--all). Without it the next
run of the job tries them. Records that could not even be read come back with the
source only. With --watch the runs are followed to their end, one after another.`,
		Example: "  rosterd quarantine replay --job acme/leads --code map.rejected --watch",
		Args: func(cmd *cobra.Command, args []string) error {
			ways := 0
			for _, given := range []bool{len(args) > 0, job != "", all} {
				if given {
					ways++
				}
			}
			if ways != 1 || code != "" && job == "" {
				return usagef("`%s` takes records, or --job with or without --code, or --all; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.daemon()
			if err != nil {
				return err
			}
			orders := []admin.RunOrder{{Job: job, Scope: roster.Scope{Replay: true, Code: code}}}
			switch {
			case all:
				orders, err = replayAll(cmd.Context(), client)
			case len(args) > 0:
				orders, err = replayOf(cmd.Context(), client, args)
			}
			if err != nil {
				return err
			}
			return c.replay(cmd.Context(), client, orders, watch)
		},
	}
	cmd.Flags().StringVar(&job, "job", "", "the records of this job (ACCOUNT/JOB)")
	cmd.Flags().StringVar(&code, "code", "", "only records of this cause")
	cmd.Flags().BoolVar(&all, "all", false, "the records of every job")
	cmd.Flags().BoolVar(&watch, "watch", false, "follow the runs to their end")
	return cmd
}

// replayOf makes an order of each job that has one of the records.
func replayOf(ctx context.Context, client *admin.Client, ids []string) ([]admin.RunOrder, error) {
	byJob := map[string][]string{}
	for _, id := range ids {
		q, err := client.Quarantined(ctx, id)
		if err != nil {
			return nil, err
		}
		byJob[q.Job] = append(byJob[q.Job], id)
	}
	var orders []admin.RunOrder
	for _, job := range slices.Sorted(maps.Keys(byJob)) {
		orders = append(orders, admin.RunOrder{Job: job, Scope: roster.Scope{Replay: true, Entries: byJob[job]}})
	}
	return orders, nil
}

// replayAll makes an order of each job that has refused records.
func replayAll(ctx context.Context, client *admin.Client) ([]admin.RunOrder, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	var orders []admin.RunOrder
	for _, job := range status.Jobs {
		page, err := client.Quarantine(ctx, roster.QuarantineFilter{Job: job.Ref, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(page.Records) > 0 {
			orders = append(orders, admin.RunOrder{Job: job.Ref, Scope: roster.Scope{Replay: true}})
		}
	}
	return orders, nil
}

// replay starts runs, and follows them one after another where that is asked for.
func (c *cli) replay(ctx context.Context, client *admin.Client, orders []admin.RunOrder, watch bool) error {
	if len(orders) == 0 && !c.json {
		fmt.Fprintln(c.stdout, "no records in quarantine")
	}
	var worst error
	for _, order := range orders {
		run, err := client.OrderRun(ctx, order)
		if err != nil {
			return err
		}
		if !watch {
			c.accepted(run)
			continue
		}
		if err := c.watch(ctx, client, run); exitCode(err) > exitCode(worst) {
			worst = err
		}
	}
	return worst
}

func (c *cli) dropCommand() *cobra.Command {
	var filter roster.QuarantineFilter
	var yes bool
	cmd := &cobra.Command{
		Use: "drop [RECORD]...", Short: "Forget refused records",
		Long: `Forget refused records: those that are named, or those of a job (--job), of one cause
(--code). They are tried again only when the source gives them again. More than one
is dropped only with --yes.`,
		Example: "  rosterd quarantine drop --job acme/leads --code map.rejected --yes",
		Args: func(cmd *cobra.Command, args []string) error {
			if (len(args) > 0) == (filter.Job != "") || filter.Code != "" && filter.Job == "" {
				return usagef("`%s` takes records, or --job with or without --code; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.daemon()
			if err != nil {
				return err
			}
			n := len(args)
			if n == 0 {
				if n, err = countRefused(cmd.Context(), client, filter); err != nil {
					return err
				}
			}
			if n > 1 && !yes {
				return usagef("`%s` would forget %d records; say so with --yes", cmd.CommandPath(), n)
			}
			dropped, err := client.DropQuarantined(cmd.Context(), args, filter)
			if err != nil {
				return err
			}
			if c.json {
				c.print(map[string]int{"dropped": dropped})
				return nil
			}
			fmt.Fprintf(c.stdout, "%d records dropped\n", dropped)
			return nil
		},
	}
	cmd.Flags().StringVar(&filter.Job, "job", "", "the records of this job (ACCOUNT/JOB)")
	cmd.Flags().StringVar(&filter.Code, "code", "", "only records of this cause")
	cmd.Flags().BoolVar(&yes, "yes", false, "drop more than one")
	return cmd
}

// countRefused counts the refused records of a job, of one cause where the filter
// has a code.
func countRefused(ctx context.Context, client *admin.Client, filter roster.QuarantineFilter) (int, error) {
	groups, err := client.QuarantineGroups(ctx, filter)
	n := 0
	for _, g := range groups {
		if filter.Code == "" || filter.Code == g.Code {
			n += g.Count
		}
	}
	return n, err
}
