package schedule_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosterd/rosterd/internal/schedule"
)

// visits lets visitors into a room, notes when each began, and waits for all.
type visits struct {
	room *schedule.Room
	mu   sync.Mutex
	got  fired
	wg   sync.WaitGroup
}

// visit asks for a place at once and stays for a while.
func (v *visits) visit(t *testing.T, run, account string, stay time.Duration, needs ...string) {
	t.Helper()
	visitor := schedule.Visitor{Run: run, Account: account, Asked: time.Now()}
	for _, name := range needs {
		visitor.Needs = append(visitor.Needs, schedule.Need{Name: name, Limit: 1})
	}
	v.wg.Go(func() {
		leave, err := v.room.Enter(t.Context(), visitor)
		if err != nil {
			t.Error(err)
			return
		}
		v.mu.Lock()
		v.got = append(v.got, time.Now().UTC().Format("15:04:05")+" "+run)
		v.mu.Unlock()
		time.Sleep(stay)
		leave()
		leave()
	})
	synctest.Wait()
	time.Sleep(time.Millisecond)
}

// begun waits for all visitors and returns when each began; those that began
// together stand in the order of their names.
func (v *visits) begun() fired {
	v.wg.Wait()
	return slices.Sorted(slices.Values(v.got))
}

func TestAccountsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visits{room: schedule.NewRoom(1)}
		for _, run := range []string{"a1", "a2", "a3", "a4"} {
			v.visit(t, run, "acme", 10*time.Second)
		}
		v.visit(t, "b1", "bolt", 10*time.Second)
		v.visit(t, "b2", "bolt", 10*time.Second)
		v.visit(t, "c1", "core", 10*time.Second)
		want(t, v.begun(), "00:00:00 a1", "00:00:10 b1", "00:00:20 c1", "00:00:30 a2", "00:00:40 b2", "00:00:50 a3", "00:01:00 a4")
	})
}

func TestRunsWaitForAPlaceAtTheirConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visits{room: schedule.NewRoom(4)}
		v.visit(t, "r1", "acme", 30*time.Second, "acme/crm", "acme/club")
		v.visit(t, "r2", "acme", 10*time.Second, "acme/club")
		v.visit(t, "r3", "acme", 10*time.Second, "acme/files")
		v.visit(t, "r4", "acme", 10*time.Second, "acme/crm")
		if got := v.room.Waits("r2"); got != "waits for acme/club, used by run r1" {
			t.Errorf("r2 %s", got)
		}
		if got := v.room.Waits("r3"); got != "" {
			t.Errorf("r3 %s", got)
		}
		want(t, v.begun(), "00:00:00 r1", "00:00:00 r3", "00:00:30 r2", "00:00:30 r4")
	})
}

func TestARunThatNeedsTwoPlacesIsNotOvertakenForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visits{room: schedule.NewRoom(4)}
		v.visit(t, "r1", "acme", 10*time.Second, "acme/crm")
		v.visit(t, "both", "acme", 10*time.Second, "acme/crm", "acme/club")
		v.visit(t, "r2", "acme", 10*time.Second, "acme/club")
		if got := v.room.Waits("r2"); got != "waits for acme/club, used by run both" {
			t.Errorf("r2 %s", got)
		}
		want(t, v.begun(), "00:00:00 r1", "00:00:10 both", "00:00:20 r2")
	})
}

func TestTheNumberOfRunsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visits{room: schedule.NewRoom(2)}
		for _, run := range []string{"r1", "r2", "r3", "r4", "r5"} {
			v.visit(t, run, "acme", time.Minute)
		}
		if got := v.room.Waits("r5"); got != "waits for a place among the runs: 2 may run at a time" {
			t.Errorf("r5 %s", got)
		}
		want(t, v.begun(), "00:00:00 r1", "00:00:00 r2", "00:01:00 r3", "00:01:00 r4", "00:02:00 r5")
	})
}

func TestARunThatIsCancelledWhileItWaitsKeepsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visits{room: schedule.NewRoom(4)}
		v.visit(t, "r1", "acme", 10*time.Second, "acme/crm")
		cause := errors.New("cancelled")
		ctx, cancel := context.WithCancelCause(t.Context())
		v.wg.Go(func() {
			_, err := v.room.Enter(ctx, schedule.Visitor{
				Run: "r2", Account: "acme", Asked: time.Now(), Needs: []schedule.Need{{Name: "acme/crm", Limit: 1}, {Name: "acme/club", Limit: 1}},
			})
			if !errors.Is(err, cause) {
				t.Errorf("got %v, want the cause", err)
			}
		})
		synctest.Wait()
		v.visit(t, "r3", "acme", time.Second, "acme/club")
		cancel(cause)
		want(t, v.begun(), "00:00:00 r1", "00:00:00 r3")
	})
}

func TestWhoAskedFirstGoesFirstAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room, begun := schedule.NewRoom(1), time.Now()
		hold, err := room.Enter(t.Context(), schedule.Visitor{Run: "r0", Account: "acme"})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var got fired
		var wg sync.WaitGroup
		for i, run := range []string{"third", "second", "first"} {
			wg.Go(func() {
				leave, err := room.Enter(t.Context(), schedule.Visitor{Run: run, Account: "acme", Asked: begun.Add(-time.Duration(i) * time.Second)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				got = append(got, run)
				mu.Unlock()
				leave()
			})
		}
		synctest.Wait()
		hold()
		wg.Wait()
		want(t, got, "first", "second", "third")
	})
}
