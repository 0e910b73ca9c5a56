package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

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

// caseTime bounds the cases of all scripts together: a case runs inside this
// process, where a script that does not end can only be given up.
const caseTime = time.Minute

func (c *cli) mapCommand() *cobra.Command {
	var o testOptions
	test := &cobra.Command{
		Use: "test [SCRIPT]...", Short: "Run the cases beside mapping scripts",
		Long: `Run the cases that stand beside a script, in a .txtar file of the same name.
Without a script, those of every script in scripts_dir are run. Each script is
checked first, as ` + "`rosterd validate`" + ` does. With --job the script is that of
the job, and the fields that it names are compared with those that the job's
connections have; they are asked for them.

With --update the cases expect from then on what came out. Look at the changes
before you keep them. A case on which the script fails is left as it is.`,
		Example: "  rosterd map test scripts/gym_to_intandem.lua\n  rosterd map test --job acme/launch",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			scripts, err := c.scriptsToTest(args, o.job)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), caseTime)
			defer cancel()
			return c.mapTest(ctx, scripts, o)
		},
	}
	test.Flags().BoolVar(&o.update, "update", false, "make what came out what the cases expect")
	test.Flags().BoolVar(&o.cover, "cover", false, "tell which lines of the scripts no case has run")
	test.Flags().StringVar(&o.job, "job", "", "test the script of this `job`, as account/job, and compare its fields with those of the connections")
	test.Flags().StringVar(&o.junit, "junit", "", "write the results as JUnit XML to this `file`, too")
	return group("map", "Work on mapping scripts", test, c.mapTryCommand(), c.mapDiffCommand(), c.mapSuggestCommand(), c.mapShowCommand())
}

// scriptsToTest are the scripts that the command line names, or that of the job,
// or all.
func (c *cli) scriptsToTest(named []string, ref string) ([]string, error) {
	switch {
	case len(named) > 0:
		return named, nil
	case ref == "":
		return c.allScripts()
	}
	cfg, err := c.peek(true)
	if err != nil {
		return nil, err
	}
	job, err := findJob(cfg, ref)
	return []string{job.Mapping}, err
}

// allScripts are the scripts of the configuration that have cases.
func (c *cli) allScripts() ([]string, error) {
	cfg, err := c.peek(true)
	if err != nil {
		return nil, err
	}
	cases, err := filepath.Glob(filepath.Join(cfg.ScriptsDir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	scripts := make([]string, len(cases))
	for i, path := range cases {
		scripts[i] = strings.TrimSuffix(path, ".txtar") + ".lua"
	}
	if len(scripts) == 0 {
		return nil, usagef("no script in %s has cases: write them into a .txtar file beside it", cfg.ScriptsDir)
	}
	return scripts, nil
}
