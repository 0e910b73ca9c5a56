package adapters_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestCloseIsBoundedWhateverTheAdapterDoes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"deaf", "stopped"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, func(o *adapters.Options) { o.StopTimeout = 300 * time.Millisecond }, name)
			pid := valuesOf(open(t, h, connection(name, "")))[0]
			if name == "stopped" {
				if err := exec.Command("kill", "-STOP", pid).Run(); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(began); d > 3*time.Second {
				t.Errorf("Close took %s", d)
			}
			if !gone(pid) {
				t.Error("the adapter still runs")
			}
		})
	}
}

func TestAConnectionSurvivesTheDeathOfItsProcess(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	conn := connection("fake", "")
	conn.Settings = roster.NewSecret(`{"mode":"crash once","file":"` + filepath.Join(t.TempDir(), "once") + `"}`)
	c := open(t, h, conn)
	_, err := c.Read(t.Context(), members)
	wantClass(t, err, sdk.ClassRetry)
	if !errors.Is(err, adapters.ErrCrashed) || !strings.Contains(err.Error(), "exit status 9") {
		t.Fatal(err)
	}
	if _, err := c.Read(t.Context(), members); err != nil {
		t.Fatal(err)
	}
}

func TestAnAnnouncementThatDiedUnderWayIsUnknown(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	c := open(t, h, connection("fake", "crash"))
	res, err := c.StartImport(t.Context(), sdk.StartImportRequest{})
	if err == nil || res.Outcome != sdk.OutcomeUnknown {
		t.Fatal(res, err)
	}
}

func TestAnAnnouncementThatWasNeverSentIsRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	c := open(t, h, connection("fake", ""))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	res, err := c.StartImport(t.Context(), sdk.StartImportRequest{})
	if err != nil || res.Outcome != sdk.OutcomeRefused || !strings.Contains(res.Detail, "closed") {
		t.Fatal(res, err)
	}
}

func TestAnAdapterThatEndsAgainAndAgainIsGivenPauses(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) { o.Pause = time.Hour }, "fake")
	c := open(t, h, connection("fake", "crash"))
	for range 2 {
		_, err := c.Read(t.Context(), members)
		wantClass(t, err, sdk.ClassRetry)
	}
	_, err := c.Read(t.Context(), members)
	if e := sdk.AsError(err); e.Class != sdk.ClassRetry || e.After <= 0 || e.After > adapters.MaxPause {
		t.Fatalf("%+v", e)
	}
}

func TestAPanicStopsOnlyItsCall(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	good, bad := open(t, h, connection("fake", "")), open(t, h, connection("fake", "panic"))
	before := valuesOf(good)
	_, err := bad.Read(t.Context(), members)
	wantClass(t, err, sdk.ClassFail)
	if strings.Contains(err.Error(), "personal") {
		t.Error("the panic's value is shown:", err)
	}
	if after := valuesOf(good); after[0] != before[0] {
		t.Error("the process was replaced")
	}
}

func TestASlowCallEndsAtItsDeadlineAndTheProcessLives(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) { o.CallTimeout = 100 * time.Millisecond }, "fake")
	c := open(t, h, connection("fake", "hang"))
	_, err := c.Read(t.Context(), members)
	wantClass(t, err, sdk.ClassRetry)
	if errors.Is(err, adapters.ErrCrashed) {
		t.Error("the process was killed:", err)
	}
}

func TestAnAdapterThatDoesNotAnswerIsReplaced(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) {
		o.CallTimeout, o.PingTimeout = 500*time.Millisecond, 500*time.Millisecond
	}, "fake")
	good, bad := open(t, h, connection("fake", "")), open(t, h, connection("fake", "stopped"))
	pid := valuesOf(good)[0]
	_, err := bad.Read(t.Context(), members)
	wantClass(t, err, sdk.ClassRetry)
	if !errors.Is(err, adapters.ErrCrashed) || !gone(pid) {
		t.Fatal(err)
	}
	if now := valuesOf(good)[0]; now == pid {
		t.Error("no other process was started")
	}
}

func TestACallerThatGivesUpDoesNotHarmTheProcess(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	good, slow := open(t, h, connection("fake", "")), open(t, h, connection("fake", "hang"))
	pid := valuesOf(good)[0]
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := slow.Read(ctx, members); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if valuesOf(good)[0] != pid {
		t.Error("the process was replaced")
	}
}

func TestClosingAConnectionCancelsItsCalls(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	c := open(t, h, connection("fake", "hang"))
	ended := make(chan error, 1)
	go func() {
		_, err := c.Read(t.Context(), members)
		ended <- err
	}()
	await(t, "the call's end", func() bool {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		select {
		case err := <-ended:
			return err != nil
		default:
			return false
		}
	})
}
