package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/rosterd/rosterd/internal/roster"
)

// UnknownJobError says that a request names a job that is not configured. It
// unwraps to [roster.ErrNotFound].
type UnknownJobError struct{ Job string }

// Error names the job.
func (e *UnknownJobError) Error() string { return "there is no job " + e.Job }

// Unwrap returns the sentinel.
func (*UnknownJobError) Unwrap() error { return roster.ErrNotFound }

func unknownJobOf(err error) (job string, ok bool) {
	e, ok := errors.AsType[*UnknownJobError](err)
	if !ok {
		return "", false
	}
	return e.Job, true
}

func (a *API) parked(w http.ResponseWriter, r *http.Request, q *query) error {
	filter := roster.ParkedFilter{Job: q.job(), Review: q.bool("review"), Limit: q.limit(), After: q.id("after")}
	if err := q.err(); err != nil {
		return err
	}
	found, err := a.o.Syncs.Parked(r.Context(), filter)
	if err != nil {
		return err
	}
	if err := a.checkJob(r.Context(), filter.Job, len(found)); err != nil {
		return err
	}
	page := ParkedPage{Parked: list(found)}
	if len(found) >= filter.Limit {
		page.Next = found[len(found)-1].ID
	}
	return reply(w, http.StatusOK, page)
}

func (a *API) parkedCreate(w http.ResponseWriter, r *http.Request, _ *query) error {
	p, err := a.o.Syncs.ParkedCreate(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	record := ParkedRecord{Parked: p}
	if json.Valid(p.Payload) {
		record.Record = p.Payload
	}
	return reply(w, http.StatusOK, record)
}

func (a *API) settleParked(w http.ResponseWriter, r *http.Request, q *query) error {
	verdict := roster.ParkedVerdict(q.text("verdict", "link, create or drop", func(v string) bool {
		switch roster.ParkedVerdict(v) {
		case roster.ParkedLink, roster.ParkedCreate, roster.ParkedDrop:
			return true
		}
		return false
	}))
	if !q.values.Has("verdict") {
		q.bad.add("verdict", "is missing")
	}
	target := q.record("target")
	if verdict == roster.ParkedLink != q.values.Has("target") {
		q.bad.add("target", "is given with the verdict link, and only with it")
	}
	if err := q.err(); err != nil {
		return err
	}
	id, by := r.PathValue("id"), a.caller(r)
	p, err := a.o.Syncs.ParkedCreate(r.Context(), id)
	if err != nil {
		return err
	}
	if err := a.o.Syncs.SettleParked(r.Context(), id, verdict, target, by); err != nil {
		return err
	}
	a.o.Logger.InfoContext(r.Context(), "parked create settled", "request", requestID(r.Context()), "parked", id, "job", p.Job, "verdict", verdict, "by", by)
	return reply(w, http.StatusOK, p)
}

// changes shows what a run would change. What it answers is personal data.
func (a *API) changes(w http.ResponseWriter, r *http.Request, q *query) error {
	from, limit := q.entry("from"), q.limit()
	if err := q.err(); err != nil {
		return err
	}
	page, err := a.o.Syncs.Changes(r.Context(), r.PathValue("id"), from, limit)
	if err != nil {
		return err
	}
	page.Changes = list(page.Changes)
	return reply(w, http.StatusOK, page)
}

// entry returns a place in a change set; 0 where none is given.
func (q *query) entry(name string) int {
	v := q.text(name, "a whole number from 0 to 1000000000", func(v string) bool {
		n, err := strconv.Atoi(v)
		return err == nil && n >= 0 && n <= 1_000_000_000 && strconv.Itoa(n) == v
	})
	n, _ := strconv.Atoi(v) // empty is 0, and the rest is checked above
	return n
}

func (a *API) approveRun(w http.ResponseWriter, r *http.Request, _ *query) error {
	run, err := a.o.Syncs.ApproveRun(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	a.o.Logger.InfoContext(r.Context(), "run approved", "request", requestID(r.Context()), "run", run.ID, "job", run.Job, "by", a.caller(r))
	return reply(w, http.StatusAccepted, run)
}

func (a *API) explain(w http.ResponseWriter, r *http.Request, q *query) error {
	record := q.needed("record")
	if err := q.err(); err != nil {
		return err
	}
	e, err := a.o.Syncs.Explain(r.Context(), jobOf(r), record)
	if job, ok := unknownJobOf(err); ok {
		return a.unknownJob(r.Context(), job, err)
	}
	if err != nil {
		return err
	}
	e.Kinds, e.Quarantined, e.Lines = list(e.Kinds), list(e.Quarantined), list(e.Lines)
	for i := range e.Kinds {
		e.Kinds[i].History = list(e.Kinds[i].History)
	}
	if e.Next != nil {
		e.Next.Changes, e.Next.Reasons = list(e.Next.Changes), list(e.Next.Reasons)
	}
	return reply(w, http.StatusOK, e)
}

func (a *API) dropQuarantined(w http.ResponseWriter, r *http.Request, q *query) error {
	ids, filter := q.entries(), roster.QuarantineFilter{Job: q.job(), Code: q.code()}
	if len(ids) == 0 == !q.values.Has("job") || len(ids) > 0 && q.values.Has("code") {
		q.bad.add("entry", "or job must be given, and code only with job")
	}
	if err := q.err(); err != nil {
		return err
	}
	n, err := a.o.Syncs.DropQuarantined(r.Context(), ids, filter)
	if err != nil {
		return err
	}
	a.o.Logger.InfoContext(r.Context(), "quarantined records dropped", "request", requestID(r.Context()), "job", filter.Job,
		"code", filter.Code, "records", n, "by", a.caller(r))
	return reply(w, http.StatusOK, droppedBody{n})
}

// maxEntries bounds the refused records that a request names.
const maxEntries = 500

// entries returns the ids of refused records.
func (q *query) entries() []string {
	ids := q.values["entry"]
	for _, id := range ids {
		if !validID(id) {
			q.bad.add("entry", "must be an id")
			return nil
		}
	}
	if len(ids) > maxEntries {
		q.bad.add("entry", "is given more than "+strconv.Itoa(maxEntries)+" times")
	}
	return ids
}

// order returns what a run is asked for.
func (q *query) order() RunOrder {
	o := RunOrder{Trigger: "manual", Plan: q.bool("plan"), Scope: roster.Scope{
		Sweep: q.bool("sweep"), Replay: q.bool("replay"), Entries: q.entries(), Code: q.code(), Record: q.record("record"),
	}}
	n := 0
	for _, given := range []bool{o.Scope.Sweep, o.Scope.Replay, o.Scope.Record != ""} {
		if given {
			n++
		}
	}
	if n > 1 {
		q.bad.add("record", "sweep and replay exclude each other")
	}
	if !o.Scope.Replay && (len(o.Scope.Entries) > 0 || o.Scope.Code != "") {
		q.bad.add("entry", "and code are for a replay only")
	}
	return o
}
