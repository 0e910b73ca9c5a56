package export

import (
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
)

func TestASessionThatWasClosedIsNotAnnounced(t *testing.T) {
	t.Parallel()
	for state, want := range map[roster.SessionState]bool{
		roster.SessionAnnouncing: true,
		roster.SessionOpen:       true,
		roster.SessionPartial:    false,
	} {
		l := &live{due: true, ledger: ledger{session: roster.Session{State: state}}}
		if got := l.takeDue(); got != want {
			t.Errorf("%s: announced %t, want %t", state, got, want)
		}
		if l.takeDue() {
			t.Errorf("%s: announced twice", state)
		}
	}
}
