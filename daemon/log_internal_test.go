package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/recordlog"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// logAccounts are two accounts: one of two clubs in two time zones, and one without
// clubs.
func logAccounts() map[string]roster.Account {
	return map[string]roster.Account{
		"acme": {ID: "acme", Timezone: "America/Toronto", Clubs: map[string]roster.Club{
			"downtown": {Timezone: "America/Toronto"}, "airport": {Timezone: "America/Vancouver"},
		}},
		"solo": {ID: "solo", Timezone: "Europe/Berlin"},
	}
}

func TestALineIsToldInTheTimeOfItsClubAlsoWhereClocksChange(t *testing.T) {
	at := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	for _, test := range []struct{ at, job, club, want string }{
		// In Toronto the hour from one to two comes twice this night; in Vancouver it is
		// still the evening before.
		{"2026-11-01T05:30:00Z", "acme/leads", "downtown", "2026-11-01 01:30:00 EDT"},
		{"2026-11-01T06:30:00Z", "acme/leads", "downtown", "2026-11-01 01:30:00 EST"},
		{"2026-11-01T06:30:00Z", "acme/leads", "airport", "2026-10-31 23:30:00 PDT"},
		{"2026-11-01T09:30:00Z", "acme/leads", "airport", "2026-11-01 01:30:00 PST"},
		// In spring it is left out.
		{"2026-03-08T06:59:59Z", "acme/leads", "downtown", "2026-03-08 01:59:59 EST"},
		{"2026-03-08T07:00:00Z", "acme/leads", "downtown", "2026-03-08 03:00:00 EDT"},
		// Without a club the account's zone counts, and without either UTC.
		{"2026-11-29T14:03:05Z", "acme/leads", "", "2026-11-29 09:03:05 EST"},
		{"2026-11-29T14:03:05Z", "acme/leads", "closed", "2026-11-29 09:03:05 EST"},
		{"2026-11-29T14:03:05Z", "solo/leads", "", "2026-11-29 15:03:05 CET"},
		{"2026-11-29T14:03:05Z", "gone/leads", "", "2026-11-29 14:03:05 UTC"},
	} {
		line := recordlog.Line{At: at(test.at), Job: test.job, To: "acme/clubsys", LogEntry: roster.LogEntry{
			Level: roster.LogWarning, Code: roster.LogCreated, Kind: sdk.KindProspect, Record: "4711", Target: "8812", Club: test.club, Missing: roster.LogOwner,
		}}
		// As a command gets it from the daemon.
		var told []admin.LogLine
		packed, err := json.Marshal(toldLines(logAccounts(), []recordlog.Line{line}))
		if err == nil {
			err = json.Unmarshal(packed, &told)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := test.want + " WARNING " + test.job + " prospect 4711 → 8812"
		if test.club != "" {
			want += " (" + test.club + ")"
		}
		want += ": created, without its owner, who has no link at clubsys"
		if got := logText(&told[0], true); got != want {
			t.Errorf("%s of %s:\n got %s\nwant %s", test.at, test.club, got, want)
		}
	}
}

func TestSinceTakesADayWhereTheClubIs(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	toronto, err := time.LoadLocation("America/Toronto")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"24h":                       "2026-10-31T12:00:00Z",
		"2d":                        "2026-10-30T12:00:00Z",
		"2026-11-01":                "2026-11-01T04:00:00Z", // the day has 25 hours
		"2026-11-02":                "2026-11-02T05:00:00Z",
		"2026-11-01 14:30":          "2026-11-01T19:30:00Z",
		"2026-11-01T14:30:00+01:00": "2026-11-01T13:30:00Z",
	} {
		got, err := since(text, now, toronto)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v; want %s", text, got.UTC(), err, want)
		}
	}
	for _, text := range []string{"yesterday", "-5h", "99999d", "2026-13-01"} {
		if got, err := since(text, now, toronto); err == nil {
			t.Errorf("%s was taken for %v", text, got)
		}
	}
	if got, err := since("", now, toronto); err != nil || !got.IsZero() {
		t.Errorf("nothing was taken for %v, %v", got, err)
	}
}
