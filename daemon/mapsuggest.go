package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/mapping"
)

func (c *cli) mapSuggestCommand() *cobra.Command {
	return &cobra.Command{
		Use: "suggest ACCOUNT/JOB", Short: "Print a script to begin a job's mapping with", Args: exactly("ACCOUNT/JOB"),
		Long: `Ask a job's connections for their fields, and print a plan that fills each target
field from the source field of the same or of a similar name, with what usually
tidies such a value. What has no counterpart stands there as a comment. It is made of
names alone: look at each line, and try it with "rosterd map try". No file is written.`,
		Example: "  rosterd map suggest acme/leads > scripts/leads.lua",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.mapSuggest(cmd.Context(), args[0])
		},
	}
}

func (c *cli) mapSuggest(ctx context.Context, ref string) error {
	known, err := c.fieldsOfJob(ctx, ref)
	if err != nil {
		return err
	}
	target := known.target
	if len(known.undeclared) > 0 {
		for _, name := range known.usual {
			target = appendField(target, mapping.EditorField{Name: name})
		}
	}
	script := string(mapping.Suggest(known.source, target))
	if c.json {
		c.print(map[string]any{"job": ref, "script": script})
		return nil
	}
	fmt.Fprint(c.stdout, script)
	return nil
}
