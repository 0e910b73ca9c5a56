package schedule

import (
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when a job is due. The zero value is "manual": never by
// itself. A Schedule is made by [Parse] and not changed; it may be used by
// several goroutines.
type Schedule struct {
	spec  string
	every time.Duration
	cron  *cron.SpecSchedule
	loc   *time.Location
	// everyHour says that the line fires in each hour of its days.
	everyHour bool
}

// allHours are the bits of the library's hour field from 0 to 23.
const allHours = 1<<24 - 1

// String returns the text that the schedule was read from.
func (s Schedule) String() string {
	if s.Manual() {
		return "manual"
	}
	return s.spec
}

// Manual reports whether the schedule is never due by itself.
func (s Schedule) Manual() bool { return s.every == 0 && s.cron == nil }

// Next returns the first due time behind after; false for a manual schedule.
//
// "every 15m" counts real time from after. A cron line follows the clock on
// the wall of its zone. Where that clock jumps forward, a slot that the jump
// left out is due at the first instant behind it; where it is set back, a slot
// of the repeated hour is due once, the first time. A line that fires in each
// hour (hour field *) is about the hour and not about the time of day: it
// takes neither a slot that does not exist nor a pause in the repeated hour.
// These are the rules of ISC cron (cron(8), "Daylight Saving Time").
func (s Schedule) Next(after time.Time) (time.Time, bool) {
	switch {
	case s.every > 0:
		return after.Add(s.every).In(s.loc), true
	case s.cron != nil:
		return s.nextCron(after)
	}
	return time.Time{}, false
}

// Latest returns the last due time behind after and not behind now; false if
// nothing was due in between. It is how missed slots become one.
func (s Schedule) Latest(after, now time.Time) (time.Time, bool) {
	if s.every > 0 {
		behind := now.Sub(after).Truncate(s.every)
		return after.Add(behind), behind > 0
	}
	// Looking back step by step keeps the count of slots to walk small,
	// however long the daemon was down.
	for _, back := range []time.Duration{2 * time.Hour, 3 * 24 * time.Hour, 100 * 24 * time.Hour, now.Sub(after)} {
		start := now.Add(-back)
		if start.Before(after) {
			start = after
		}
		due, ok := s.Next(start)
		if !ok || due.After(now) {
			continue
		}
		for next, ok := s.Next(due); ok && !next.After(now); next, ok = s.Next(due) {
			due = next
		}
		return due, true
	}
	return time.Time{}, false
}

// begin returns the time behind which lies the first slot of a job that begins
// now and whose slots are put off by delay. An interval begins now.
func (s Schedule) begin(now time.Time, delay time.Duration) time.Time {
	if s.every > 0 {
		return now
	}
	return now.Add(-delay)
}

// latest is begin for a job of which is known that its slots are dealt with up
// to last.
func (s Schedule) latest(last, now time.Time, delay time.Duration) time.Time {
	at := now.Add(-delay)
	if s.every == 0 || last.IsZero() || last.After(at) {
		return s.begin(now, delay)
	}
	return last.Add(at.Sub(last).Truncate(s.every))
}

// maxPeriods bounds the walk over a zone's periods: two a year for the
// library's horizon, doubled by [nextWall], and some for odd years.
const maxPeriods = 64

func (s Schedule) nextCron(after time.Time) (time.Time, bool) {
	p := periodAt(after.In(s.loc))
	from := p.wall(after)
	if before, ok := p.before(); ok && !s.everyHour {
		from = later(from, justBefore(before.endWall()))
	}
	for range maxPeriods {
		wall, ok := nextWall(s.cron, from)
		if !ok {
			return time.Time{}, false
		}
		if p.last() || wall.Before(p.endWall()) {
			return p.instant(wall), true
		}
		next := periodAt(p.end)
		from = justBefore(next.wall(p.end))
		if !s.everyHour {
			if wall.Before(next.wall(p.end)) {
				return p.end.In(s.loc), true
			}
			from = later(from, justBefore(p.endWall()))
		}
		p = next
	}
	return time.Time{}, false
}

// nextWall returns the first slot behind from on a clock without zone changes.
// The library gives up after five years, which is too early for 29 February
// around a century that is no leap year.
func nextWall(spec *cron.SpecSchedule, from time.Time) (time.Time, bool) {
	for range 2 {
		if wall := spec.Next(from); !wall.IsZero() {
			return wall, true
		}
		from = from.AddDate(5, 0, 0)
	}
	return time.Time{}, false
}

// period is a stretch of time in which a zone keeps one offset. Wall times are
// written as times in UTC.
type period struct {
	start, end time.Time
	offset     time.Duration
	loc        *time.Location
}

func periodAt(t time.Time) period {
	start, end := t.ZoneBounds()
	_, offset := t.Zone()
	return period{start: start, end: end, offset: time.Duration(offset) * time.Second, loc: t.Location()}
}

// before returns the period in front of p, if there is one.
func (p period) before() (period, bool) {
	if p.start.IsZero() {
		return period{}, false
	}
	return periodAt(p.start.Add(-time.Nanosecond)), true
}

// last reports whether p never ends.
func (p period) last() bool { return p.end.IsZero() }

func (p period) wall(t time.Time) time.Time { return t.UTC().Add(p.offset) }

func (p period) endWall() time.Time { return p.wall(p.end) }

func (p period) instant(wall time.Time) time.Time { return wall.Add(-p.offset).In(p.loc) }

// justBefore makes a slot at t itself the next one: the library looks behind
// the second that it is given.
func justBefore(t time.Time) time.Time { return t.Add(-time.Second) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
