package schedule_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/schedule"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func parse(t *testing.T, spec string, loc *time.Location) schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(spec, loc)
	if err != nil {
		t.Fatalf("Parse(%q): %v", spec, err)
	}
	return s
}

func TestASlotFollowsTheClockOnTheWall(t *testing.T) {
	const warsaw, london, lordHowe, apia, havana = "Europe/Warsaw", "Europe/London", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana"
	tests := []struct {
		name, spec, zone, after string
		want                    []string
	}{
		{"daily", "30 6 * * *", warsaw, "2026-07-01T00:00:00+02:00", []string{"2026-07-01T06:30:00+02:00", "2026-07-02T06:30:00+02:00"}},
		{"a slot left out in spring is due behind the gap", "30 2 * * *", warsaw, "2026-03-28T12:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"several slots left out are due once", "0,15,30,45 2 * * *", warsaw, "2026-03-29T00:00:00+01:00", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"a repeated slot is due once", "30 2 * * *", warsaw, "2026-10-24T12:00:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"asked within the repeated hour", "30 2 * * *", warsaw, "2026-10-25T02:10:00+01:00", []string{"2026-10-26T02:30:00+01:00"}},
		{"behind the repeated hour", "0 3 * * *", warsaw, "2026-10-25T02:10:00+01:00", []string{"2026-10-25T03:00:00+01:00"}},
		{"half past one in London, spring", "30 1 * * *", london, "2026-03-28T12:00:00Z", []string{"2026-03-29T02:00:00+01:00", "2026-03-30T01:30:00+01:00"}},
		{"an hourly line takes no slot that does not exist", "30 * * * *", warsaw, "2026-03-29T01:00:00+01:00", []string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"}},
		{"an hourly line does not pause", "30 * * * *", warsaw, "2026-10-25T02:00:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"}},
		{"a gap of half an hour", "15 2 * * *", lordHowe, "2026-10-03T12:00:00+10:30", []string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"midnight that does not exist", "0 0 * * *", havana, "2026-03-07T12:00:00-05:00", []string{"2026-03-08T01:00:00-04:00", "2026-03-09T00:00:00-04:00"}},
		{"a whole day left out", "0 12 * * *", apia, "2011-12-29T13:00:00-10:00", []string{"2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"}},
		{"leap day across 2100", "0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		{"Sunday as 7", "0 9 * * 7", "UTC", "2026-11-20T00:00:00Z", []string{"2026-11-22T09:00:00Z", "2026-11-29T09:00:00Z"}},
		{"Sunday ends a range", "0 9 * * fri-sun", "UTC", "2026-11-20T10:00:00Z", []string{"2026-11-21T09:00:00Z", "2026-11-22T09:00:00Z", "2026-11-27T09:00:00Z"}},
		{"Sunday ends a range with a step", "0 9 * * 1-7/3", "UTC", "2026-11-15T10:00:00Z", []string{"2026-11-16T09:00:00Z", "2026-11-19T09:00:00Z", "2026-11-22T09:00:00Z"}},
		{"every", "every 15m", warsaw, "2026-10-25T02:50:00+02:00", []string{"2026-10-25T02:05:00+01:00", "2026-10-25T02:20:00+01:00"}},
		{"a word", "@daily", "UTC", "2026-11-20T10:00:00Z", []string{"2026-11-21T00:00:00Z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			loc := zone(t, tt.zone)
			s := parse(t, tt.spec, loc)
			at, err := time.Parse(time.RFC3339, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range tt.want {
				next, ok := s.Next(at)
				if !ok {
					t.Fatal("no next due time")
				}
				got, at = append(got, next.In(loc).Format(time.RFC3339)), next
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDueTimesAlwaysAdvance(t *testing.T) {
	for _, name := range []string{"Europe/Warsaw", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"} {
		loc := zone(t, name)
		for _, spec := range []string{"37 * * * *", "30 1-3 * * *", "0 0 * * *", "59 23 * * 0"} {
			s := parse(t, spec, loc)
			at := time.Date(2026, 1, 1, 0, 0, 0, 0, loc)
			for at.Year() < 2027 {
				next, ok := s.Next(at)
				if !ok || !next.After(at) {
					t.Fatalf("%s in %s: %s follows %s", spec, name, next, at)
				}
				at = next
			}
		}
	}
}

func TestMissedSlotsBecomeTheLatest(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tests := []struct{ spec, after, now, want string }{
		{"*/5 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:04:59Z", ""},
		{"*/5 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z", "2026-01-01T00:05:00Z"},
		{"*/5 * * * *", "2020-01-01T00:00:00Z", "2026-01-01T00:09:00Z", "2026-01-01T00:05:00Z"},
		{"0 3 * * 0", "2026-01-01T00:00:00Z", "2026-11-20T00:00:00Z", "2026-11-15T03:00:00Z"},
		{"0 3 29 2 *", "2020-01-01T00:00:00Z", "2026-11-20T00:00:00Z", "2024-02-29T03:00:00Z"},
		{"every 15m", "2026-01-01T00:00:00Z", "2026-01-01T00:14:59Z", ""},
		{"every 15m", "2026-01-01T00:00:00Z", "2026-01-01T01:07:00Z", "2026-01-01T01:00:00Z"},
		{"every 15m", "2026-01-02T00:00:00Z", "2026-01-01T01:07:00Z", ""},
		{"manual", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", ""},
	}
	for _, tt := range tests {
		t.Run(tt.spec+" "+tt.now, func(t *testing.T) {
			due, ok := parse(t, tt.spec, time.UTC).Latest(at(tt.after), at(tt.now))
			got := ""
			if ok {
				got = due.Format(time.RFC3339)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestALineThatIsNoScheduleIsRefusedWithAHint(t *testing.T) {
	tests := []struct{ spec, problem string }{
		{"", "is empty"},
		{"daily", "is not a schedule"},
		{"* * * *", "4 fields"},
		{"0 * * * * *", "6 fields"},
		{"TZ=", "time zone"},
		{"TZ=UTC", "time zone"},
		{"CRON_TZ=Europe/Warsaw 0 0 * * *", "time zone"},
		{"0 0 31 2 *", "never fires"},
		{"0 0 30 2 *", "never fires"},
		{"60 * * * *", "minute 60"},
		{"*/0 * * * *", "cannot be read"},
		{", * * * *", "minute"},
		{"0 0 * * 8", "weekday 8"},
		{"0 0 0 * *", "day 0"},
		{"0 0 * * sat-mon", "beyond end"},
		{"@sometimes", "not a known word"},
		{"@every -5m", "shorter"},
		{"every 0s", "shorter"},
		{"every 100ms", "shorter"},
		{"every 9000h", "longer"},
		{"every", "duration"},
		{"every 5 minutes", "duration"},
		{strings.Repeat("0,", 200) + "0 * * * *", "longer"},
	}
	for _, tt := range tests {
		t.Run(tt.spec, func(t *testing.T) {
			_, err := schedule.Parse(tt.spec, time.UTC)
			fault, ok := errors.AsType[*schedule.Error](err)
			if !ok {
				t.Fatalf("got %v, want an Error", err)
			}
			if !strings.Contains(fault.Problem, tt.problem) || fault.Hint == "" {
				t.Errorf("got %q with hint %q, want a problem with %q and a hint", fault.Problem, fault.Hint, tt.problem)
			}
		})
	}
}

func TestManualIsNeverDue(t *testing.T) {
	for _, s := range []schedule.Schedule{{}, parse(t, "manual", nil)} {
		if at, due := s.Next(time.Now()); due || !s.Manual() || s.String() != "manual" {
			t.Errorf("%v is due at %v", s, at)
		}
	}
	hourly := schedule.Job{Schedule: parse(t, "@hourly", nil)}
	if got := len(hourly.Upcoming(time.Now(), 5)); got != 5 {
		t.Errorf("got %d due times, want 5", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, spec := range []string{"manual", "every 15m", "*/5 * * * *", "TZ=", "0 9 * * 5-7/2", "@hourly", "@every 1h", "? * L W #"} {
		f.Add(spec)
	}
	warsaw, err := time.LoadLocation("Europe/Warsaw")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := schedule.Parse(spec, warsaw)
		if err != nil {
			if _, ok := errors.AsType[*schedule.Error](err); !ok {
				t.Fatalf("got %T", err)
			}
			return
		}
		fires(t, spec, s, time.Date(2026, 3, 28, 0, 0, 0, 0, warsaw))
	})
}

// fires wants a schedule that was accepted to be due again and again.
func fires(t *testing.T, spec string, s schedule.Schedule, at time.Time) {
	t.Helper()
	slots := (schedule.Job{Schedule: s}).Upcoming(at, 5)
	if !s.Manual() && len(slots) < 5 {
		t.Fatalf("%q fires %d times", spec, len(slots))
	}
	for _, next := range slots {
		if !next.At.After(at) {
			t.Fatalf("%q: %s follows %s", spec, next.At, at)
		}
		at = next.At
	}
}

func TestNoTextMakesTheParserFail(t *testing.T) {
	words := []string{
		"*", "0", "7", "59", "60", "-1", "1-5", "5-1", "sun", "SAT-sun", "1-7/2", "*/0", "*/15", "?", "L", "#", "@", "@daily", "@every", "every", "1h",
		"TZ=", "TZ=UTC", "CRON_TZ=", "31", "30", "2", "feb", ",", "/", "-", " ", "  ", "\t", "\x00", "\xff", "99999999999999999999", "manual",
	}
	r := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	accepted := 0
	for range 20_000 {
		var spec strings.Builder
		for i := range r.IntN(8) {
			if i > 0 && r.IntN(4) > 0 {
				spec.WriteByte(' ')
			}
			spec.WriteString(words[r.IntN(len(words))])
		}
		s, err := schedule.Parse(spec.String(), time.UTC)
		if err != nil {
			if fault, ok := errors.AsType[*schedule.Error](err); !ok || fault.Hint == "" {
				t.Fatalf("%q: got %v, want an Error with a hint", spec.String(), err)
			}
			continue
		}
		accepted++
		fires(t, spec.String(), s, at)
	}
	if accepted < 100 {
		t.Errorf("%d texts were accepted, which proves nothing", accepted)
	}
}
