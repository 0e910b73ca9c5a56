package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commands are those that a person may type, as their words.
func commands(t *testing.T) map[string]*cobra.Command {
	t.Helper()
	found := map[string]*cobra.Command{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
			return
		}
		found[cmd.CommandPath()] = cmd
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk((&cli{process: process{getenv: func(string) string { return "" }}}).root())
	if len(found) < 15 {
		t.Fatalf("only %d commands found", len(found))
	}
	return found
}

// typed runs a command line in this process.
func typed(path string, more ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	words := append(strings.Fields(path)[1:], more...)
	code = run(process{args: words, stdout: &out, stderr: &errs, getenv: func(string) string { return "" }})
	return code, out.String(), errs.String()
}

func TestEveryCommandSaysWhatItIsFor(t *testing.T) {
	for path, cmd := range commands(t) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || strings.ToUpper(cmd.Short[:1]) != cmd.Short[:1] {
			t.Errorf("%s: its line in the list of commands is %q", path, cmd.Short)
		}
		if !cmd.HasSubCommands() && strings.Contains(cmd.Use, " ") && cmd.Long == "" && cmd.Example == "" {
			t.Errorf("%s: it takes arguments and has neither a description nor an example", path)
		}
		code, stdout, stderr := typed(path, "--help")
		if code != 0 || stderr != "" || !strings.Contains(stdout, "Usage:\n  "+path) {
			t.Errorf("%s --help: exit %d, %q, %q", path, code, stdout, stderr)
		}
	}
}

func TestEveryCommandTakesJSONAndConfig(t *testing.T) {
	for path := range commands(t) {
		_, stdout, _ := typed(path, "--help")
		for _, flag := range []string{"--config string", "--json "} {
			if !strings.Contains(stdout, flag) {
				t.Errorf("%s --help does not name %s", path, flag)
			}
		}
		if code, stdout, stderr := typed(path, "--json", "--config", "/nowhere/rosterd.yaml", "--help"); code != 0 {
			t.Errorf("%s --json --config F --help: exit %d, %q, %q", path, code, stdout, stderr)
		}
	}
}

func TestEveryCommandRefusesWhatItDoesNotKnow(t *testing.T) {
	for path, cmd := range commands(t) {
		code, stdout, stderr := typed(path, "--bogus")
		if want := "rosterd: unknown flag: --bogus; see `" + path + " --help`\n"; code != exitUsage || stdout != "" || stderr != want {
			t.Errorf("%s --bogus: exit %d, %q, %q", path, code, stdout, stderr)
		}
		code, stdout, stderr = typed(path, "--json", "--bogus")
		if code != exitUsage || stderr != "" || !strings.Contains(stdout, `"code":"usage"`) {
			t.Errorf("%s --json --bogus: exit %d, %q, %q", path, code, stdout, stderr)
		}
		if strings.Contains(cmd.Use, "...") {
			continue
		}
		code, stdout, stderr = typed(path, "one", "two", "three", "four")
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, "`") {
			t.Errorf("%s one two three four: exit %d, %q, %q", path, code, stdout, stderr)
		}
	}
}

// TestEveryCommandThatAMessageNamesExists reads the sources for what a person is
// told to type.
func TestEveryCommandThatAMessageNamesExists(t *testing.T) {
	known := commands(t)
	named := regexp.MustCompile("`(rosterd [a-z][a-z-]*)( [a-z][a-z-]*)?[^`\\n]*`")
	found := 0
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, words := range named.FindAllStringSubmatch(string(text), -1) {
			found++
			cmd, ok := known[words[1]]
			if ok && cmd.HasSubCommands() && words[2] != "" {
				_, ok = known[words[1]+words[2]]
			}
			if !ok {
				t.Errorf("%s names `%s%s`, which is no command", path, words[1], words[2])
			}
		}
		return err
	})
	if err != nil || found < 20 {
		t.Errorf("%d commands found in the sources (%v)", found, err)
	}
}
