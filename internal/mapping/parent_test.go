package mapping_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// parentArg makes the test binary a daemon whose worker never ends.
const parentArg = "map-parent"

// parent loads an endless script, gives it a record and says so. It waits to be
// killed.
func parent() {
	opts := options(2)
	opts.RecordDeadline = time.Hour
	pool := mapping.NewPool(opts)
	script := mapping.Script{Name: "endless.lua", Source: []byte("function map() while true do end end")}
	m, err := pool.Load(context.Background(), script, mapping.Context{}, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		panic(err)
	}
	b := sdk.NewPageBuilder(sdk.KindMember, nil)
	b.Add("1", "", "")
	page, err := b.Page(nil, true)
	if err != nil {
		panic(err)
	}
	fmt.Println("ready")
	_, err = m.Map(context.Background(), page)
	panic(err)
}

func TestNoWorkerOutlivesAKilledDaemon(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", parentArg)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	workers := children(t, cmd.Process.Pid)
	if len(workers) != 1 {
		t.Fatalf("the daemon has the workers %v, want one", workers)
	}
	eventually(t, "the worker is busy", func() bool { return cpuTicks(t, workers[0]) >= 2 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It was killed.
	eventually(t, "the worker is gone", func() bool { return !alive(workers[0]) })
}

func TestCloseLeavesNoWorker(t *testing.T) {
	// Not parallel: it counts this process's own children.
	pool := mapping.NewPool(options(2))
	before := children(t, os.Getpid())
	m := load(t, pool, "function map(r) return { first_name = r.name } end")
	done := make(chan struct{})
	for range 2 {
		go func() {
			mapOne(t, m, people(t, 2000, nil))
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	if after := children(t, os.Getpid()); len(after) <= len(before) {
		t.Fatalf("no worker was started: children %v", after)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	if after := children(t, os.Getpid()); !slices.Equal(after, before) {
		t.Errorf("children %v before and %v after", before, after)
	}
	if _, err := m.Map(t.Context(), people(t, 1, nil)); err == nil {
		t.Error("a closed mapping maps")
	}
}

func TestAPageSurvivesTheKillOfItsWorker(t *testing.T) {
	// Not parallel: it looks for the worker among this process's children.
	opts := options(1)
	opts.RecordDeadline = 5 * time.Second
	pool := mapping.NewPool(opts)
	defer func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}()
	before := children(t, os.Getpid())
	m := load(t, pool, "function map(r) for i = 1, 10000 do end return { first_name = r.name } end")
	workers := slices.DeleteFunc(children(t, os.Getpid()), func(pid int) bool { return slices.Contains(before, pid) })
	if len(workers) != 1 {
		t.Fatalf("workers %v, want one", workers)
	}
	idle := cpuTicks(t, workers[0])
	mapped := make(chan *roster.Mapped)
	go func() { mapped <- mapOne(t, m, people(t, 200, nil)) }()
	eventually(t, "the worker is busy", func() bool { return cpuTicks(t, workers[0]) > idle+1 })
	if err := syscall.Kill(workers[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	got := <-mapped
	if len(got.Records) != 200 {
		t.Fatalf("%d records, want 200", len(got.Records))
	}
	for i, r := range got.Records {
		if r.Row != i || r.Verdict != roster.VerdictMapped {
			t.Errorf("record %d is %+v", i, r)
		}
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// children returns the live processes whose parent is pid, in order.
func children(t *testing.T, pid int) []int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, path := range paths {
		fields := stat(path)
		if len(fields) > 1 && fields[0] != "Z" && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			found = append(found, child)
		}
	}
	slices.Sort(found)
	return found
}

// stat returns the fields behind a process's name: its state, its parent, ...
func stat(path string) []string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
}

func alive(pid int) bool {
	fields := stat(fmt.Sprintf("/proc/%d/stat", pid))
	return len(fields) > 0 && fields[0] != "Z"
}

// cpuTicks is the time that a process has run for, in hundredths of a second.
func cpuTicks(t *testing.T, pid int) int {
	t.Helper()
	const userTime = 11
	fields := stat(fmt.Sprintf("/proc/%d/stat", pid))
	if len(fields) <= userTime {
		return 0
	}
	ticks, err := strconv.Atoi(fields[userTime])
	if err != nil {
		t.Fatal(err)
	}
	return ticks
}
