package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/internal/audit"
	"github.com/rosterd/rosterd/internal/roster"
)

// Audit keeps the account of what was changed.
type Audit interface {
	// Begin writes down what is about to be done and returns its number; where it
	// fails, it is not done. End writes down what came of it.
	Begin(who, what string, with map[string]string, request string) (uint64, error)
	End(of uint64, status int, code string) error
	// Audited returns the latest entries, at most limit of them, in their order.
	Audited(ctx context.Context, limit int) ([]audit.Entry, error)
	// Masked is the digest by which an id stands in the account that may tell of a
	// person.
	Masked(id string) string
}

// CodeAuditUnwritable says that nothing is changed because that cannot be written
// down, CodeAuditDamaged that the account is not as it was written.
const (
	CodeAuditUnwritable = "audit.unwritable"
	CodeAuditDamaged    = "audit.damaged"
)

// tellsNobody are the parameters that are no ids of records: they stand in the
// account as they are.
func tellsNobody(name string) bool {
	return slices.Contains([]string{
		"account", "block_email", "code", "connection", "dry_run", "entry", "from", "job", "kind", "plan", "reason", "receiver", "replay",
		"run", "sweep", "to", "verdict",
	}, name)
}

// audited reports whether an operation is written down: every change, and what
// carries the state away.
func (rt route) audited(r *http.Request) bool {
	return rt.method != http.MethodGet || rt.path == "/v1/state/backup" && r.Method != http.MethodHead
}

// carryOut answers a request, and writes it down where it changes something.
func (a *API) carryOut(rt route, w http.ResponseWriter, r *http.Request) {
	if !rt.audited(r) {
		if err := a.answer(rt, w, r); err != nil {
			a.fail(w, r, rt.noun, err)
		}
		return
	}
	seq, err := a.o.Audit.Begin(a.caller(r), r.Method+" "+a.plain(clip(r.URL.Path), nil), a.parameters(rt, r), requestID(r.Context()))
	if err != nil {
		a.o.Logger.ErrorContext(r.Context(), "nothing is changed that cannot be written down", "request", requestID(r.Context()), "err", err)
		a.fail(w, r, rt.noun, &Problem{Code: CodeAuditUnwritable, Detail: "the audit log cannot be written, and nothing was changed"})
		return
	}
	status, code := http.StatusInternalServerError, codeInternal
	defer func() {
		if err := a.o.Audit.End(seq, status, code); err != nil {
			a.o.Logger.ErrorContext(r.Context(), "the outcome of a change is not in the audit log", "request", requestID(r.Context()), "entry", seq, "err", err)
		}
	}()
	if err := a.answer(rt, w, r); err != nil {
		p := problem(rt.noun, err)
		status, code = p.Status, p.Code
		a.fail(w, r, rt.noun, err)
		return
	}
	status, code = http.StatusOK, ""
	if rec, ok := w.(*recorder); ok && rec.status != 0 {
		status = rec.status
	}
}

// parameters are those of a request as they stand in the account.
func (a *API) parameters(rt route, r *http.Request) map[string]string {
	with, given := map[string]string{}, r.URL.Query()
	var ids []string
	for name, values := range given {
		if slices.Contains(rt.params, name) && !tellsNobody(name) {
			with[name] = a.o.Audit.Masked(values[0])
			ids = append(ids, values[0])
		}
	}
	for name, values := range given {
		if slices.Contains(rt.params, name) && tellsNobody(name) {
			with[name] = a.plain(clip(strings.Join(values, " ")), ids)
		}
	}
	return with
}

// leastTelling is the length of an id from which on a text that has it tells of a
// person: a shorter one is in many words.
const leastTelling = 3

// plain is a text as it may stand in the account: its digest where somebody has
// written an address into it, or one of the ids of the request.
func (a *API) plain(text string, ids []string) string {
	tells := slices.ContainsFunc(ids, func(id string) bool { return len(id) >= leastTelling && strings.Contains(text, id) })
	roster.Addresses([]byte(text), func(string) bool {
		tells = true
		return false
	})
	if tells {
		return a.o.Audit.Masked(text)
	}
	return text
}

// auditLog answers with the latest entries.
func (a *API) auditLog(w http.ResponseWriter, r *http.Request, q *query) error {
	limit := q.limit()
	if err := q.err(); err != nil {
		return err
	}
	entries, err := a.o.Audit.Audited(r.Context(), limit)
	if errors.Is(err, audit.ErrDamaged) {
		return &Problem{Code: CodeAuditDamaged, Detail: err.Error()}
	}
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, auditBody{Entries: list(entries)})
}

// AuditLog returns the latest entries of the audit log, in their order.
func (c *Client) AuditLog(ctx context.Context, limit int) ([]audit.Entry, error) {
	var body auditBody
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	err := c.call(ctx, http.MethodGet, "/v1/audit", q, &body)
	return body.Entries, err
}
