package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/rosterd/rosterd/internal/roster"
)

// reply answers with v as JSON. It is encoded first, so that a fault in it is
// still answered as a problem.
func reply(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the only fault is that nobody reads it
	return nil
}

func (a *API) live(w http.ResponseWriter, _ *http.Request, _ *query) error {
	return reply(w, http.StatusOK, liveBody{Status: "ok"})
}

func (a *API) spec(w http.ResponseWriter, _ *http.Request, _ *query) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(spec)
	return nil
}

func (a *API) version(w http.ResponseWriter, r *http.Request, _ *query) error {
	v, err := a.o.Installation.Version(r.Context())
	if err != nil {
		return err
	}
	v.API = APIVersion
	return reply(w, http.StatusOK, v)
}

func (a *API) status(w http.ResponseWriter, r *http.Request, _ *query) error {
	s, err := a.o.Installation.Status(r.Context())
	if err != nil {
		return err
	}
	s.Jobs, s.Problems = list(s.Jobs), list(s.Problems)
	return reply(w, http.StatusOK, s)
}

func (a *API) connections(w http.ResponseWriter, r *http.Request, _ *query) error {
	all, err := a.o.Installation.Connections(r.Context())
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, connectionsBody{list(all)})
}

func (a *API) adapters(w http.ResponseWriter, r *http.Request, _ *query) error {
	found, err := a.o.Installation.Adapters(r.Context())
	if err != nil {
		return err
	}
	all := make([]AdapterInfo, len(found))
	for i, f := range found {
		f.Abilities, f.Kinds = list(f.Abilities), list(f.Kinds)
		all[i] = f
	}
	return reply(w, http.StatusOK, adaptersBody{all})
}

func (a *API) startRun(w http.ResponseWriter, r *http.Request, q *query) error {
	order := q.order()
	if err := q.err(); err != nil {
		return err
	}
	order.Job = jobOf(r)
	run, err := a.o.Runs.StartRun(r.Context(), order)
	if errors.Is(err, roster.ErrNotFound) {
		return a.unknownJob(r.Context(), order.Job, err)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/runs/"+url.PathEscape(run.ID))
	return reply(w, http.StatusAccepted, run)
}

func (a *API) runs(w http.ResponseWriter, r *http.Request, q *query) error {
	filter := roster.RunFilter{Job: q.job(), State: q.states(), Limit: q.limit()}
	if err := q.err(); err != nil {
		return err
	}
	runs, err := a.o.Runs.Runs(r.Context(), filter)
	if err != nil {
		return err
	}
	if err := a.checkJob(r.Context(), filter.Job, len(runs)); err != nil {
		return err
	}
	return reply(w, http.StatusOK, runsBody{list(runs)})
}

func (a *API) run(w http.ResponseWriter, r *http.Request, _ *query) error {
	return a.replyRun(w, r, http.StatusOK)
}

func (a *API) cancelRun(w http.ResponseWriter, r *http.Request, _ *query) error {
	ctx, cancel := context.WithTimeout(r.Context(), cancelTimeout)
	defer cancel()
	// The answer says that the run was asked to end, which also holds when its
	// end takes longer than an operator likes to wait.
	if err := a.o.Runs.CancelRun(ctx, r.PathValue("id")); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return a.replyRun(w, r, http.StatusAccepted)
}

func (a *API) replyRun(w http.ResponseWriter, r *http.Request, status int) error {
	run, err := a.o.Runs.Run(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return reply(w, status, run)
}

func (a *API) sessions(w http.ResponseWriter, r *http.Request, q *query) error {
	filter := roster.SessionFilter{Run: q.id("run"), Business: q.id("business"), Open: q.bool("open"), Limit: q.limit()}
	if err := q.err(); err != nil {
		return err
	}
	all, err := a.o.Sessions.Sessions(r.Context(), filter)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, sessionsBody{list(all)})
}

func (a *API) session(w http.ResponseWriter, r *http.Request, _ *query) error {
	report, err := a.o.Sessions.Session(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	report.Pages = list(report.Pages)
	return reply(w, http.StatusOK, report)
}

func (a *API) retrySession(w http.ResponseWriter, r *http.Request, _ *query) error {
	if err := a.o.Sessions.RetrySession(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return a.replySession(w, r, http.StatusAccepted)
}

func (a *API) closeSession(w http.ResponseWriter, r *http.Request, _ *query) error {
	if err := a.o.Sessions.CloseSession(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return a.replySession(w, r, http.StatusOK)
}

func (a *API) replySession(w http.ResponseWriter, r *http.Request, status int) error {
	s, err := a.o.Sessions.Session(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return reply(w, status, s.Session)
}

func (a *API) quarantine(w http.ResponseWriter, r *http.Request, q *query) error {
	filter := roster.QuarantineFilter{Job: q.job(), Run: q.id("run"), Code: q.code(), Limit: q.limit(), After: q.id("after")}
	if err := q.err(); err != nil {
		return err
	}
	found, err := a.o.Quarantine.Quarantined(r.Context(), filter)
	if err != nil {
		return err
	}
	if err := a.checkJob(r.Context(), filter.Job, len(found)); err != nil {
		return err
	}
	page := QuarantinePage{Records: make([]roster.Quarantined, len(found))}
	for i, record := range found {
		record.Payload = nil // only one record at a time shows what it holds
		page.Records[i] = record
	}
	if len(found) >= filter.Limit {
		page.Next = found[len(found)-1].ID
	}
	return reply(w, http.StatusOK, page)
}

func (a *API) quarantineGroups(w http.ResponseWriter, r *http.Request, q *query) error {
	filter := roster.QuarantineFilter{Job: q.job(), Run: q.id("run")}
	if err := q.err(); err != nil {
		return err
	}
	groups, err := a.o.Quarantine.QuarantineGroups(r.Context(), filter)
	if err != nil {
		return err
	}
	if err := a.checkJob(r.Context(), filter.Job, len(groups)); err != nil {
		return err
	}
	return reply(w, http.StatusOK, groupsBody{list(groups)})
}

func (a *API) quarantined(w http.ResponseWriter, r *http.Request, _ *query) error {
	record, err := a.o.Quarantine.QuarantinedRecord(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, record)
}
