package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/roster"
)

//go:embed scaffold/init.yaml
var initConfig []byte

//go:embed scaffold/init.lua
var initScript []byte

func (c *cli) initCommand() *cobra.Command {
	return &cobra.Command{
		Use: "init [FOLDER]", Short: "Write a commented configuration to start from",
		Long: `Write rosterd.yaml, with a comment at each key, and a folder for the scripts with
an example into FOLDER, or into the present one. Nothing that is there is
changed.`,
		Example: "  rosterd init /etc/rosterd",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("`%s` takes at most one FOLDER", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			files, err := initialise(dir)
			if err != nil {
				return err
			}
			c.showInit(dir, files)
			return nil
		},
	}
}

// initialise writes the files and returns their paths.
func initialise(dir string) ([]string, error) {
	if err := os.MkdirAll(filepath.Join(dir, "scripts"), 0o750); err != nil {
		return nil, fmt.Errorf("make the folders: %w", err)
	}
	var made []string
	for _, file := range []struct {
		name string
		text []byte
	}{{"rosterd.yaml", initConfig}, {filepath.Join("scripts", "members.lua"), initScript}} {
		path := filepath.Join(dir, file.name)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
		if errors.Is(err, fs.ErrExist) {
			if len(made) > 0 {
				continue // a script that is there stays
			}
			return nil, &roster.Fault{Code: "init.exists", Message: path + " is there already, and nothing was changed", Hint: "name another folder, or edit the file"}
		}
		if err != nil {
			return made, fmt.Errorf("write %s: %w", path, err)
		}
		_, err = f.Write(file.text)
		if err := errors.Join(err, f.Close()); err != nil {
			return made, fmt.Errorf("write %s: %w", path, err)
		}
		made = append(made, path)
	}
	return made, nil
}

func (c *cli) showInit(dir string, files []string) {
	if c.json {
		c.print(map[string]any{"command": "init", "ok": true, "error": nil, "result": map[string]any{"dir": dir, "files": files}})
		return
	}
	for _, path := range files {
		fmt.Fprintf(c.stdout, "wrote %s\n", path)
	}
	config := filepath.Join(dir, "rosterd.yaml")
	fmt.Fprintf(c.stdout, `next:
  1. write your systems into %[1]s; rosterd adapter list shows what adapters there are
  2. rosterd validate --config %[1]s
  3. rosterd map test    tries the script on records that you write down
  4. rosterd run --config %[1]s, or systemctl start rosterd
  5. rosterd doctor      checks the rest
`, config)
}
