package admin

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// maxRecord bounds the id of a record in bytes.
const maxRecord = 4096

func validRecord(s string) bool {
	return s != "" && len(s) <= maxRecord && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// record returns the id of a record of an outside system.
func (q *query) record(name string) string { return q.text(name, "the id of a record", validRecord) }

// needed is record for an id without which nothing can be done.
func (q *query) needed(name string) string {
	if !q.values.Has(name) {
		q.bad.add(name, "is missing")
		return ""
	}
	return q.record(name)
}

// linkParams are the parameters of [query.links].
func linkParams(more ...string) []string {
	return append([]string{"job", "from", "to", "kind"}, more...)
}

// links returns which links are meant.
func (q *query) links() LinkSet {
	s := LinkSet{
		Job: q.job(), From: q.text("from", "account/connection", validRef), To: q.text("to", "account/connection", validRef),
		Kind: sdk.Kind(q.text("kind", "one of "+join(sdk.Kinds()), func(v string) bool { return sdk.Kind(v).Valid() })),
	}
	job, pair := q.values.Has("job"), q.values.Has("from") && q.values.Has("to")
	if job == pair || job && (q.values.Has("from") || q.values.Has("to")) {
		q.bad.add("job", "or from and to must be given")
	}
	if !q.values.Has("kind") {
		q.bad.add("kind", "is missing")
	}
	return s
}

func (a *API) links(w http.ResponseWriter, r *http.Request, q *query) error {
	set, filter := q.links(), roster.LinkFilter{After: q.record("after"), Limit: q.limit()}
	if err := q.err(); err != nil {
		return err
	}
	found, err := a.o.Syncs.Links(r.Context(), set, filter)
	if err != nil {
		return a.unknownSet(r, set, err)
	}
	page := LinkPage{Links: list(found)}
	if len(found) >= filter.Limit {
		page.Next = found[len(found)-1].Source
	}
	return reply(w, http.StatusOK, page)
}

// unlinked tells which records have no counterpart. What it answers is personal data.
func (a *API) unlinked(w http.ResponseWriter, r *http.Request, _ *query) error {
	found, err := a.o.Syncs.Unlinked(r.Context(), jobOf(r))
	if job, ok := unknownJobOf(err); ok {
		return a.unknownJob(r.Context(), job, err)
	}
	if err != nil {
		return err
	}
	found = list(found)
	for i := range found {
		found[i].MayBe = list(found[i].MayBe)
	}
	return reply(w, http.StatusOK, unlinkedBody{found})
}

func (a *API) link(w http.ResponseWriter, r *http.Request, q *query) error {
	set, id := q.links(), q.needed("id")
	if err := q.err(); err != nil {
		return err
	}
	return a.replyLink(w, r, set, id)
}

func (a *API) replyLink(w http.ResponseWriter, r *http.Request, set LinkSet, id string) error {
	report, err := a.o.Syncs.Link(r.Context(), set, id)
	if err != nil {
		return a.unknownSet(r, set, err)
	}
	report.History = list(report.History)
	return reply(w, http.StatusOK, report)
}

func (a *API) setLink(w http.ResponseWriter, r *http.Request, q *query) error {
	set, source, target, reason := q.links(), q.needed("source"), q.needed("target"), q.reason()
	if err := q.err(); err != nil {
		return err
	}
	by := a.caller(r)
	if err := a.o.Syncs.SetLink(r.Context(), set, source, target, by+": "+reason); err != nil {
		return a.unknownSet(r, set, err)
	}
	a.linkChanged(r, set, "set", by)
	return a.replyLink(w, r, set, source)
}

func (a *API) removeLink(w http.ResponseWriter, r *http.Request, q *query) error {
	set, source, reason := q.links(), q.needed("source"), q.reason()
	if err := q.err(); err != nil {
		return err
	}
	by := a.caller(r)
	if err := a.o.Syncs.RemoveLink(r.Context(), set, source, by+": "+reason); err != nil {
		return a.unknownSet(r, set, err)
	}
	a.linkChanged(r, set, "removed", by)
	return a.replyLink(w, r, set, source)
}

// linkChanged logs who changed a link. The ids may be somebody's e-mail address
// and are in the link's history only.
func (a *API) linkChanged(r *http.Request, set LinkSet, what, by string) {
	a.o.Logger.InfoContext(r.Context(), "link changed", "request", requestID(r.Context()),
		"job", set.Job, "from", set.From, "to", set.To, "kind", set.Kind, "change", what, "by", by)
}

// unknownSet names the jobs that may be meant where a job is unknown.
func (a *API) unknownSet(r *http.Request, set LinkSet, err error) error {
	if job, ok := unknownJobOf(err); ok && job == set.Job {
		return a.unknownJob(r.Context(), job, err)
	}
	return err
}
