package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func (c *cli) linksMissingCommand() *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use: "missing ACCOUNT/JOB", Short: "List the staff and lead sources without a counterpart, and why", Args: exactly("ACCOUNT/JOB"),
		Long: `List which staff members and lead sources of a sync's source have no counterpart at
its target, and why: the target has none or several with the e-mail address or the
name, or whom it has is inactive, or the script skips or refuses the record, as one
without an e-mail address. Their people are sent without an owner or a lead source.
Those that the next run would link are left out.

Both systems are asked at this moment. No copy of staff is kept, so that names and
addresses are theirs: personal data, mind where you print them.`,
		Example: "  rosterd links missing acme/leads --kind staff",
		RunE: func(cmd *cobra.Command, args []string) error {
			if kinds := []string{"", string(sdk.KindStaff), string(sdk.KindLeadSource)}; !slices.Contains(kinds, kind) {
				return usagef("`%s` takes --kind staff or --kind lead_source, and not %q", cmd.CommandPath(), kind)
			}
			client, err := c.daemon()
			if err != nil {
				return err
			}
			found, err := client.Unlinked(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			found = slices.DeleteFunc(found, func(one roster.Unlinked) bool { return kind != "" && string(one.Kind) != kind })
			if c.json {
				c.print(found)
				return nil
			}
			c.showUnlinked(args[0], found)
			return nil
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "only records of this kind: staff or lead_source")
	return cmd
}

func (c *cli) showUnlinked(job string, found []roster.Unlinked) {
	if len(found) == 0 {
		fmt.Fprintln(c.stdout, "none is missing: each has a link, or gets one by the next run")
		return
	}
	c.table("KIND\tSOURCE\tNAME\tE-MAIL\tMAY BE\tWHY", func(line func(...any)) {
		for _, one := range found {
			line(one.Kind, orDash(plainText(one.Source)), orDash(plainText(one.Name)), orDash(plainText(one.Email)), orDash(plainText(strings.Join(one.MayBe, ", "))), plainText(one.Reason))
		}
	})
	fmt.Fprintf(c.stdout, "mend the e-mail address or the name at one end, or link by hand: rosterd links set %s%s KIND SOURCE TARGET --reason WHY\n", c.configFlag(), job)
}

// Unlinked asks the systems of a job which staff members and lead sources have no
// counterpart.
func (o operations) Unlinked(ctx context.Context, ref string) ([]roster.Unlinked, error) {
	job, err := o.syncJob(ref)
	if err != nil {
		return nil, err
	}
	run := roster.Run{Job: job.Ref, Type: job.Type, State: roster.RunQueued, Plan: true}
	closing := &closers{warn: func(err error) { o.p.log.Warn("not closed", "job", job.Ref, "err", err) }}
	defer closing.close()
	flow, err := o.p.now().openSync(ctx, run, job, closing)
	if err != nil {
		return nil, err
	}
	return o.p.runner.Unlinked(ctx, run, flow)
}

// Unlinked is refused: without the daemon nobody is asked.
func (atRest) Unlinked(context.Context, string) ([]roster.Unlinked, error) {
	return nil, errNoDaemon("asking the systems of a job")
}
