package main_test

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox"
)

// TestAStopInTheMiddleOfAnAnnouncementLosesNothing stops the daemon while it
// asks for the business's fields, and while it announces: both are finished, and
// the import goes on after the restart without a person.
func TestAStopInTheMiddleOfAnAnnouncementLosesNothing(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/fields", "/import"} {
		t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			asked, stopping := make(chan struct{}), make(chan struct{})
			hold := sync.OnceFunc(func() { close(asked); <-stopping })
			platform, _ := s.platform(t, sandbox.Options{PerPage: 2}, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, path) {
						hold()
					}
					next.ServeHTTP(w, r)
				})
			})
			d := s.start(t)
			s.ready(t)
			run, err := s.client.StartRun(t.Context(), siteJob)
			if err != nil {
				t.Fatal(err)
			}
			<-asked
			if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			s.logged(t, "rosterd is stopping")
			close(stopping)
			if err := d.cmd.Wait(); err != nil {
				t.Fatalf("the daemon ended with %v", err)
			}
			d = s.start(t)
			s.ready(t)
			if session := s.session(t, run.ID, roster.SessionClosed, roster.SessionParked, roster.SessionRefused); session.State != roster.SessionClosed {
				t.Errorf("the session is %s: %s", session.State, session.Reason)
			}
			wantCounts(t, s.ended(t, run.ID), 6, 1, 2, 3)
			if n := len(platform.Imports()); n != 1 {
				t.Errorf("%d imports, want 1", n)
			}
			d.stop(t)
			s.quiet(t)
		})
	}
}

// logged waits until the daemon's log holds a text.
func (s *site) logged(t *testing.T, want string) {
	t.Helper()
	if !poll(func() bool {
		text, err := os.ReadFile(s.path("daemon.log"))
		return err == nil && strings.Contains(string(text), want)
	}) {
		t.Fatalf("the log does not say %q:\n%s", want, s.tail())
	}
}
