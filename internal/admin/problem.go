package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// Problem is an error as the API tells it (RFC 9457, with members of our own
// from Code on). The client returns it as an error; [errors.Is] finds the
// sentinel of package roster that the daemon meant.
type Problem struct { //nolint:errname // RFC 9457 calls it a problem
	// Type is a URI for the kind of problem, made of Code.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what happened, Instance at which address.
	Detail   string `json:"detail"`
	Instance string `json:"instance"`
	// Code is stable, in dotted words.
	Code string `json:"code"`
	// Hint says what to do next.
	Hint string `json:"hint"`
	// Request is the request's id in the daemon's log.
	Request string `json:"request"`
	// Run is the run that keeps a job from being started.
	Run string `json:"run,omitempty"`
	// Suggestions are jobs that may be meant.
	Suggestions []string `json:"suggestions,omitempty"`
	// Errors are all faults of a request.
	Errors []ParameterFault `json:"errors,omitempty"`
	// Findings are what is wrong with a configuration that was to be loaded.
	Findings []ConfigFinding `json:"findings,omitempty"`
	// Checks are the parts of a daemon that is not ready.
	Checks []PartCheck `json:"checks,omitempty"`
}

// ParameterFault is what is wrong with one parameter of a request.
type ParameterFault struct {
	Parameter string `json:"parameter"`
	Detail    string `json:"detail"`
}

// Error returns what happened and what to do next.
func (p *Problem) Error() string {
	lines := []string{p.Detail}
	for _, f := range p.Errors {
		lines = append(lines, "  "+f.Parameter+": "+f.Detail)
	}
	if p.Hint != "" {
		lines = append(lines, "  hint: "+p.Hint)
	}
	return strings.Join(lines, "\n")
}

// Is reports whether target is the sentinel error behind the problem.
func (p *Problem) Is(target error) bool {
	for _, k := range kinds() {
		if k.is == target && k.status == p.Status && (p.Code == k.code || strings.HasSuffix(p.Code, "."+k.code)) {
			return true
		}
	}
	return false
}

// kind is one row of the table that gives errors their status.
type kind struct {
	is     error
	code   string
	status int
	title  string
	hint   string
}

// Codes of problems that no other package's error stands behind.
const (
	codeNoPath      = "request.no_such_path"
	codeMethod      = "request.method"
	codeInvalid     = "request.invalid"
	codeTooLarge    = "request.too_large"
	codeCrossOrigin = "request.cross_origin"
	codeToken       = "request.token"
	codeWatchers    = "request.too_many_watchers"
	codeFault       = "fault"
	codeInternal    = "internal"
)

const hintLog = "look for the request id in the daemon's log:  journalctl -u rosterd"

// kinds is the one table from errors to statuses. An error takes the first row
// that it is.
func kinds() []kind {
	return []kind{
		{roster.ErrRunning, "running", http.StatusConflict, "The job is running", "start it again when that run is over"},
		{roster.ErrNotFound, "not_found", http.StatusNotFound, "Not found", "see what there is with  rosterd status"},
		{roster.ErrExists, "exists", http.StatusConflict, "Exists already", "choose another name"},
		{roster.ErrInvalid, "invalid", http.StatusBadRequest, "Invalid", "correct the request; it is described at /openapi.yaml"},
		{roster.ErrConflict, "conflict", http.StatusConflict, "Its state does not allow it", "look at its state first"},
		{roster.ErrErased, "erased", http.StatusConflict, "The person was erased", "let them be taken again first: find the tombstone with  rosterd privacy list , and lift it with  rosterd privacy lift"},
		{roster.ErrStopping, "stopping", http.StatusServiceUnavailable, "The daemon is stopping", "try again when it has started"},
		{context.DeadlineExceeded, "timeout", http.StatusGatewayTimeout, "It took too long", "try again; if it stays so, " + hintLog},
		{nil, codeNoPath, http.StatusNotFound, "No such path", "the paths are described at /openapi.yaml"},
		{nil, codeMethod, http.StatusMethodNotAllowed, "Method not allowed", "see the header Allow"},
		{nil, codeInvalid, http.StatusBadRequest, "Invalid request", "the parameters are described at /openapi.yaml"},
		{nil, codeTooLarge, http.StatusRequestEntityTooLarge, "Request too large", "send no body"},
		{nil, codeCrossOrigin, http.StatusForbidden, "Cross-origin request refused", "call the API from a program, not from another site's page"},
		{nil, codeToken, http.StatusUnauthorized, "Token missing or wrong", "send  Authorization: Bearer TOKEN  with the token of listen.admin"},
		{nil, codeWatchers, http.StatusServiceUnavailable, "Too many watchers", "end some of the commands that watch a run"},
		{nil, codeNotReady, http.StatusServiceUnavailable, "The daemon is not ready", "see what is wrong with  rosterd status  or  /readyz?verbose"},
		{nil, CodeAuditUnwritable, http.StatusServiceUnavailable, "The change cannot be written down", "make room in state_dir and see that the daemon may write there; " + hintLog},
		{nil, CodeAuditDamaged, http.StatusUnprocessableEntity, "The audit log is not as it was written", "find out who changed the file; what stands before that line is whole"},
		{nil, codeFault, http.StatusUnprocessableEntity, "It cannot be done as things are", hintLog},
		{nil, codeInternal, http.StatusInternalServerError, "Internal fault", hintLog},
	}
}

func kindOf(code string) kind {
	var internal kind
	for _, k := range kinds() {
		if k.code == code {
			return k
		}
		internal = k
	}
	return internal
}

// The nouns that lead the codes of sentinel errors.
const (
	nounJob        = "job"
	nounRun        = "run"
	nounSession    = "session"
	nounQuarantine = "quarantine"
	nounLink       = "link"
	nounParked     = "parked"
	nounReceiver   = "receiver"
	nounTombstone  = "tombstone"
)

// hintFor is the hint where a noun gives a better one than the table.
func hintFor(noun string, k kind) string {
	switch {
	case k.is != roster.ErrNotFound && k.is != roster.ErrConflict: //nolint:errorlint // rows of the table are compared, not unwrapped
		return k.hint
	case noun == nounJob && k.is == roster.ErrConflict: //nolint:errorlint // see above
		return "see whether it is paused with  rosterd status"
	case noun == nounRun:
		return "list the runs with  rosterd runs"
	case noun == nounSession:
		return "list the sessions with  rosterd session list"
	case noun == nounTombstone:
		return "list the tombstones with  rosterd privacy list"
	case noun == nounReceiver:
		return "the receivers are those below  alerts.receivers  in the configuration"
	case noun == nounQuarantine:
		return "list the records with  rosterd quarantine list"
	case noun == nounParked:
		return "list what waits with  rosterd parked list"
	case noun == nounLink && k.is == roster.ErrConflict: //nolint:errorlint // see above
		return "see what the target is linked to with  rosterd links show, and remove that link first"
	case noun == nounLink:
		return "list the links with  rosterd links list ACCOUNT/JOB"
	}
	return k.hint
}

// problem makes the answer to err. What is not classified is told without its
// text, which was written for the log.
func problem(noun string, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		out := *p
		if out.Status != 0 {
			return &out
		}
		return out.complete(kindOf(p.Code))
	}
	if bad, ok := errors.AsType[*invalidError](err); ok {
		return (&Problem{Code: codeInvalid, Detail: "the request cannot be understood", Errors: bad.faults}).complete(kindOf(codeInvalid))
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return (&Problem{Code: codeTooLarge, Detail: tooLarge.Error()}).complete(kindOf(codeTooLarge))
	}
	p, k := classify(noun, err)
	if fault, ok := errors.AsType[*roster.Fault](err); ok {
		if k.code == codeInternal {
			k = kindOf(codeFault)
		}
		p.Code, p.Detail, p.Hint = fault.Code, fault.Message, fault.Hint
	}
	return p.complete(k)
}

// classify finds err's row in the table.
func classify(noun string, err error) (*Problem, kind) {
	for _, k := range kinds() {
		if k.is == nil || !errors.Is(err, k.is) {
			continue
		}
		p := &Problem{Code: k.code, Detail: err.Error(), Hint: hintFor(noun, k)}
		if noun != "" {
			p.Code = noun + "." + k.code
		}
		if running, ok := errors.AsType[*roster.RunningError](err); ok {
			p.Run = running.Run
			p.Hint = "see it with  rosterd status  and start the job again when it is over"
		}
		return p, k
	}
	return &Problem{Code: codeInternal, Detail: "the daemon could not answer"}, kindOf(codeInternal)
}

// complete fills in what the table knows and p leaves open.
func (p *Problem) complete(k kind) *Problem {
	p.Type, p.Status = "urn:rosterd:problem:"+p.Code, k.status
	if p.Title == "" {
		p.Title = k.title
	}
	if p.Hint == "" {
		p.Hint = k.hint
	}
	return p
}

// fail answers with the problem behind err.
func (a *API) fail(w http.ResponseWriter, r *http.Request, noun string, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // nobody is there to read it
	}
	p := located(r, problem(noun, err))
	if p.Status == http.StatusInternalServerError {
		a.o.Logger.ErrorContext(r.Context(), "operator's request failed", "request", p.Request, "path", p.Instance, "err", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="rosterd"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		a.o.Logger.DebugContext(r.Context(), "operator went away", "request", p.Request, "err", err)
	}
}

// located says at which request a problem happened.
func located(r *http.Request, p *Problem) *Problem {
	p.Instance, p.Request = (&url.URL{Path: clip(r.URL.Path)}).EscapedPath(), requestID(r.Context())
	return p
}
