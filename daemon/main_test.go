package main_test

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// binaries is the folder of the programs under test: rosterd, and plugins/ with
// the adapters. They are built without the race detector: the tests have it, and
// the programs are those that an operator runs.
var binaries string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rd-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries = dir
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=v1.2.3-test", "-o", dir+"/", ".")
	adapters := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/plugins/", "../plugins/csv", "../plugins/intandem", "../plugins/ndjson", "../plugins/rest")
	for _, cmd := range []*exec.Cmd{build, adapters} {
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v: %v\n%s", cmd.Args, err, out)
			return 1
		}
	}
	if err := os.Rename(filepath.Join(dir, "daemon"), filepath.Join(dir, "rosterd")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// addresses counts those that were given out.
var addresses atomic.Uint32

// freeAddress returns a loopback address that nobody uses and that stays free
// while nobody listens there. A port of 127.0.0.1 would not: the system hands
// those out to connections as well.
func freeAddress() string {
	for {
		n, pid := addresses.Add(1), os.Getpid()
		address := fmt.Sprintf("127.%d.%d.%d:8080", 64+pid>>8&127, pid&255, n%254+1)
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
}

// patience bounds every wait: long enough for a busy machine.
const patience = 60 * time.Second

// poll calls ready until it reports true, or reports false after a long time.
func poll(ready func() bool) bool {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-deadline.C:
			return false
		case <-tick.C:
		}
	}
	return true
}
