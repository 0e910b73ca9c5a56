package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rosterd/rosterd/internal/config"
)

// accountAdded is what was written, or would be.
type accountAdded struct {
	File   string `json:"file"`
	DryRun bool   `json:"dry_run"`
	// Text is the file where it is only shown.
	Text        string            `json:"text,omitempty"`
	Secrets     []secretPlace     `json:"secrets"`
	Open        []config.Open     `json:"open"`
	Connections []connectionFound `json:"connections"`
	Staff       []staffFound      `json:"staff"`
	Findings    []config.Fault    `json:"findings"`

	written config.Drafted
	// unasked are the findings that looking at the file does not make.
	unasked []config.Fault
}

// secretPlace names the file of a secret.
type secretPlace struct {
	Place string `json:"place"`
	File  string `json:"file"`
}

// named are the files of secrets.
func (f accountFiles) named(written config.Drafted) []secretPlace {
	files := []secretPlace{}
	for _, secret := range written.Secrets {
		files = append(files, secretPlace{Place: secret.Place, File: filepath.Join(f.secrets, secret.Name)})
	}
	return files
}

// free makes sure that no file of a secret is there, before anybody is asked.
func (f accountFiles) free(written config.Drafted) error {
	for _, file := range f.named(written) {
		if _, err := os.Lstat(file.File); !errors.Is(err, fs.ErrNotExist) {
			return accountExists(file.File)
		}
	}
	return nil
}

func (c *cli) showAdded(added accountAdded) {
	if added.DryRun {
		added.Text = string(added.written.Text)
	}
	if c.json {
		c.print(map[string]any{"command": "account add", "ok": true, "error": nil, "result": added})
		return
	}
	for _, f := range added.Connections {
		c.printLines(f.lines())
	}
	for _, s := range added.Staff {
		c.printLines(s.lines())
	}
	wrote := "wrote"
	if added.DryRun {
		wrote = "would write"
	}
	fmt.Fprintf(c.stdout, "%s %s\n", wrote, added.File)
	for line := range strings.Lines(added.Text) {
		fmt.Fprintf(c.stdout, "  | %s", line)
	}
	for _, secret := range added.Secrets {
		fmt.Fprintf(c.stdout, "%s %s, which only its owner reads: %s\n", wrote, secret.File, secret.Place)
	}
	if len(added.Open) > 0 {
		fmt.Fprintln(c.stdout, "still to be filled in:")
	}
	for _, o := range added.Open {
		fmt.Fprintf(c.stdout, "  line %-3d %s  %s\n", o.Line, o.Place, o.What)
	}
	for _, f := range added.Findings {
		fmt.Fprintf(c.stdout, "%s\n", f)
	}
	if added.DryRun {
		return
	}
	flag := c.configFlag()
	fmt.Fprintf(c.stdout, "next: %s, then %s has the daemon take it over\n",
		strings.TrimSpace("rosterd validate "+flag), strings.TrimSpace("rosterd reload "+flag))
}

func (c *cli) printLines(lines []string) {
	for _, line := range lines {
		fmt.Fprintln(c.stdout, line)
	}
}
