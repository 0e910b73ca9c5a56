package schedule

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// zones are where clocks change in the ways that there are: at night and at
// midnight, by an hour and by half of one, in both halves of the world, around a
// month that moves through the year (Casablanca), at the end of a day (Cairo),
// and never.
var zones = []string{
	"Europe/Warsaw", "Europe/London", "America/New_York", "America/Toronto", "America/Havana", "America/Santiago",
	"Africa/Cairo", "Africa/Casablanca", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Auckland", "Asia/Kolkata",
}

// plain are lines about a time of day, the hours and minutes that each names,
// and its days.
var plain = []struct {
	spec           string
	hours, minutes []int
	day            func(time.Time) bool
}{
	{"30 2 * * *", []int{2}, []int{30}, always},
	{"0 0 * * *", []int{0}, []int{0}, always},
	{"15,45 1-2 * * *", []int{1, 2}, []int{15, 45}, always},
	{"59 23 * * 7", []int{23}, []int{59}, func(t time.Time) bool { return t.Weekday() == time.Sunday }},
	{"0 3 29-31 * *", []int{3}, []int{0}, func(t time.Time) bool { return t.Day() >= 29 }},
}

func always(time.Time) bool { return true }

var (
	firstDay = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	lastDay  = time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)
)

// expected are the instants at which the slots of a line are to be taken, found
// by looking at the zone's clock at each minute around a slot and without
// anything of this package: the first instant at which the clock shows a slot,
// or else the first at which it shows more.
func expected(loc *time.Location, hours, minutes []int, day func(time.Time) bool) []time.Time {
	var all []time.Time
	for d := firstDay; d.Before(lastDay); d = d.AddDate(0, 0, 1) {
		if !day(d) {
			continue
		}
		for _, h := range hours {
			for _, m := range minutes {
				all = append(all, shown(loc, d.Add(time.Duration(h)*time.Hour+time.Duration(m)*time.Minute)))
			}
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}

// shown returns when the clock of a zone first shows wall, which is written in
// UTC, or more.
func shown(loc *time.Location, wall time.Time) time.Time {
	_, offset := wall.In(loc).Zone()
	at := wall.Add(-time.Duration(offset) * time.Second)
	_, before := at.Add(-24 * time.Hour).In(loc).Zone()
	_, after := at.Add(24 * time.Hour).In(loc).Zone()
	if before == after {
		return at
	}
	for at = at.Add(-3 * time.Hour); ; at = at.Add(time.Minute) {
		_, offset := at.In(loc).Zone()
		if !at.Add(time.Duration(offset) * time.Second).Before(wall) {
			return at
		}
	}
}

// book is a store in memory.
type book map[string]time.Time

func (b book) LastDue(name string) (time.Time, error)             { return b[name], nil }
func (b book) SetLastDue(name string, due time.Time) error        { b[name] = due; return nil }
func (b book) Paused(string) (bool, error)                        { return false, nil }
func (b book) Again(string) (at time.Time, sweep bool, err error) { return time.Time{}, false, nil }

// wallClock is a clock that is moved by hand.
type wallClock struct{ now time.Time }

// play runs a loop on a clock that goes from rest to rest, and by what meddle
// adds to it, until the end of the last day. It returns when the job was fired.
func play(t *testing.T, s Schedule, meddle func() time.Duration) []time.Time {
	t.Helper()
	clock := &wallClock{now: firstDay.Add(-48 * time.Hour)}
	var fired []time.Time
	l := Loop{
		Jobs: []Job{{Ref: "acme/x", Schedule: s}}, Store: book{}, Now: func() time.Time { return clock.now }, Log: slog.New(slog.DiscardHandler),
		Fire: func(context.Context, string, bool) error { fired = append(fired, clock.now); return nil },
	}
	jobs, err := l.recall()
	if err != nil {
		t.Fatal(err)
	}
	ticks := 0
	for clock.now.Before(lastDay.Add(48 * time.Hour)) {
		clock.now = clock.now.Add(l.tick(t.Context(), jobs) + meddle())
		if ticks++; ticks > 100+10*len(fired) {
			t.Fatalf("the loop spins at %s: %d looks for %d runs", clock.now, ticks, len(fired))
		}
	}
	return fired
}

func TestEachSlotIsTakenOnceInEveryZone(t *testing.T) {
	for _, zone := range zones {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			loc, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range plain {
				s, err := Parse(line.spec, loc)
				if err != nil {
					t.Fatal(err)
				}
				got := within(play(t, s, func() time.Duration { return 0 }), loc)
				want := within(expected(loc, line.hours, line.minutes, line.day), loc)
				same(t, line.spec, got, want)
			}
		})
	}
}

// TestALineForEveryHourFollowsTheClockMinuteByMinute looks at the days around
// each change of a clock: a line whose hour is * is due whenever the clock shows
// its minute, also a second time.
func TestALineForEveryHourFollowsTheClockMinuteByMinute(t *testing.T) {
	for _, zone := range zones {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse("37 * * * *", loc)
		if err != nil {
			t.Fatal(err)
		}
		for begin := firstDay; begin.Before(lastDay); begin = begin.AddDate(0, 0, 2) {
			end := begin.AddDate(0, 0, 2)
			_, before := begin.In(loc).Zone()
			if _, after := end.In(loc).Zone(); before == after {
				continue
			}
			var want, got []time.Time
			for at := begin; at.Before(end); at = at.Add(time.Minute) {
				if at.In(loc).Minute() == 37 {
					want = append(want, at)
				}
			}
			for at, ok := s.Next(begin.Add(-time.Second)); ok && at.Before(end); at, ok = s.Next(at) {
				got = append(got, at)
			}
			same(t, zone, got, want)
		}
	}
}

// within leaves out what is near the ends, where days of one zone are none of
// another.
func within(all []time.Time, loc *time.Location) []time.Time {
	return slices.DeleteFunc(all, func(at time.Time) bool {
		wall := at.In(loc)
		return wall.Before(time.Date(2025, 1, 2, 0, 0, 0, 0, loc)) || wall.After(time.Date(2027, 12, 30, 0, 0, 0, 0, loc))
	})
}

func same(t *testing.T, spec string, got, want []time.Time) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !got[i].Equal(want[i]) {
			t.Fatalf("%s: run %d differs: got %v, want %v", spec, i, at(got, i), at(want, i))
		}
	}
}

func at(all []time.Time, i int) time.Time {
	if i < len(all) {
		return all[i]
	}
	return time.Time{}
}

// TestAClockThatJumpsDoublesNoSlot sets the clock by up to an hour, forwards and
// back, a thousand times in each zone. Each slot is then taken at most once, and
// at least one run follows each slot before the next but one.
func TestAClockThatJumpsDoublesNoSlot(t *testing.T) {
	for _, zone := range zones {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			loc, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range plain[:2] {
				s, err := Parse(line.spec, loc)
				if err != nil {
					t.Fatal(err)
				}
				r := rand.New(rand.NewPCG(7, uint64(len(zone))))
				got := play(t, s, func() time.Duration {
					return time.Duration(r.Int64N(int64(2*time.Hour))) - time.Hour
				})
				slots := expected(loc, line.hours, line.minutes, line.day)
				taken := map[int]int{}
				for _, at := range within(got, loc) {
					i, found := slices.BinarySearchFunc(slots, at, time.Time.Compare)
					if !found {
						i--
					}
					taken[i]++
				}
				if len(taken) < 1000 {
					t.Fatalf("%s: %d slots were taken", line.spec, len(taken))
				}
				for i := 2; i < len(slots)-3; i++ {
					if taken[i] != 1 {
						t.Fatalf("%s: the slot of %s was taken %d times", line.spec, slots[i].In(loc), taken[i])
					}
				}
			}
		})
	}
}

func TestAnIntervalGoesOnWhenTheClockWasSetBack(t *testing.T) {
	clock := &wallClock{now: firstDay}
	fired := 0
	s, err := Parse("every 15m", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	l := Loop{
		Jobs: []Job{{Ref: "acme/x", Schedule: s}}, Store: book{}, Now: func() time.Time { return clock.now }, Log: slog.New(slog.DiscardHandler),
		Fire: func(context.Context, string, bool) error { fired++; return nil },
	}
	jobs, err := l.recall()
	if err != nil {
		t.Fatal(err)
	}
	for range 4 * 10 {
		clock.now = clock.now.Add(l.tick(t.Context(), jobs))
	}
	before := fired
	clock.now = clock.now.Add(-time.Hour)
	for wait := time.Duration(0); wait < time.Hour; {
		rest := l.tick(t.Context(), jobs)
		clock.now, wait = clock.now.Add(rest), wait+rest
	}
	if n := fired - before; n < 3 || n > 4 {
		t.Errorf("%d runs in the hour behind the jump, want one each quarter", n)
	}
}
