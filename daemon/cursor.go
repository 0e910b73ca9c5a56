package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func (c *cli) cursorCommand() *cobra.Command {
	show := &cobra.Command{
		Use: "show ACCOUNT/JOB", Short: "Show how far a job has read its source", Args: exactly("ACCOUNT/JOB"),
		Example: "  rosterd cursor show acme/leads",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			cursors, err := client.Cursors(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			c.showCursors(cursors)
			return nil
		},
	}
	return group("cursor", "Show and set how far jobs have read", show, c.rewindCommand())
}

func (c *cli) rewindCommand() *cobra.Command {
	var kind, to string
	cmd := &cobra.Command{
		Use: "rewind ACCOUNT/JOB", Short: "Have a job read its source again", Args: exactly("ACCOUNT/JOB"),
		Long: `Have a job go on reading from the beginning of its source, or from where one of
its runs began. Nothing is sent twice for it: a sync compares every record with
what it has sent. A job that runs is refused.`,
		Example: "  rosterd cursor rewind acme/leads\n  rosterd cursor rewind acme/leads --kind prospect --to 20261128-030000-abcdef",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			run := to
			if run == "beginning" {
				run = ""
			}
			cursors, err := client.Rewind(cmd.Context(), args[0], admin.Rewind{Kind: sdk.Kind(kind), Run: run})
			if err != nil {
				return err
			}
			c.showCursors(cursors)
			return nil
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "only this kind of record; all of the job without it")
	cmd.Flags().StringVar(&to, "to", "beginning", "beginning, or the id of a run")
	return cmd
}

func (c *cli) showCursors(cursors []admin.CursorInfo) {
	if c.json {
		c.print(cursors)
		return
	}
	c.table("KIND\tCURSOR", func(line func(...any)) {
		for _, one := range cursors {
			text := one.Cursor
			if one.Bytes == 0 {
				text = "(the beginning)"
			}
			line(one.Kind, text)
		}
	})
	if len(cursors) == 0 {
		fmt.Fprintln(c.stdout, "the job reads no kinds")
	}
}
