// Package serve turns an adapter into a program that rosterd starts. The main
// function of an adapter is one call:
//
//	func main() { serve.Main(adapter.New()) }
package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// exitUsage is the exit code of a program that was called wrongly (EX_USAGE of
// sysexits.h).
const exitUsage = 64

// closeWait bounds how long open connections may take to close at the end.
const closeWait = time.Second

// gcPercent lets the garbage of a page pile up to some tens of megabytes before
// it is collected: with Go's default an adapter that streams pages spends a
// third of its time on collecting a heap that is nearly empty.
const gcPercent = 400

// handshake is the standard output as it was when the program started. The
// first line on it is the handshake with rosterd, so that nothing else may be
// printed there: package variables are set before any main function runs, and
// an author's fmt.Println goes to the log.
var handshake = claimStdout() //nolint:gochecknoglobals // Nothing else runs before an author's main function.

func claimStdout() *os.File {
	out := os.Stdout
	if startedByRosterd() {
		os.Stdout = os.Stderr
	}
	return out
}

func startedByRosterd() bool {
	key, value := wire.Cookie()
	return os.Getenv(key) == value //nolint:forbidigo // The way in which go-plugin marks a start.
}

// Main runs an adapter and does not return.
//
// Started by rosterd, it serves every connection of the adapter until rosterd
// stops it or is gone. Started by hand it says what the program is and exits
// with 64; with --describe it prints the adapter's [sdk.Info] as JSON.
func Main(a sdk.Adapter) {
	os.Exit(run(a, os.Args[1:])) //nolint:forbidigo // Main is the whole main function of an adapter.
}

// run returns the exit code.
func run(a sdk.Adapter, args []string) int {
	if err := validate(a); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitUsage
	}
	if !startedByRosterd() {
		return byHand(a, args, os.Stdout, os.Stderr)
	}
	debug.SetGCPercent(gcPercent)
	logger := newLogger(os.Stderr)
	server := wire.NewServer(a, logger)
	over := make(chan struct{}, 2)
	if isPipe(os.Stdin) {
		go func() { watchParent(os.Stdin); over <- struct{}{} }()
	}
	os.Stdout = handshake
	go func() { answer(server, os.Stderr); over <- struct{}{} }()
	<-over
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	if err := server.CloseAll(ctx); err != nil {
		logger.Warn("connections were not closed in time", "error", err.Error())
	}
	return 0
}

// answer serves calls until rosterd says that it was the last one.
func answer(server *wire.Server, log io.Writer) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.Versions(server),
		GRPCServer:       wire.NewGRPCServer,
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: log, JSONFormat: true}),
	})
}

// watchParent returns when in ends. The daemon holds the other end of the pipe
// and writes nothing to it, so that it ends only with the daemon.
func watchParent(in io.Reader) { _, _ = io.Copy(io.Discard, in) }

func isPipe(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeNamedPipe != 0
}

var kebab = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func validate(a sdk.Adapter) error {
	switch {
	case !kebab.MatchString(a.Name):
		return fmt.Errorf("adapter name %q is not in kebab-case (like my-system): set sdk.Adapter.Name", a.Name)
	case a.Version == "":
		return fmt.Errorf("adapter %s has no version: set sdk.Adapter.Version", a.Name)
	case len(a.Settings) > 0 && !json.Valid(a.Settings):
		return fmt.Errorf("adapter %s: its settings schema is not JSON: correct sdk.Adapter.Settings", a.Name)
	case len(a.Opener.Abilities()) == 0:
		return fmt.Errorf("adapter %s has no ability: set sdk.Adapter.Opener to sdk.Open of a constructor"+
			" whose value has the methods of sdk.Source or another ability", a.Name)
	}
	return nil
}

// byHand answers a person who started the program, and returns the exit code.
func byHand(a sdk.Adapter, args []string, out, errs io.Writer) int {
	if len(args) == 1 && args[0] == "--describe" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(a.Describe()); err != nil {
			fmt.Fprintf(errs, "describe %s: %v\n", a.Name, err)
			return 1
		}
		return 0
	}
	fmt.Fprintf(errs, `%[1]s %[2]s is an adapter of rosterd. rosterd starts it; it does nothing by itself.
To use it, put it into the directory of plugins.dir in the configuration of rosterd and name it in a
connection ("adapter: %[1]s"); "rosterd adapter describe %[1]s" shows its settings.
"%[1]s --describe" prints what it can do, as JSON.
`, a.Name, a.Version)
	return exitUsage
}
