package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/internal/admin"
)

// description is openapi.yaml as far as the tests read it.
type description struct {
	tree     map[string]any
	compiler *jsonschema.Compiler
}

func readSpec(t *testing.T) *description {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal(admin.Spec(), &tree); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	forbidMore(tree["components"].(map[string]any)["schemas"])
	data, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	d := &description{tree: tree, compiler: jsonschema.NewCompiler()}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	d.compiler.AssertContent()
	if err := d.compiler.AddResource("openapi.json", raw); err != nil {
		t.Fatal(err)
	}
	return d
}

// forbidMore closes every object, so that a member that is not described is a
// fault here although clients have to accept it.
func forbidMore(node any) {
	switch n := node.(type) {
	case map[string]any:
		for _, v := range n {
			forbidMore(v)
		}
		if _, isObject := n["properties"].(map[string]any); isObject && n["type"] == "object" {
			n["additionalProperties"] = false
		}
	case []any:
		for _, v := range n {
			forbidMore(v)
		}
	}
}

func (d *description) operations() map[string]map[string]any {
	ops := map[string]map[string]any{}
	for path, item := range d.tree["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			if method != "parameters" {
				ops[strings.ToUpper(method)+" "+path] = op.(map[string]any)
			}
		}
	}
	return ops
}

// validate holds an answer to the description of its operation.
func (d *description) validate(t *testing.T, operation string, res *http.Response, body []byte) {
	t.Helper()
	method, path, _ := strings.Cut(operation, " ")
	responses := d.operations()[operation]["responses"].(map[string]any)
	where := "openapi.json#/paths/" + pointer(path) + "/" + strings.ToLower(method) + "/responses/" + fmt.Sprint(res.StatusCode)
	response, ok := responses[fmt.Sprint(res.StatusCode)].(map[string]any)
	if !ok {
		where, response = "openapi.json#/components/responses/Problem", d.tree["components"].(map[string]any)["responses"].(map[string]any)["Problem"].(map[string]any)
	}
	mediaType := res.Header.Get("Content-Type")
	if _, ok := response["content"].(map[string]any)[mediaType]; !ok {
		t.Fatalf("%s answered %d with %s, which is not described", operation, res.StatusCode, mediaType)
	}
	if mediaType == "application/yaml" || mediaType == "application/gzip" || strings.HasPrefix(mediaType, "text/plain") {
		return
	}
	schema, err := d.compiler.Compile(where + "/content/" + pointer(mediaType) + "/schema")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(bytes.TrimSpace(body)) {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err != nil {
			t.Fatalf("%s: %v in %s", operation, err, line)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s answered %d with what is not described: %v\n%s", operation, res.StatusCode, err, line)
		}
	}
}

func pointer(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(s)
}

func TestEveryOperationIsRoutedAndEveryRouteIsDescribed(t *testing.T) {
	described := slices.Sorted(maps.Keys(readSpec(t).operations()))
	routed := slices.Sorted(slices.Values(admin.Operations()))
	if diff := cmp.Diff(described, routed); diff != "" {
		t.Errorf("openapi.yaml (-) and routes (+) differ:\n%s", diff)
	}
}

func TestEveryOperationHasAMethodOfTheClient(t *testing.T) {
	client := reflect.TypeFor[*admin.Client]()
	seen := map[string]bool{}
	for operation, op := range readSpec(t).operations() {
		id, _ := op["operationId"].(string)
		if id == "" || seen[id] || op["summary"] == nil || op["tags"] == nil {
			t.Errorf("%s: wants an operationId of its own, a summary and tags", operation)
		}
		seen[id] = true
		if _, ok := client.MethodByName(strings.ToUpper(id[:1]) + id[1:]); !ok && id != "spec" {
			t.Errorf("%s: Client has no method for %s", operation, id)
		}
	}
}

func TestPathParametersAreDescribed(t *testing.T) {
	d := readSpec(t)
	for path, item := range d.tree["paths"].(map[string]any) {
		var want, got []string
		for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
			want = append(want, m[1])
		}
		parameters, _ := item.(map[string]any)["parameters"].([]any)
		for _, p := range parameters {
			p := p.(map[string]any)
			if ref, ok := p["$ref"].(string); ok {
				p = d.tree["components"].(map[string]any)["parameters"].(map[string]any)[ref[strings.LastIndex(ref, "/")+1:]].(map[string]any)
			}
			got = append(got, p["name"].(string))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: path (-) and parameters (+) differ:\n%s", path, diff)
		}
	}
}

// examples are requests that together get every kind of answer.
var examples = []struct {
	operation, target string
	status            int
	code              string
}{
	{"GET /livez", "/livez", 200, ""},
	{"GET /readyz", "/readyz", 200, ""},
	{"GET /readyz", "/readyz?verbose", 200, ""},
	{"GET /readyz", "/readyz?verbose=true", 200, ""},
	{"GET /readyz", "/readyz?verbose=loud", 400, "request.invalid"},
	{"GET /metrics", "/metrics", 200, ""},
	{"POST /v1/alerts/test", "/v1/alerts/test", 200, ""},
	{"POST /v1/alerts/test", "/v1/alerts/test?receiver=ops", 200, ""},
	{"POST /v1/alerts/test", "/v1/alerts/test?receiver=ups", 404, "receiver.not_found"},
	{"POST /v1/alerts/test", "/v1/alerts/test?receiver=a+b", 400, "request.invalid"},
	{"GET /openapi.yaml", "/openapi.yaml", 200, ""},
	{"GET /v1/version", "/v1/version", 200, ""},
	{"GET /v1/status", "/v1/status", 200, ""},
	{"GET /v1/status", "/v1/status?x=1", 400, "request.invalid"},
	{"POST /v1/jobs/{account}/{job}/runs", "/v1/jobs/acme/launch/runs", 202, ""},
	{"POST /v1/jobs/{account}/{job}/runs", "/v1/jobs/acme/live/runs", 409, "job.running"},
	{"POST /v1/jobs/{account}/{job}/runs", "/v1/jobs/acme/lunch/runs", 404, "job.not_found"},
	{"POST /v1/jobs/{account}/{job}/runs", "/v1/jobs/acme/zzzzzzzzzzzzzz/runs", 404, "job.not_found"},
	{"POST /v1/jobs/{account}/{job}/runs", "/v1/jobs/a%20b/-x/runs", 400, "request.invalid"},
	{"POST /v1/jobs/{account}/{job}/runs", "/v1/jobs/acme/launch/runs?plan=true&sweep=true", 202, ""},
	{"POST /v1/jobs/{account}/{job}/runs", "/v1/jobs/acme/launch/runs?replay=true&entry=q-1&entry=q-2&code=map.rejected", 202, ""},
	{"POST /v1/jobs/{account}/{job}/runs", "/v1/jobs/acme/launch/runs?record=m%201", 202, ""},
	{"POST /v1/jobs/{account}/{job}/runs", "/v1/jobs/acme/launch/runs?record=m1&sweep=true", 400, "request.invalid"},
	{"POST /v1/jobs/{account}/{job}/runs", "/v1/jobs/acme/launch/runs?entry=q-1", 400, "request.invalid"},
	{"GET /v1/jobs/{account}/{job}/record", "/v1/jobs/acme/launch/record?record=m%201", 200, ""},
	{"GET /v1/jobs/{account}/{job}/record", "/v1/jobs/acme/launch/record", 400, "request.invalid"},
	{"GET /v1/jobs/{account}/{job}/record", "/v1/jobs/acme/lunch/record?record=1", 404, "job.not_found"},
	{"GET /v1/jobs/{account}/{job}/unlinked", "/v1/jobs/acme/launch/unlinked", 200, ""},
	{"GET /v1/jobs/{account}/{job}/unlinked", "/v1/jobs/acme/lunch/unlinked", 404, "job.not_found"},
	{"POST /v1/jobs/{account}/{job}/pause", "/v1/jobs/acme/launch/pause?reason=the+gym+moves", 200, ""},
	{"POST /v1/jobs/{account}/{job}/pause", "/v1/jobs/acme/launch/pause", 400, "request.invalid"},
	{"POST /v1/jobs/{account}/{job}/pause", "/v1/jobs/acme/launch/pause?reason=two%0Alines", 400, "request.invalid"},
	{"POST /v1/jobs/{account}/{job}/pause", "/v1/jobs/acme/lunch/pause?reason=x", 404, "job.not_found"},
	{"POST /v1/jobs/{account}/{job}/pause", "/v1/jobs/acme/live/pause?reason=x", 409, "job.conflict"},
	{"POST /v1/jobs/{account}/{job}/resume", "/v1/jobs/acme/live/resume", 200, ""},
	{"POST /v1/jobs/{account}/{job}/resume", "/v1/jobs/acme/launch/resume", 409, "job.conflict"},
	{"GET /v1/runs", "/v1/runs", 200, ""},
	{"GET /v1/runs", "/v1/runs?job=acme/launch&state=partial&state=ok&limit=1", 200, ""},
	{"GET /v1/runs", "/v1/runs?job=acme/launch&state=skipped", 200, ""},
	{"GET /v1/runs", "/v1/runs?job=none/none", 404, "job.not_found"},
	{"GET /v1/runs", "/v1/runs?limit=0&job=x&state=done&page=2", 400, "request.invalid"},
	{"GET /v1/runs/{id}", "/v1/runs/r-ended", 200, ""},
	{"GET /v1/runs/{id}", "/v1/runs/r-live", 200, ""},
	{"GET /v1/runs/{id}", "/v1/runs/none", 404, "run.not_found"},
	{"GET /v1/runs/{id}/events", "/v1/runs/r-ended/events", 200, ""},
	{"GET /v1/runs/{id}/events", "/v1/runs/none/events", 404, "run.not_found"},
	{"POST /v1/runs/{id}/cancel", "/v1/runs/r-live/cancel", 202, ""},
	{"POST /v1/runs/{id}/cancel", "/v1/runs/r-ended/cancel", 409, "run.conflict"},
	{"GET /v1/runs/{id}", "/v1/runs/r-planned", 200, ""},
	{"GET /v1/runs/{id}/events", "/v1/runs/r-planned/events", 200, ""},
	{"POST /v1/runs/{id}/approve", "/v1/runs/r-planned/approve", 202, ""},
	{"POST /v1/runs/{id}/approve", "/v1/runs/r-ended/approve", 409, "run.conflict"},
	{"GET /v1/runs/{id}/changes", "/v1/runs/r-planned/changes?from=2&limit=5", 200, ""},
	{"GET /v1/runs/{id}/changes", "/v1/runs/r-ended/changes", 409, "run.conflict"},
	{"GET /v1/runs/{id}/changes", "/v1/runs/r-planned/changes?from=-1", 400, "request.invalid"},
	{"GET /v1/links", "/v1/links?job=acme/launch&kind=member&limit=1&after=a%20b", 200, ""},
	{"GET /v1/links", "/v1/links?from=acme/gym&to=acme/crm&kind=member", 200, ""},
	{"GET /v1/links", "/v1/links?from=acme/gym&kind=people", 400, "request.invalid"},
	{"GET /v1/links", "/v1/links?job=acme/lunch&kind=member", 404, "job.not_found"},
	{"GET /v1/links/one", "/v1/links/one?job=acme/launch&kind=member&id=m1", 200, ""},
	{"GET /v1/links/one", "/v1/links/one?job=acme/launch&kind=member&id=none", 404, "link.not_found"},
	{"POST /v1/links/set", "/v1/links/set?job=acme/launch&kind=member&source=m1&target=t1&reason=x", 200, ""},
	{"POST /v1/links/set", "/v1/links/set?job=acme/launch&kind=member&source=m1&target=taken&reason=x", 409, "link.conflict"},
	{"POST /v1/links/set", "/v1/links/set?job=acme/launch&kind=member&source=m1&target=t1", 400, "request.invalid"},
	{"POST /v1/links/remove", "/v1/links/remove?job=acme/launch&kind=member&source=m1&reason=x", 200, ""},
	{"POST /v1/links/remove", "/v1/links/remove?job=acme/launch&kind=member&source=none&reason=x", 404, "link.not_found"},
	{"GET /v1/parked", "/v1/parked?job=acme/launch&limit=1&after=p-0", 200, ""},
	{"GET /v1/parked/{id}", "/v1/parked/p-1", 200, ""},
	{"GET /v1/parked/{id}", "/v1/parked/none", 404, "parked.not_found"},
	{"POST /v1/parked/{id}/settle", "/v1/parked/p-1/settle?verdict=link&target=t1", 200, ""},
	{"POST /v1/parked/{id}/settle", "/v1/parked/p-1/settle?verdict=link&target=taken", 409, "parked.conflict"},
	{"POST /v1/parked/{id}/settle", "/v1/parked/p-1/settle?verdict=drop&target=t1", 400, "request.invalid"},
	{"POST /v1/parked/{id}/settle", "/v1/parked/p-1/settle", 400, "request.invalid"},
	{"POST /v1/quarantine/drop", "/v1/quarantine/drop?entry=q-1&entry=q-2", 200, ""},
	{"POST /v1/quarantine/drop", "/v1/quarantine/drop?job=acme/launch&code=map.rejected", 200, ""},
	{"POST /v1/quarantine/drop", "/v1/quarantine/drop", 400, "request.invalid"},
	{"POST /v1/quarantine/drop", "/v1/quarantine/drop?entry=q-1&job=acme/launch", 400, "request.invalid"},
	{"GET /v1/sessions", "/v1/sessions?run=r-ended&open=true&business=b1&limit=5", 200, ""},
	{"GET /v1/sessions", "/v1/sessions?open=yes", 400, "request.invalid"},
	{"GET /v1/sessions/{id}", "/v1/sessions/s-open", 200, ""},
	{"GET /v1/sessions/{id}", "/v1/sessions/s-closed", 200, ""},
	{"GET /v1/sessions/{id}", "/v1/sessions/none", 404, "session.not_found"},
	{"POST /v1/sessions/{id}/retry", "/v1/sessions/s-parked/retry", 202, ""},
	{"POST /v1/sessions/{id}/retry", "/v1/sessions/s-open/retry", 409, "session.conflict"},
	{"POST /v1/sessions/{id}/close", "/v1/sessions/s-open/close", 200, ""},
	{"POST /v1/sessions/{id}/close", "/v1/sessions/s-closed/close", 409, "session.conflict"},
	{"GET /v1/quarantine", "/v1/quarantine", 200, ""},
	{"GET /v1/quarantine", "/v1/quarantine?limit=2&after=q-0&code=map.rejected&job=acme/launch&run=r-ended", 200, ""},
	{"GET /v1/quarantine", "/v1/quarantine?code=Map&after=", 400, "request.invalid"},
	{"GET /v1/quarantine/groups", "/v1/quarantine/groups?job=acme/launch", 200, ""},
	{"GET /v1/quarantine/groups", "/v1/quarantine/groups?limit=1", 400, "request.invalid"},
	{"GET /v1/quarantine/{id}", "/v1/quarantine/q-1", 200, ""},
	{"GET /v1/quarantine/{id}", "/v1/quarantine/none", 404, "quarantine.not_found"},
	{"GET /v1/log", "/v1/log", 200, ""},
	{"GET /v1/log", "/v1/log?account=acme&job=acme/launch&club=downtown&level=warning&since=2026-11-01T00:00:00Z&limit=5&after=begin", 200, ""},
	{"GET /v1/log", "/v1/log?job=acme/lunch", 404, "job.not_found"},
	{"GET /v1/log", "/v1/log?account=a+b&level=loud&since=yesterday", 400, "request.invalid"},
	{"GET /v1/connections", "/v1/connections", 200, ""},
	{"GET /v1/adapters", "/v1/adapters", 200, ""},
	{"POST /v1/jobs/{account}/{job}/accept", "/v1/jobs/acme/launch/accept", 200, ""},
	{"POST /v1/jobs/{account}/{job}/accept", "/v1/jobs/acme/live/accept", 409, "job.conflict"},
	{"POST /v1/jobs/{account}/{job}/accept", "/v1/jobs/acme/lunch/accept", 404, "job.not_found"},
	{"GET /v1/jobs/{account}/{job}/cursors", "/v1/jobs/acme/launch/cursors", 200, ""},
	{"GET /v1/jobs/{account}/{job}/cursors", "/v1/jobs/acme/lunch/cursors", 404, "job.not_found"},
	{"POST /v1/jobs/{account}/{job}/rewind", "/v1/jobs/acme/launch/rewind?to=beginning&kind=member", 200, ""},
	{"POST /v1/jobs/{account}/{job}/rewind", "/v1/jobs/acme/launch/rewind", 400, "request.invalid"},
	{"POST /v1/jobs/{account}/{job}/rewind", "/v1/jobs/acme/live/rewind?to=r-1", 409, "job.running"},
	{"GET /v1/state", "/v1/state", 200, ""},
	{"GET /v1/state/backup", "/v1/state/backup", 200, ""},
	{"GET /v1/audit", "/v1/audit?limit=2", 200, ""},
	{"GET /v1/audit", "/v1/audit?limit=0", 400, "request.invalid"},
	{"GET /v1/privacy/person", "/v1/privacy/person?account=acme&id=m%201", 200, ""},
	{"GET /v1/privacy/person", "/v1/privacy/person?job=acme/launch&email=A%40Example.com&kind=member&connection=acme/crm", 200, ""},
	{"GET /v1/privacy/person", "/v1/privacy/person?job=acme/lunch&id=m1", 404, "job.not_found"},
	{"GET /v1/privacy/person", "/v1/privacy/person?account=acme&id=twice", 422, "privacy.ambiguous"},
	{"GET /v1/privacy/person", "/v1/privacy/person?account=acme&job=acme/launch&id=m1&email=a%40b.c", 400, "request.invalid"},
	{"GET /v1/privacy/person", "/v1/privacy/person?account=acme&email=nobody", 400, "request.invalid"},
	{"POST /v1/privacy/erase", "/v1/privacy/erase?account=acme&email=a%40b.c&block_email=true&reason=their+wish", 200, ""},
	{"POST /v1/privacy/erase", "/v1/privacy/erase?account=acme&id=m1", 400, "request.invalid"},
	{"POST /v1/privacy/erase", "/v1/privacy/erase?account=acme&id=member-1&reason=as+Member-1+wishes", 400, "request.invalid"},
	{"POST /v1/privacy/erase", "/v1/privacy/erase?account=acme&id=m1&block_email=true&reason=wish", 400, "request.invalid"},
	{"POST /v1/privacy/erase", "/v1/privacy/erase?account=acme&id=busy&reason=wish", 422, "privacy.busy"},
	{"GET /v1/privacy/tombstones", "/v1/privacy/tombstones?account=acme", 200, ""},
	{"GET /v1/privacy/tombstones", "/v1/privacy/tombstones?account=-", 400, "request.invalid"},
	{"POST /v1/privacy/tombstones/{id}/lift", "/v1/privacy/tombstones/t1/lift", 200, ""},
	{"POST /v1/privacy/tombstones/{id}/lift", "/v1/privacy/tombstones/none/lift", 404, "tombstone.not_found"},
	{"POST /v1/reload", "/v1/reload?dry_run=true", 200, ""},
	{"POST /v1/reload", "/v1/reload", 422, "config.invalid"},
	{"GET /v1/probe", "/v1/probe?nonce=abc", 200, ""},
	{"GET /v1/probe", "/v1/probe?nonce=", 400, "request.invalid"},
}

func TestEveryAnswerIsAsDescribed(t *testing.T) {
	d := readSpec(t)
	answered := map[string]bool{}
	for _, x := range examples {
		method, _, _ := strings.Cut(x.operation, " ")
		w := ask(t, newAPI(t, newFake(), ""), method, x.target)
		if w.Code != x.status {
			t.Errorf("%s %s: status %d, want %d\n%s", method, x.target, w.Code, x.status, w.Body)
			continue
		}
		d.validate(t, x.operation, w.Result(), w.Body.Bytes())
		if x.code != "" && problemOf(t, w).Code != x.code {
			t.Errorf("%s %s: code %s, want %s", method, x.target, problemOf(t, w).Code, x.code)
		}
		answered[x.operation] = answered[x.operation] || x.status < 300
	}
	for operation := range d.operations() {
		if !answered[operation] {
			t.Errorf("no example of a good answer to %s", operation)
		}
	}
}

func TestTheDescriptionIsServed(t *testing.T) {
	w := ask(t, newAPI(t, newFake(), ""), http.MethodGet, "/openapi.yaml")
	if !bytes.Equal(w.Body.Bytes(), admin.Spec()) {
		t.Error("the file served is not the file embedded")
	}
}

// ask makes one request of the handler.
func ask(t *testing.T, h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) admin.Problem {
	t.Helper()
	var p admin.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("not a problem: %v\n%s", err, w.Body)
	}
	return p
}
