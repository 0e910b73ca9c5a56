package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// restoredView are parts of a state that was just restored, with the two
// directions of a sync.
func restoredView(t *testing.T) (v view, there, back roster.Job) {
	t.Helper()
	dir := t.TempDir()
	if err := store.MarkRestored(dir, time.Unix(2, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	mark, err := store.LoadRestored(dir)
	if err != nil {
		t.Fatal(err)
	}
	there = roster.Job{Ref: "acme/there", Type: roster.JobSync, From: "acme/crm", To: "acme/club"}
	back = roster.Job{Ref: "acme/back", Type: roster.JobSync, From: "acme/club", To: "acme/crm"}
	p := &parts{restored: mark}
	p.current.Store(newSetup(&config.Config{Jobs: []roster.Job{back, there}}))
	return p.now(), there, back
}

func TestTwoDirectionsOfARestoredStateFindTheirWayOut(t *testing.T) {
	v, there, back := restoredView(t)
	if len(v.searching()) != 2 || len(v.restoredProblems()) != 2 {
		t.Fatalf("searching %v", v.searching())
	}
	first := v.restoredFor(there)
	if first == nil || !first.Hold {
		t.Fatal("the first direction does not hold what it would create")
	}
	held := roster.Run{State: roster.RunPartial, Counts: roster.Counts{Quarantined: 3}}
	if err := first.Walked(t.Context(), held, 2); err != nil {
		t.Fatal(err)
	}
	if !v.restoredFor(back).Hold {
		t.Error("a record that could not be mapped was not searched for, and the other direction creates already")
	}
	if err := first.Walked(t.Context(), held, 3); err != nil {
		t.Fatal(err)
	}
	second := v.restoredFor(back)
	if second == nil || second.Hold {
		t.Fatal("the second direction is held up although the first has searched for everything")
	}
	if err := second.Walked(t.Context(), roster.Run{State: roster.RunOK}, 0); err != nil {
		t.Fatal(err)
	}
	if v.restoredFor(back) != nil {
		t.Error("the second direction goes on searching")
	}
	third := v.restoredFor(there)
	if third == nil || third.Hold {
		t.Fatal("the first direction cannot create")
	}
	if err := third.Walked(t.Context(), roster.Run{State: roster.RunOK}, 0); err != nil {
		t.Fatal(err)
	}
	if len(v.searching()) != 0 || len(v.restoredProblems()) != 0 {
		t.Errorf("at the end: %v", v.searching())
	}
}

func TestRootRestoresNothingIntoTheFolderOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	_, err := restoreState(t.Context(), &config.Config{StateDir: dir}, "backup.tar.gz", false, time.Unix(2, 0))
	if !errors.Is(err, store.ErrOwner) || exitCode(err) != exitAuth {
		t.Errorf("got exit %d for %v", exitCode(err), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left there: %v, %v", left, err)
	}
}

func TestWhoMayNotReachTheDaemonIsToldHow(t *testing.T) {
	told := describe(fmt.Errorf("%w at unix:/run/rosterd/admin.sock", admin.ErrDenied))
	if told.Code != "daemon.denied" || told.Exit != exitAuth || !strings.Contains(told.Hint, "adduser") {
		t.Errorf("told %+v", told)
	}
}
