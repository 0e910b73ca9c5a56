package admin

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// Bounds of what a request may name; openapi.yaml has the same.
const (
	maxKey       = 128
	maxID        = 200
	maxCode      = 100
	maxLimit     = 1000
	defaultLimit = 100
	// maxClip bounds what an answer repeats of a request.
	maxClip = 200
)

// invalidError collects every fault of a request.
type invalidError struct{ faults []ParameterFault }

func (e *invalidError) Error() string { return strconv.Itoa(len(e.faults)) + " faults in the request" }

func (e *invalidError) add(parameter, detail string) {
	e.faults = append(e.faults, ParameterFault{Parameter: clip(parameter), Detail: detail})
}

func (e *invalidError) orNil() error {
	if len(e.faults) == 0 {
		return nil
	}
	return e
}

// query reads the parameters of one request and collects their faults.
type query struct {
	values url.Values
	bad    invalidError
}

// repeatable reports whether a parameter may be given more than once.
func repeatable(name string) bool { return name == "state" || name == "entry" }

// parseQuery reads a query that may have the known parameters only.
func parseQuery(raw string, known []string) *query {
	q := &query{}
	values, err := url.ParseQuery(raw)
	if err != nil {
		q.bad.add("query", "is not well-formed")
		return q
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch {
		case !slices.Contains(known, name):
			q.bad.add(name, "is not known here; "+knownNames(known))
		case len(values[name]) > 1 && !repeatable(name):
			q.bad.add(name, "is given more than once")
		}
	}
	q.values = values
	return q
}

func knownNames(known []string) string {
	if len(known) == 0 {
		return "there are no parameters"
	}
	return "known: " + strings.Join(known, ", ")
}

// path checks the names that a request's path has where pattern has {name}.
func (q *query) path(r *http.Request, pattern string) {
	if strings.Contains(pattern, "{id}") && !validID(r.PathValue("id")) {
		q.bad.add("id", "is not a possible id")
	}
	for _, name := range []string{"account", "job"} {
		if strings.Contains(pattern, "{"+name+"}") && !validKey(r.PathValue(name)) {
			q.bad.add(name, "is not a possible name; a job is named ACCOUNT/JOB, such as acme/launch")
		}
	}
}

// noBody reads a request's body to its end: no operation takes one, an empty
// object is let pass for clients that must send something. It returns an error
// for a body that is too large.
func (q *query) noBody(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return err
	}
	if s := strings.TrimSpace(string(body)); err != nil || s != "" && s != "{}" {
		q.bad.add("body", "must be empty")
	}
	return nil
}

// err returns every fault found so far, or nil.
func (q *query) err() error { return q.bad.orNil() }

// text returns a parameter that must satisfy valid where it is given.
func (q *query) text(name, want string, valid func(string) bool) string {
	if !q.values.Has(name) {
		return ""
	}
	v := q.values.Get(name)
	if !valid(v) {
		q.bad.add(name, "must be "+want)
		return ""
	}
	return v
}

func (q *query) job() string { return q.text("job", "account/job", validRef) }

func (q *query) id(name string) string { return q.text(name, "an id", validID) }

func (q *query) code() string {
	return q.text("code", "words joined by dots, as in map.rejected", validCode)
}

func (q *query) bool(name string) bool {
	return q.text(name, "true or false", func(v string) bool { return v == "true" || v == "false" }) == "true"
}

func (q *query) limit() int {
	v := q.text("limit", "a whole number from 1 to "+strconv.Itoa(maxLimit), func(v string) bool {
		n, err := strconv.Atoi(v)
		return err == nil && n >= 1 && n <= maxLimit && strconv.Itoa(n) == v
	})
	if v == "" {
		return defaultLimit
	}
	n, _ := strconv.Atoi(v) // checked above
	return n
}

// states returns the run states asked for, each once.
func (q *query) states() []roster.RunState {
	var states []roster.RunState
	known := runStates()
	for _, v := range q.values["state"] {
		s := roster.RunState(v)
		if !slices.Contains(known, s) {
			q.bad.add("state", "must be one of "+join(known))
			return nil
		}
		if !slices.Contains(states, s) {
			states = append(states, s)
		}
	}
	return states
}

func runStates() []roster.RunState {
	return []roster.RunState{
		roster.RunQueued, roster.RunPreparing, roster.RunDelivering, roster.RunOK, roster.RunPartial,
		roster.RunFailed, roster.RunBlocked, roster.RunPlanned, roster.RunCancelled, roster.RunSkipped,
	}
}

func join[T ~string](words []T) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}

// validKey reports whether s can be the key of an account or a job.
func validKey(s string) bool {
	if s == "" || len(s) > maxKey || !alphanumeric(s[0]) {
		return false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && !strings.ContainsRune("._-", rune(s[i])) {
			return false
		}
	}
	return true
}

func validRef(s string) bool {
	account, job, ok := strings.Cut(s, "/")
	return ok && validKey(account) && validKey(job)
}

func validID(s string) bool {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxID
}

func validCode(s string) bool {
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return false
		}
	}
	return len(s) <= maxCode
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// clip shortens what a request said for the answer to it, and takes out what
// could disturb a terminal.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	if len(s) > maxClip {
		return s[:maxClip] + "..."
	}
	return s
}
