package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
)

func (c *cli) adapterCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the installed adapters and what they can do", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.askInstallation(cmd.Context(), func(o installation) error {
				found, err := o.Adapters(cmd.Context())
				if err != nil {
					return err
				}
				if c.json {
					c.print(found)
					return nil
				}
				c.showAdapters(found)
				return nil
			})
		},
	}
	return group("adapter", "Look after adapters", list, c.adapterDescribeCommand(), c.adapterLockCommand(), c.adapterTestCommand(), c.adapterNewCommand())
}

func (c *cli) showAdapters(found []admin.AdapterInfo) {
	c.table("ADAPTER\tVERSION\tABILITIES\tDESCRIPTION", func(line func(...any)) {
		for _, a := range found {
			if a.Error != nil {
				line(a.Name, "-", "-", "! "+a.Error.Message)
				continue
			}
			line(a.Name, orDash(a.Version), join(a.Abilities), a.Description)
		}
	})
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			v := programVersion()
			if c.json {
				c.print(v)
				return nil
			}
			fmt.Fprintf(c.stdout, "rosterd %s %s (%s)\n", v.Version, v.Commit, v.Go)
			return nil
		},
	}
}
