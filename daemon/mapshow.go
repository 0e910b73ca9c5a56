package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/mapping"
)

func (c *cli) mapShowCommand() *cobra.Command {
	var svg bool
	cmd := &cobra.Command{
		Use: "show SCRIPT", Short: "Show where a script's target fields come from", Args: exactly("SCRIPT"),
		Long: `Show the target fields that a script fills, the source fields each is made of,
the steps on the way and the line in the script. Of a plan this is certain; of a
function it is a guess, read off its text. No record is mapped.`,
		Example: "  rosterd map show scripts/gym_to_intandem.lua\n  rosterd map show scripts/gym_to_intandem.lua --svg > gym.svg",
		RunE: func(_ *cobra.Command, args []string) error {
			script, err := mapping.ReadScript(c.scriptsDirOf(args[0]), args[0])
			if err != nil {
				return err
			}
			d, err := mapping.Describe(script)
			if err != nil {
				return err
			}
			switch {
			case svg && c.json:
				return usagef("--svg and --json exclude each other")
			case svg:
				return d.WriteSVG(c.stdout)
			case c.json:
				c.print(d)
			default:
				c.showLineage(d)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&svg, "svg", false, "draw it, as SVG on standard output")
	return cmd
}

func (c *cli) showLineage(d mapping.Description) {
	if d.Guess {
		fmt.Fprintf(c.stdout, "%s is a function: this is a guess, read off its text; a plan (return mapping{...}) is known exactly\n\n", d.Script)
	}
	c.table("TARGET\tSOURCE\tSTEPS\tLINE", func(line func(cells ...any)) {
		for _, l := range d.Lineage {
			target := l.Field
			if l.Field == "" {
				target = strings.TrimSpace(l.Decides + " " + fmt.Sprintf("%q", l.Reason))
			}
			line(target, orDash(strings.Join(l.Sources, ", ")), orDash(l.How()), l.Line)
		}
	})
}

// orDash shows an empty cell of a table.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
