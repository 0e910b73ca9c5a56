package club

import (
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"time"
)

// failBefore makes the fault of a request happen that keeps it from being
// carried out now. It reports whether there is nothing more to do.
func (p *Platform) failBefore(w http.ResponseWriter, r *http.Request, req *request) bool {
	switch req.fault {
	case TooMany:
		p.retryAfter(w, req)
		p.write(w, answer{err: &apiError{Status: http.StatusTooManyRequests, Code: "rate_limit", Message: "Too many requests"}})
	case Unavailable:
		p.retryAfter(w, req)
		p.write(w, answer{err: &apiError{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "Try again later"}})
	case ErrorBefore:
		p.write(w, answer{err: internalError()})
	case FailureInside:
		p.writeBytes(w, http.StatusOK, []byte(`{"ok":false,"error":{"status":500,"code":"internal","message":"Something went wrong"}}`))
	case Redirect:
		w.Header().Set("Location", r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
	case ResetBefore:
		reset(w)
	case Hang:
		p.hang(r)
		reset(w)
	case Late:
		p.executeLate(req)
		reset(w)
	default:
		return false
	}
	return true
}

func internalError() *apiError {
	return &apiError{Status: http.StatusInternalServerError, Code: "internal", Message: "Something went wrong"}
}

// executeLate carries a request out within the exec lag of its arrival, or not
// at all.
func (p *Platform) executeLate(req *request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	lag := p.lags.exec
	p.later(req, lag, func() {
		// The bound is a promise to tests. Where the machine was too busy to keep
		// it, nothing happens rather than something too late.
		if p.ctx.Err() == nil && lag > 0 && p.opts.Now().Sub(req.arrived) > lag {
			p.counts.Expired++
			return
		}
		p.commit(req)
	})
}

// respond answers a request that was carried out, with the fault that it meets.
func (p *Platform) respond(w http.ResponseWriter, r *http.Request, req *request, a answer) {
	switch req.fault {
	case LoseAnswer:
		reset(w)
	case HangAfter:
		p.hang(r)
		reset(w)
	case ErrorAfter:
		p.write(w, answer{err: internalError()})
	case CutBody:
		p.cut(w, a)
	case WrongID:
		p.write(w, p.another(a))
	case PlainOK:
		if a.status == http.StatusCreated {
			a.status = http.StatusOK
		}
		p.write(w, a)
	default:
		p.write(w, a)
	}
}

// hang waits until the caller gives up, the platform closes or the time is over.
func (p *Platform) hang(r *http.Request) {
	timer := time.NewTimer(p.opts.HangFor)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
	case <-p.ctx.Done():
	case <-timer.C:
	}
}

// another is an answer with some other record of the kind, the oldest, in place
// of the right one; with an id that nobody has where there is no other.
func (p *Platform) another(a answer) answer {
	if a.record == nil {
		return a
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.tables[a.record.Kind].rows {
		if w.record != nil && w.record.ID != a.record.ID {
			a.record = w.record
			return a
		}
	}
	wrong := a.record.clone()
	wrong.ID += "-0"
	a.record = wrong
	return a
}

// reset breaks the connection with a TCP reset where that is possible.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the connection ends as if it were meant to
	}
	_ = conn.Close()
}

// cut writes half of an answer and breaks the connection.
func (p *Platform) cut(w http.ResponseWriter, a answer) {
	body := p.encode(a)
	w.Header().Set("Content-Length", strconv.Itoa(max(len(body), 2)))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.statusOf(a))
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// write writes an answer.
func (p *Platform) write(w http.ResponseWriter, a answer) {
	status := p.statusOf(a)
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	if a.replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	p.writeBytes(w, status, p.encode(a))
}

func (p *Platform) writeBytes(w http.ResponseWriter, status int, body []byte) {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller is gone: nobody to tell
}

func (p *Platform) statusOf(a answer) int {
	switch {
	case p.opts.ErrorsIn200:
		return http.StatusOK
	case a.err != nil:
		return a.err.Status
	default:
		return a.status
	}
}

// encode is the body of an answer.
func (p *Platform) encode(a answer) []byte {
	var b []byte
	switch {
	case a.err != nil:
		b = marshal(struct {
			Error *apiError `json:"error"`
		}{a.err})
	case a.record != nil:
		b = a.record.append(make([]byte, 0, 1024), p.schemas[a.record.Kind].names)
	case a.list != nil:
		b = append(make([]byte, 0, 64+1024*len(a.list)), `{"items":[`...)
		for i, r := range a.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = r.append(b, p.schemas[r.Kind].names)
		}
		b = append(b, `],"next":`...)
		b = append(append(b, marshal(a.next)...), '}')
	case a.clubs != nil:
		b = marshal(map[string]any{"items": a.clubs, "next": nil})
	default:
		b = []byte("{}")
	}
	if !p.opts.ErrorsIn200 {
		return b
	}
	ok := strconv.AppendBool([]byte(`{"ok":`), a.err == nil)
	if len(b) > 2 {
		ok = append(ok, ',')
	}
	return append(ok, b[1:]...)
}

// marshal writes values of this package, all of which have a form.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return b
}

// retryAfter names the time of [Options].RetryAfter in one of its two forms.
func (p *Platform) retryAfter(w http.ResponseWriter, req *request) {
	form := p.opts.RetryAfterForm
	if form == RetryAfterAny {
		form = RetryAfterSeconds
		if req.random.IntN(2) == 0 {
			form = RetryAfterDate
		}
	}
	switch form {
	case RetryAfterNone:
	case RetryAfterDate:
		// The form has a resolution of a second: the wait is rounded up.
		at := p.opts.Now().Add(p.opts.RetryAfter + time.Second - time.Nanosecond).Truncate(time.Second)
		w.Header().Set("Retry-After", at.UTC().Format(http.TimeFormat))
	default:
		w.Header().Set("Retry-After", inSeconds(p.opts.RetryAfter))
	}
}

// inSeconds is a wait in whole seconds, rounded up.
func inSeconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}
