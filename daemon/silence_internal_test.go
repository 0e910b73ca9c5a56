package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

func TestAnImportThatNobodyAsksForIsAProblem(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	session := func(state roster.SessionState, perPage int, age time.Duration) roster.Session {
		return roster.Session{ID: "s1", Job: "acme/launch", State: state, PerPage: perPage, Created: now.Add(-age)}
	}
	for name, c := range map[string]struct {
		session roster.Session
		want    bool
	}{
		"announced long ago": {session(roster.SessionAnnouncing, 0, 2*time.Minute), true},
		"open for long":      {session(roster.SessionOpen, 0, 90*time.Second), true},
		"just announced":     {session(roster.SessionOpen, 0, 30*time.Second), false},
		"asked for":          {session(roster.SessionOpen, 100, 2*time.Minute), false},
		"parked":             {session(roster.SessionParked, 0, 2*time.Minute), false},
	} {
		t.Run(name, func(t *testing.T) {
			f, got := silence(c.session, now)
			if got != c.want {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			if got && (!strings.Contains(f.Message, "s1 of acme/launch") || f.Command != "rosterd connections") {
				t.Errorf("the finding is %+v", f)
			}
		})
	}
}
