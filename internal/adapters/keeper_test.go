package adapters_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestNothingIsLeftWhenTheHostIsKilled(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"pids", "strays"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			host := exec.Command(os.Args[0])
			host.Env = append(os.Environ(), hostEnv+"="+programs(t, "fake"), modeEnv+"="+mode)
			host.Stderr = os.Stderr
			out, err := host.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := host.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pids := strings.Fields(line)
			for _, pid := range pids {
				if gone(pid) {
					t.Fatalf("%s does not run", pid)
				}
			}
			_ = host.Process.Kill()
			_ = host.Wait()
			for _, pid := range pids {
				await(t, "the end of "+pid, func() bool { return gone(pid) })
			}
		})
	}
}

func TestAHostWaitsForTheProcessesOfAnEarlierOne(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	h := newHost(t, func(o *adapters.Options) { o.RuntimeDir = dir }, "fake")
	open(t, h, connection("fake", ""))
	next := make(chan error, 1)
	go func() {
		later, err := adapters.NewHost(adapters.Options{Dir: programs(t, "fake"), RuntimeDir: dir})
		if err == nil {
			err = later.Close()
		}
		next <- err
	}()
	select {
	case err := <-next:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-next; err != nil {
		t.Fatal(err)
	}
}

func TestWhatAnAdapterStartedEndsWithIt(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"pids", "strays"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, nil, "fake")
			pids := valuesOf(open(t, h, connection("fake", mode)))
			if err := exec.Command("kill", "-9", pids[0]).Run(); err != nil {
				t.Fatal(err)
			}
			for _, pid := range pids {
				await(t, "the end of "+pid, func() bool { return gone(pid) })
			}
		})
	}
}

func TestWhatAnAdapterStartedEndsWithItsHost(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"pids", "strays"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, nil, "fake")
			pids := valuesOf(open(t, h, connection("fake", mode)))
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			for _, pid := range pids {
				if !gone(pid) {
					t.Errorf("%s still runs", pid)
				}
			}
		})
	}
}

func TestAnAdapterThatIgnoresItsStopIsKilledInTime(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) { o.StopTimeout = 300 * time.Millisecond }, "deaf")
	pids := valuesOf(open(t, h, connection("deaf", "strays")))
	began := time.Now()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("Close took %s", d)
	}
	for _, pid := range pids {
		await(t, "the end of "+pid, func() bool { return gone(pid) })
	}
}

// A keeper that does not act is killed, and the kernel kills its adapter.
func TestAStoppedKeeperHoldsNothingUp(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) { o.StopTimeout = 300 * time.Millisecond }, "deaf")
	pid := valuesOf(open(t, h, connection("deaf", "")))[0]
	keeper := parentOf(t, pid)
	if err := exec.Command("kill", "-STOP", keeper).Run(); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the keeper", func() bool { return gone(keeper) })
	await(t, "the end of the adapter", func() bool { return gone(pid) })
}

func TestTheSignalThatEndedAnAdapterIsTold(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	c := open(t, h, connection("fake", "killed"))
	_, err := c.Read(t.Context(), members)
	wantClass(t, err, sdk.ClassRetry)
	if !errors.Is(err, adapters.ErrCrashed) || !strings.Contains(err.Error(), "signal: killed") {
		t.Fatal(err)
	}
}

func TestAnAdapterHasNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	var got struct{ core, files, privileges, open string }
	for _, line := range valuesOf(open(t, h, connection("fake", "limits"))) {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "core":
			got.core = value
		case "files":
			got.files = value
		case "no_new_privs":
			got.privileges = value
		case "open":
			got.open = value
		}
	}
	if files, err := strconv.Atoi(got.files); got.core != "0" || got.privileges != "1" || err != nil || files > 4096 {
		t.Errorf("%+v", got)
	}
	// The third file is the lock by which the next host knows that it is gone.
	if got.open != "3 " {
		t.Errorf("files of the keeper reached the adapter: %q", got.open)
	}
}

func TestAScriptCanBeAnAdapter(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The interpreter opens the script by the file that was verified.
	script := "#!/bin/sh\nexec " + filepath.Join(dir, "program", "fake") + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "fake"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "program"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "program", "fake")); err != nil {
		t.Fatal(err)
	}
	var log logged
	h, err := adapters.NewHost(adapters.Options{
		Dir: dir, RuntimeDir: filepath.Join(dir, "run"), Logger: log.logger(), StartTimeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	_, err = h.Describe(t.Context(), "fake")
	switch {
	case !confined:
		if err != nil {
			t.Fatal(err)
		}
	case err == nil:
		t.Error("a confined script ran a program that it was not let through to")
	default:
		// That the shell came to the second line proves that it read the script.
		await(t, "the shell's refusal", func() bool { return strings.Contains(log.String(), "ermission denied") })
	}
}

// parentOf returns the id of a process's parent.
func parentOf(t *testing.T, pid string) string {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.Fields(rest)[1]
}

func TestAnAnswerThatIsTooLargeEndsTheCallAlone(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "boundless")
	good, bad := open(t, h, connection("boundless", "")), open(t, h, connection("boundless", "oversize"))
	pid := valuesOf(good)[0]
	_, err := bad.Read(t.Context(), members)
	wantClass(t, err, sdk.ClassFail)
	if !strings.Contains(err.Error(), strconv.Itoa(wire.MaxMessageBytes)) {
		t.Error(err)
	}
	if valuesOf(good)[0] != pid {
		t.Error("the process was replaced")
	}
}

func TestAFloodOfOutputNeitherBlocksNorFillsTheLog(t *testing.T) {
	t.Parallel()
	var log logged
	h := newHost(t, func(o *adapters.Options) { o.Logger = log.logger() }, "fake")
	c := open(t, h, connection("fake", "flood"))
	if _, err := c.Read(t.Context(), members); err != nil {
		t.Fatal(err)
	}
	// 8 MiB were printed; the bound is 100 lines of 1 KiB a second.
	if n := len(log.String()); n > 4<<20 {
		t.Errorf("%d bytes were logged", n)
	}
}

func TestACrashUnderWayLeavesAWholePageOrNone(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) { o.Budget, o.Pause = 100, time.Nanosecond }, "fake", "other")
	good := open(t, h, connection("other", ""))
	pid := valuesOf(good)[0]
	for after := 0; after < 4000; after += 1000 {
		conn := connection("fake", "")
		conn.Settings = roster.NewSecret(fmt.Sprintf(`{"mode": "crash under way", "after": %d}`, after))
		page, err := open(t, h, conn).Read(t.Context(), members)
		switch {
		case err == nil && len(page.Row(0).Cell(0).Bytes()) != sdk.MaxPageBytes/2:
			t.Errorf("a page of %d bytes", len(page.Cells))
		case err != nil && (sdk.AsError(err).Class != sdk.ClassRetry || !errors.Is(err, adapters.ErrCrashed)):
			t.Error(err)
		}
	}
	if valuesOf(good)[0] != pid {
		t.Error("another adapter's process was replaced")
	}
}
