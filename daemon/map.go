package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/mapping"
)

// mapWorkerName is the hidden command that a mapping worker is.
const mapWorkerName = "map-worker"

// mapWorkerCommand is the main loop of a worker process. File 3 is the progress
// file that the daemon hands down.
func (c *cli) mapWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use: mapWorkerName, Hidden: true, Args: exactly(),
		Short: "Map pages from standard input; started by the daemon",
		RunE: func(*cobra.Command, []string) error {
			return mapping.Worker(os.Stdin, os.Stdout, os.NewFile(3, "progress"))
		},
	}
}

func (c *cli) mapCommand() *cobra.Command { return group("map", "Work on mapping scripts") }
