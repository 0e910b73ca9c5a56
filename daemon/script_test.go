package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts plays what a person types. Beside the commands of testscript the
// scripts have:
//
//	exits CODE COMMAND...         run it and want this exit code
//	start NAME COMMAND...         run it beside the script; it writes to NAME.log
//	end NAME [SIGNAL [CODE]]      signal it (TERM) and want this exit code (0)
//	await PATTERN FILE            wait until the file matches
//	until PATTERN COMMAND...      run it again and again until its output matches
//	get STATUS URL                ask, want this status, print status, headers and body
//	put URL TEXT                  send a text
//	post URL TEXT                 the same with POST
//	push STATUS URL FILE          send a file, .xml or .json, want this status, print like get
//	jsonlines                     want the last output to be a JSON object a line
//	rows N FILE                   write a list of N members
//	converse CODE FILE COMMAND... run it at a terminal, answer as the file says, want this exit code
//	quiet                         want no process of this script's folder to run
//
// $PUBLIC, $INTANDEM and $ADMIN are addresses that nobody else uses, $BIN is the folder
// of the programs. $NAME is replaced in every .yaml file; a script without
// rosterd.yaml gets the one in testdata.
func TestScripts(t *testing.T) {
	t.Parallel()
	work, err := os.MkdirTemp("", "rd") //nolint:usetesting // short, since sockets lie below it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(work) })
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", WorkdirRoot: work, Setup: setUp, RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "start": start, "end": end, "await": await, "until": until,
			"get": get, "signal": signalTo, "put": put, "post": post, "push": push, "jsonlines": jsonLines, "rows": rows, "quiet": quiet, "converse": converse,
		},
	})
}

// setUp gives a script its addresses and its configuration.
func setUp(env *testscript.Env) error {
	env.Setenv("PATH", binaries+string(filepath.ListSeparator)+os.Getenv("PATH"))
	env.Setenv("BIN", binaries)
	env.Setenv("PUBLIC", freeAddress())
	env.Setenv("INTANDEM", freeAddress())
	env.Setenv("ADMIN", freeAddress())
	env.Setenv("SECRET", "a-secret-of-the-export-address")
	env.Setenv("ROSTERD_CONFIG", filepath.Join(env.WorkDir, "rosterd.yaml"))
	started := &background{running: map[string]*exec.Cmd{}}
	env.Values[backgroundKey{}] = started
	env.Defer(started.end)
	if err := defaults(env.WorkDir); err != nil {
		return err
	}
	return filepath.WalkDir(env.WorkDir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(os.Expand(string(text), env.Getenv)), 0o600)
	})
}

// defaults puts the files into a script's folder that it does not bring.
func defaults(dir string) error {
	for _, name := range []string{"rosterd.yaml", "members.csv", "members.lua", "token", "secret"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("testdata", "site", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := code(ts.Exec(args[1], args[2:]...)); got != want {
		fail(ts, "exit code %d, want %d", got, want)
	}
}

// fail ends a script with what its processes have written.
func fail(ts *testscript.TestScript, format string, args ...any) {
	logs, err := filepath.Glob(ts.MkAbs("*.log"))
	ts.Check(err)
	for _, path := range logs {
		ts.Logf("[%s]\n%s", filepath.Base(path), ts.ReadFile(path))
	}
	ts.Fatalf(format, args...)
}

// code is how a process ended; -1 when it was not started or was killed.
func code(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	return -1
}

// background are the processes that a script has started.
type background struct {
	mu      sync.Mutex
	running map[string]*exec.Cmd
}

type backgroundKey struct{}

func backgroundOf(ts *testscript.TestScript) *background {
	b, _ := ts.Value(backgroundKey{}).(*background)
	return b
}

func (b *background) take(name string) *exec.Cmd {
	b.mu.Lock()
	defer b.mu.Unlock()
	cmd := b.running[name]
	delete(b.running, name)
	return cmd
}

// end stops what a script has left running.
func (b *background) end() {
	for _, name := range slices.Sorted(maps.Keys(b.running)) {
		cmd := b.take(name)
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
	}
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME COMMAND...")
	}
	log, err := os.OpenFile(ts.MkAbs(args[0]+".log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer log.Close()
	path := filepath.Join(binaries, args[1])
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), log, log
	cmd.Env = environment(ts)
	ts.Check(cmd.Start())
	b := backgroundOf(ts)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[args[0]] = cmd
}

func end(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 3 {
		ts.Fatalf("usage: end NAME [SIGNAL [CODE]]")
	}
	args = append(args, []string{"TERM", "0"}[len(args)-1:]...)
	want, err := strconv.Atoi(args[2])
	ts.Check(err)
	cmd := backgroundOf(ts).take(args[0])
	if cmd == nil {
		ts.Fatalf("%s does not run", args[0])
	}
	ts.Check(cmd.Process.Signal(signals()[args[1]]))
	if got := code(cmd.Wait()); got != want {
		fail(ts, "%s ended with %d, want %d", args[0], got, want)
	}
}

func signals() map[string]syscall.Signal {
	return map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP}
}

// signalTo sends a signal to what goes on running.
func signalTo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal NAME SIGNAL")
	}
	b := backgroundOf(ts)
	b.mu.Lock()
	defer b.mu.Unlock()
	cmd := b.running[args[0]]
	if cmd == nil {
		ts.Fatalf("%s does not run", args[0])
	}
	ts.Check(cmd.Process.Signal(signals()[args[1]]))
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await PATTERN FILE")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	var text []byte
	matches := func() bool {
		text, _ = os.ReadFile(ts.MkAbs(args[1]))
		return pattern.Match(text)
	}
	if !poll(matches) {
		fail(ts, "%s does not match %q:\n%s", args[1], args[0], text)
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND...")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	var out []byte
	matches := func() bool {
		cmd := exec.Command(filepath.Join(binaries, args[1]), args[2:]...)
		cmd.Dir, cmd.Env = ts.MkAbs("."), environment(ts)
		out, _ = cmd.Output() // only what it prints counts
		return pattern.Match(out)
	}
	matched := poll(matches)
	_, err := ts.Stdout().Write(out)
	ts.Check(err)
	if !matched {
		fail(ts, "the output of %v does not match %q", args[1:], args[0])
	}
}

// environment is what a program beside the script is given.
func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "ROSTERD_CONFIG", "CREDENTIALS_DIRECTORY"} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get STATUS URL")
	}
	ask(ts, args[0], http.MethodGet, args[1], "")
}

func put(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: put URL TEXT")
	}
	ask(ts, "204", http.MethodPut, args[0], args[1])
}

func post(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: post URL TEXT")
	}
	ask(ts, "204", http.MethodPost, args[0], args[1])
}

func push(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: push STATUS URL FILE")
	}
	kind := "Content-Type: application/" + strings.TrimPrefix(filepath.Ext(args[2]), ".")
	ask(ts, args[0], http.MethodPost, args[1], ts.ReadFile(args[2]), kind)
}

// ask prints an answer without its date, so that two can be compared.
func ask(ts *testscript.TestScript, status, method, url, body string, headers ...string) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	ts.Check(err)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	resp, err := (&http.Client{Timeout: patience}).Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	resp.Header.Del("Date")
	out := ts.Stdout()
	fmt.Fprintln(out, resp.Status)
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		fmt.Fprintf(out, "%s: %s\n", name, strings.Join(resp.Header[name], ", "))
	}
	fmt.Fprintf(out, "\n%s", answer)
	if got := strconv.Itoa(resp.StatusCode); got != status {
		ts.Fatalf("status %s, want %s: %s", got, status, answer)
	}
}

func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: jsonlines")
	}
	for line := range strings.SplitSeq(strings.TrimSpace(ts.ReadFile("stdout")), "\n") {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("not a JSON object: %v: %s", err, line)
		}
	}
}

func rows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: rows N FILE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	text := []byte("no,first,last,mail,status\n")
	for i := range n {
		text = fmt.Appendf(text, "M%d,Given%d,Family%d,m%d@example.com,active\n", i, i, i, i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}

func quiet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: quiet")
	}
	var left []string
	if !poll(func() bool { left = processesIn(ts.MkAbs(".")); return len(left) == 0 }) {
		ts.Fatalf("left running: %q", left)
	}
}
