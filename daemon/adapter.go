package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (c *cli) adapterCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the installed adapters and what they can do", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			found, err := client.Adapters(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				c.print(found)
				return nil
			}
			if len(found) == 0 {
				fmt.Fprintln(c.stdout, "no adapters are installed; plugins.dir says where they are looked for")
				return nil
			}
			c.table("ADAPTER\tVERSION\tABILITIES\tDESCRIPTION", func(line func(...any)) {
				for _, a := range found {
					if a.Error != nil {
						line(a.Name, "-", "-", "! "+a.Error.Message)
						continue
					}
					line(a.Name, a.Version, join(a.Abilities), a.Description)
				}
			})
			return nil
		},
	}
	return group("adapter", "Look after adapters", list, c.adapterDescribeCommand(), c.adapterLockCommand(), c.adapterTestCommand(), c.adapterNewCommand())
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
