package docs_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/internal/roster"
)

var update = flag.Bool("update", false, "rewrite what README.md shows of the quickstart")

// program is rosterd with its adapters, built as they stand.
type program struct {
	// dir holds rosterd, and its adapters in plugins.
	dir string
	// commands maps each command, as "rosterd job run", to its help.
	commands func() (map[string]string, error)
	mu       sync.Mutex
	schemas  map[string]json.RawMessage
}

// scratch is a folder for all tests of the package.
var scratch string

var built = sync.OnceValues(func() (*program, error) {
	p := &program{dir: scratch, schemas: map[string]json.RawMessage{}}
	p.commands = sync.OnceValues(func() (map[string]string, error) {
		found := map[string]string{}
		return found, p.collect("rosterd", found)
	})
	adapters, err := filepath.Glob(filepath.Join(root, "plugins", "*", "README.md"))
	if err != nil {
		return nil, err
	}
	plugins := []string{"-o", filepath.Join(scratch, "plugins") + "/"}
	for _, readme := range adapters {
		plugins = append(plugins, "./plugins/"+filepath.Base(filepath.Dir(readme)))
	}
	for _, args := range [][]string{{"-o", filepath.Join(scratch, "rosterd"), "./daemon"}, plugins} {
		build := exec.Command("go", append([]string{"build", buildMode}, args...)...)
		build.Dir = root
		if text, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build rosterd: %w\n%s", err, text)
		}
	}
	return p, nil
})

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "rosterd-docs-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func builtProgram(t *testing.T) *program {
	t.Helper()
	p, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs the program and returns its two outputs.
func (p *program) run(args ...string) (stdout, stderr string, err error) {
	cmd := exec.Command(filepath.Join(p.dir, "rosterd"), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = []string{"TMPDIR=" + scratch}
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// schema asks an adapter for the schema of its settings.
func (p *program) schema(t *testing.T, adapter string) json.RawMessage {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.schemas[adapter] == nil && adapter == roster.AdapterInbound {
		p.schemas[adapter] = connector.Info().Settings
	}
	if p.schemas[adapter] == nil {
		raw, err := exec.Command(filepath.Join(p.dir, "plugins", adapter), "--describe").Output()
		if err != nil {
			t.Fatalf("%s --describe: %v", adapter, err)
		}
		var info struct{ Settings json.RawMessage }
		if err := json.Unmarshal(raw, &info); err != nil {
			t.Fatal(err)
		}
		p.schemas[adapter] = info.Settings
	}
	return p.schemas[adapter]
}

// collect adds a command and all below it to found.
func (p *program) collect(command string, found map[string]string) error {
	help, _, err := p.run(append(strings.Fields(command)[1:], "--help")...)
	if err != nil {
		return err
	}
	found[command] = help
	_, list, _ := strings.Cut(help, "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+) `).FindAllStringSubmatch(list, -1) {
		if m[1] == "help" {
			continue
		}
		if err := p.collect(command+" "+m[1], found); err != nil {
			return err
		}
	}
	return nil
}

// TestEveryCommandIsThere holds each "rosterd ..." in a code span or a block
// of commands to the commands and flags of the program.
func TestEveryCommandIsThere(t *testing.T) {
	t.Parallel()
	commands, err := builtProgram(t).commands()
	if err != nil {
		t.Fatal(err)
	}
	spans := regexp.MustCompile("`(rosterd [^`]+)`")
	for _, d := range documents(t) {
		var lines []string
		for _, m := range spans.FindAllStringSubmatch(d.prose(), -1) {
			lines = append(lines, m[1])
		}
		for _, b := range d.blocks {
			if b.language == "sh" || b.language == "console" {
				lines = append(lines, strings.Split(b.text, "\n")...)
			}
		}
		for _, line := range lines {
			line, _, _ = strings.Cut(strings.TrimPrefix(line, "$ "), " #")
			if strings.HasPrefix(line, "rosterd ") {
				checkCommand(t, d.path, line, commands)
			}
		}
	}
}

func checkCommand(t *testing.T, doc, line string, commands map[string]string) {
	t.Helper()
	words := strings.Fields(line)
	command := words[0]
	for _, word := range words[1:] {
		if _, ok := commands[command+" "+word]; !ok {
			break
		}
		command += " " + word
	}
	rest := words[len(strings.Fields(command)):]
	if strings.Contains(commands[command], "Available Commands:") && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		t.Errorf("%s: %q: there is no command %s %s", doc, line, command, rest[0])
	}
	for _, word := range rest {
		if strings.HasPrefix(word, "--") && !strings.Contains(commands[command], word+" ") {
			t.Errorf("%s: %q: %s has no flag %s", doc, line, command, word)
		}
	}
}

// TestTheReadmeNamesEveryCommand keeps its table of commands whole.
func TestTheReadmeNamesEveryCommand(t *testing.T) {
	t.Parallel()
	commands, err := builtProgram(t).commands()
	if err != nil {
		t.Fatal(err)
	}
	readme := readDocument(t, "README.md").text
	for command, help := range commands {
		if !strings.Contains(help, "Available Commands:") && !strings.Contains(readme, "`"+command+"`") && !strings.Contains(readme, "`"+command+" ") {
			t.Errorf("README.md does not name %s", command)
		}
	}
}

// TestTheQuickstartPrintsWhatTheReadmeShows runs the real thing.
func TestTheQuickstartPrintsWhatTheReadmeShows(t *testing.T) {
	t.Parallel()
	p := builtProgram(t)
	out, errs, err := p.run("quickstart")
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	readme := readDocument(t, "README.md")
	i := slices.IndexFunc(readme.blocks, func(b block) bool { return b.info == "quickstart" })
	if i < 0 {
		t.Fatal("README.md has no block ```text quickstart")
	}
	shown, got := readme.blocks[i].text, plain(out)
	if *update {
		write(t, filepath.Join(root, "README.md"), strings.Replace(readme.text, shown, got, 1))
		return
	}
	if diff := cmp.Diff(shown, got); diff != "" {
		t.Errorf("README.md (-) and the quickstart (+) differ; `go test ./docs -update` rewrites it:\n%s", diff)
	}
}

// plain replaces what differs from run to run.
func plain(out string) string {
	out = regexp.MustCompile(`\d{8}-\d{6}-[a-z0-9]{8}`).ReplaceAllString(out, "20260301-120000-abcdef")
	return regexp.MustCompile(`\S*/rosterd-quickstart-\d+`).ReplaceAllString(out, "/tmp/rosterd-quickstart-1")
}
