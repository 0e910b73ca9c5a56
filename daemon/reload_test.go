package main_test

import (
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox"
)

// TestReloadsUnderLoadLoseNothing runs imports one after another while the
// configuration is reloaded without a pause, by the API and by SIGHUP, with a good
// and a bad file in turn.
func TestReloadsUnderLoadLoseNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.platform(t, sandbox.Options{PerPage: 2}, nil)
	d := s.start(t)
	s.ready(t)
	good, err := os.ReadFile(s.path("rosterd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(good), "schedule: manual", "schedule: every 12h", 1)
	broken := strings.Replace(string(good), "adapter: csv", "adaptor: csv", 1)
	done, reloads, refused := make(chan struct{}), 0, 0
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for n := range 8 {
			s.write(t, "rosterd.yaml", []string{string(good), changed, broken}[n%3])
			report, err := s.client.Reload(t.Context(), false)
			switch {
			case n%3 == 2 && err != nil:
				refused++
			case n%3 != 2 && err == nil && report.Applied:
				reloads++
			default:
				t.Errorf("reload %d: %+v, %v", n, report, err)
			}
			if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Error(err)
			}
		}
	})
	reloading := func() bool {
		select {
		case <-done:
			return false
		default:
			return true
		}
	}
	for runs := 0; runs < 3 || reloading(); runs++ {
		run, err := s.client.StartRun(t.Context(), siteJob)
		if err != nil {
			t.Fatal(err)
		}
		if ended := s.ended(t, run.ID); ended.State != roster.RunPartial || ended.Counts.Served != 3 {
			t.Errorf("run %s: %s %v, %+v", run.ID, ended.State, ended.Fault, ended.Counts)
		}
	}
	wg.Wait()
	if reloads != 6 || refused != 2 {
		t.Errorf("%d reloads, %d refused", reloads, refused)
	}
	s.write(t, "rosterd.yaml", string(good))
	if _, err := s.client.Reload(t.Context(), false); err != nil {
		t.Error(err)
	}
	status, err := s.client.Status(t.Context())
	if err != nil || len(status.Jobs) != 1 || status.Jobs[0].Schedule != "manual" {
		t.Errorf("afterwards: %+v, %v", status, err)
	}
	d.stop(t)
	s.quiet(t)
}

// TestAScheduleTakesEffectWithAReload: nothing starts the job before.
func TestAScheduleTakesEffectWithAReload(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.platform(t, sandbox.Options{PerPage: 2}, nil)
	d := s.start(t)
	s.ready(t)
	text, err := os.ReadFile(s.path("rosterd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "rosterd.yaml", strings.Replace(string(text), "schedule: manual", "schedule: every 1m", 1))
	if _, err := s.client.Reload(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	status, err := s.client.Status(t.Context())
	if err != nil || status.Jobs[0].Next == nil || time.Until(*status.Jobs[0].Next) > time.Minute {
		t.Errorf("%+v, %v", status.Jobs, err)
	}
	d.stop(t)
	s.quiet(t)
}

// TestAReloadChangesWhoIsTold: a receiver that is new hears of what stands, and the
// metrics tell whether the file was taken.
func TestAReloadChangesWhoIsTold(t *testing.T) {
	t.Parallel()
	s, h := newSite(t), newHook(t)
	s.platform(t, sandbox.Options{PerPage: 2}, nil)
	d := s.start(t)
	s.ready(t)
	if err := os.Remove(s.path("members.csv")); err != nil {
		t.Fatal(err)
	}
	s.runs(t, roster.RunFailed)
	text, err := os.ReadFile(s.path("rosterd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "hook.secret", hookKey)
	told := string(text) + "alerts:\n  receivers:\n    chat: {webhook: {url: \"" + h.URL + "/\", secret: {file: hook.secret}}}\n"
	s.write(t, "rosterd.yaml", told)
	report, err := s.client.Reload(t.Context(), false)
	if err != nil || len(report.Changes) != 1 || report.Changes[0].Name != "alerts" {
		t.Fatalf("%+v, %v", report, err)
	}
	h.await(t, s, "acme/launch run failed its last run failed (")
	s.write(t, "rosterd.yaml", strings.Replace(told, "adapter: csv", "adaptor: csv", 1))
	if _, err := s.client.Reload(t.Context(), false); err == nil {
		t.Error("a broken file was taken over")
	}
	metrics, err := s.client.Metrics(t.Context())
	if err != nil || !strings.Contains(metrics, "rosterd_config_last_reload_success 0") {
		t.Errorf("the metrics do not tell of the refused file: %v", err)
	}
	d.stop(t)
	s.quiet(t)
}
