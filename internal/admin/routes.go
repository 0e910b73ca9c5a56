package admin

import (
	"context"
	_ "embed"
	"maps"
	"net/http"
	"slices"
	"strings"
)

//go:embed openapi.yaml
var spec []byte

// Spec returns the OpenAPI description of the API.
func Spec() []byte { return slices.Clone(spec) }

// handler answers one operation. It returns an error instead of writing one.
// An operation with parameters reads them from q, then asks for q's faults.
type handler func(w http.ResponseWriter, r *http.Request, q *query) error

// route is one operation of openapi.yaml.
type route struct {
	method, path string
	// noun is what the path names; it begins the codes of its problems.
	noun    string
	handler handler
	// params are the query parameters that it knows.
	params []string
	// stream says that the answer lasts as long as what it tells of.
	stream bool
}

func (a *API) routes() []route {
	get, post := http.MethodGet, http.MethodPost
	return []route{
		{method: get, path: "/livez", handler: a.live},
		{method: get, path: "/readyz", handler: a.ready, params: []string{"verbose"}},
		{method: get, path: "/metrics", handler: a.metrics},
		{method: get, path: "/openapi.yaml", handler: a.spec},
		{method: get, path: "/v1/version", handler: a.version},
		{method: get, path: "/v1/status", handler: a.status},
		{method: post, path: "/v1/jobs/{account}/{job}/runs", noun: nounJob, handler: a.startRun, params: []string{"plan", "sweep", "replay", "record", "entry", "code"}},
		{method: get, path: "/v1/jobs/{account}/{job}/record", noun: nounJob, handler: a.explain, params: []string{"record"}},
		{method: get, path: "/v1/jobs/{account}/{job}/unlinked", noun: nounJob, handler: a.unlinked},
		{method: post, path: "/v1/jobs/{account}/{job}/pause", noun: nounJob, handler: a.pauseJob, params: []string{"reason"}},
		{method: post, path: "/v1/jobs/{account}/{job}/resume", noun: nounJob, handler: a.resumeJob},
		{method: post, path: "/v1/jobs/{account}/{job}/accept", noun: nounJob, handler: a.acceptJob},
		{method: get, path: "/v1/jobs/{account}/{job}/cursors", noun: nounJob, handler: a.cursors},
		{method: post, path: "/v1/jobs/{account}/{job}/rewind", noun: nounJob, handler: a.rewind, params: []string{"kind", "to"}},
		{method: get, path: "/v1/runs", noun: nounRun, handler: a.runs, params: []string{"job", "state", "limit"}},
		{method: get, path: "/v1/runs/{id}", noun: nounRun, handler: a.run},
		{method: get, path: "/v1/runs/{id}/events", noun: nounRun, handler: a.watch, stream: true},
		{method: post, path: "/v1/runs/{id}/cancel", noun: nounRun, handler: a.cancelRun},
		{method: post, path: "/v1/runs/{id}/approve", noun: nounRun, handler: a.approveRun},
		{method: get, path: "/v1/runs/{id}/changes", noun: nounRun, handler: a.changes, params: []string{"from", "limit"}},
		{method: get, path: "/v1/links", noun: nounLink, handler: a.links, params: linkParams("limit", "after")},
		{method: get, path: "/v1/links/one", noun: nounLink, handler: a.link, params: linkParams("id")},
		{method: post, path: "/v1/links/set", noun: nounLink, handler: a.setLink, params: linkParams("source", "target", "reason")},
		{method: post, path: "/v1/links/remove", noun: nounLink, handler: a.removeLink, params: linkParams("source", "reason")},
		{method: get, path: "/v1/parked", noun: nounParked, handler: a.parked, params: []string{"job", "review", "limit", "after"}},
		{method: get, path: "/v1/parked/{id}", noun: nounParked, handler: a.parkedCreate},
		{method: post, path: "/v1/parked/{id}/settle", noun: nounParked, handler: a.settleParked, params: []string{"verdict", "target"}},
		{method: get, path: "/v1/sessions", noun: nounSession, handler: a.sessions, params: []string{"run", "business", "open", "limit"}},
		{method: get, path: "/v1/sessions/{id}", noun: nounSession, handler: a.session},
		{method: post, path: "/v1/sessions/{id}/retry", noun: nounSession, handler: a.retrySession},
		{method: post, path: "/v1/sessions/{id}/close", noun: nounSession, handler: a.closeSession},
		{method: get, path: "/v1/quarantine", noun: nounQuarantine, handler: a.quarantine, params: []string{"job", "run", "code", "limit", "after"}},
		{method: post, path: "/v1/quarantine/drop", noun: nounQuarantine, handler: a.dropQuarantined, params: []string{"job", "code", "entry"}},
		{method: get, path: "/v1/quarantine/groups", noun: nounQuarantine, handler: a.quarantineGroups, params: []string{"job", "run"}},
		{method: get, path: "/v1/quarantine/{id}", noun: nounQuarantine, handler: a.quarantined},
		{method: post, path: "/v1/alerts/test", noun: nounReceiver, handler: a.testAlerts, params: []string{"receiver"}},
		{method: get, path: "/v1/log", handler: a.recordLog, params: logParams()},
		{method: get, path: "/v1/connections", handler: a.connections},
		{method: get, path: "/v1/adapters", handler: a.adapters},
		{method: get, path: "/v1/state", handler: a.stateStats},
		{method: get, path: "/v1/state/backup", handler: a.backup, stream: true},
		{method: get, path: "/v1/audit", handler: a.auditLog, params: []string{"limit"}},
		{method: get, path: "/v1/privacy/person", handler: a.person, params: personParams()},
		{method: post, path: "/v1/privacy/erase", handler: a.erasePerson, params: personParams("block_email", "reason")},
		{method: get, path: "/v1/privacy/tombstones", noun: nounTombstone, handler: a.tombstones, params: []string{"account"}},
		{method: post, path: "/v1/privacy/tombstones/{id}/lift", noun: nounTombstone, handler: a.liftTombstone},
		{method: post, path: "/v1/reload", handler: a.reload, params: []string{"dry_run"}},
		{method: get, path: "/v1/probe", handler: a.probe, params: []string{"nonce"}},
	}
}

// router sends each path to its methods. ServeMux answers an unknown method in
// plain text, so that it is told of paths only.
func (a *API) router() http.Handler {
	paths := map[string]map[string]route{}
	for _, rt := range a.routes() {
		if paths[rt.path] == nil {
			paths[rt.path] = map[string]route{}
		}
		paths[rt.path][rt.method] = rt
	}
	mux := http.NewServeMux()
	for path, methods := range paths {
		mux.Handle(path, a.methods(methods))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, "", &Problem{Code: codeNoPath, Detail: "there is nothing at " + clip(r.URL.Path)})
	})
	return mux
}

func (a *API) methods(routes map[string]route) http.Handler {
	allowed := slices.Collect(maps.Keys(routes))
	if _, ok := routes[http.MethodGet]; ok {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		rt, ok := routes[method]
		if !ok {
			w.Header().Set("Allow", allow)
			a.fail(w, r, "", &Problem{Code: codeMethod, Detail: clip(r.Method) + " is not possible at " + clip(r.URL.Path), Hint: "use " + allow})
			return
		}
		a.carryOut(rt, w, r)
	})
}

// answer checks what holds for every operation, then runs the handler.
func (a *API) answer(rt route, w http.ResponseWriter, r *http.Request) error {
	q := parseQuery(r.URL.RawQuery, rt.params)
	q.path(r, rt.path)
	if err := q.noBody(r); err != nil {
		return err
	}
	if err := q.err(); err != nil && len(rt.params) == 0 {
		return err
	}
	if rt.stream {
		return rt.handler(w, r, q)
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	return rt.handler(w, r.WithContext(ctx), q)
}
