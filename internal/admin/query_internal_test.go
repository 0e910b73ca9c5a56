package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryFaultOfAQueryIsToldAtOnce(t *testing.T) {
	q := parseQuery("limit=1e3&job=x&job=y&state=done&colour=red", []string{"job", "state", "limit"})
	q.job()
	q.states()
	q.limit()
	got := map[string]int{}
	for _, f := range q.bad.faults {
		got[f.Parameter]++
	}
	if diff := cmp.Diff(map[string]int{"colour": 1, "job": 2, "state": 1, "limit": 1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLimitsAreWholeNumbersInBounds(t *testing.T) {
	for raw, ok := range map[string]bool{
		"": true, "limit=1": true, "limit=1000": true,
		"limit=": false, "limit=0": false, "limit=-1": false, "limit=1001": false, "limit=+5": false, "limit=05": false,
		"limit=1.0": false, "limit=99999999999999999999": false, "limit=1;2": false, "limit=%zz": false, "Limit=1": false,
	} {
		q := parseQuery(raw, []string{"limit"})
		if n := q.limit(); (q.err() == nil) != ok || n < 0 || n > maxLimit {
			t.Errorf("%q: %d, %v", raw, n, q.err())
		}
	}
}

// FuzzQuery holds what is read of any query to what openapi.yaml promises, and
// the answer to one with faults to a problem that says which.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "job=acme/launch&limit=5", "state=ok&state=failed", "open=true", "code=map.rejected&after=q-1", "run=%00", "job=a%2Fb", "limit=1;limit=2", "a=1&a=2&%",
	} {
		f.Add(seed)
	}
	known := []string{"job", "run", "state", "open", "code", "after", "limit"}
	api := &API{}
	f.Fuzz(func(t *testing.T, raw string) {
		q := parseQuery(raw, known)
		job, run, code, limit, states, open := q.job(), q.id("run"), q.code(), q.limit(), q.states(), q.bool("open")
		if job != "" && !validRef(job) || run != "" && !validID(run) || code != "" && !validCode(code) || limit < 1 || limit > maxLimit || len(states) > len(runStates()) {
			t.Fatalf("%q was read as %q %q %q %d %v %v", raw, job, run, code, limit, states, open)
		}
		values, err := url.ParseQuery(raw)
		if err != nil && q.err() == nil {
			t.Fatalf("%q is malformed and was let pass", raw)
		}
		for name, given := range values {
			if len(given) > 1 && !repeatable(name) && q.err() == nil {
				t.Fatalf("%q gives %q twice and was let pass", raw, name)
			}
		}
		if err := q.err(); err != nil {
			r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/v1/runs", http.NoBody)
			w := httptest.NewRecorder()
			api.fail(w, r, nounRun, err)
			if w.Code != http.StatusBadRequest || len(q.bad.faults) == 0 {
				t.Fatalf("%q: status %d", raw, w.Code)
			}
		}
	})
}
