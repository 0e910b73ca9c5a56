package admin_test

import (
	"errors"
	"net/http"
	"os/user"
	"testing"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func TestAPauseTellsWhoTheSystemSaysIsAtTheSocket(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	f := newFake()
	c := serve(t, newAPI(t, f, ""))
	status, err := c.PauseJob(t.Context(), "acme/launch", "  the gym moves ")
	if err != nil {
		t.Fatal(err)
	}
	pause := status.Paused
	if pause == nil || pause.By != me.Username || pause.Reason != "the gym moves" || pause.Since.IsZero() {
		t.Errorf("paused: %+v, want it by %s", pause, me.Username)
	}
	if _, err := c.PauseJob(t.Context(), "acme/launch", "again"); !errors.Is(err, roster.ErrConflict) {
		t.Errorf("pause of a paused job: %v", err)
	}
	status, err = c.ResumeJob(t.Context(), "acme/launch")
	same(t, "resume", status.Paused, err, nil)
	if _, err := c.ResumeJob(t.Context(), "acme/launch"); !errors.Is(err, roster.ErrConflict) {
		t.Errorf("resume of a job that is not paused: %v", err)
	}
	var problem *admin.Problem
	if _, err = c.ResumeJob(t.Context(), "acme/lunch"); !errors.As(err, &problem) || len(problem.Suggestions) == 0 {
		t.Errorf("unknown job: %v", err)
	}
}

func TestAPauseOverTCPIsByTheHolderOfTheToken(t *testing.T) {
	f := newFake()
	w := ask(t, newAPI(t, f, "t0ken"), http.MethodPost, "/v1/jobs/acme/launch/pause?reason=x", "Authorization", "Bearer t0ken")
	if w.Code != http.StatusOK || f.paused["acme/launch"].By != "the admin token" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
