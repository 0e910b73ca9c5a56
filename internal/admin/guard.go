package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
)

// requestKey is the context key of a request's id.
type requestKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// guard is what every request passes before it is routed.
func (a *API) guard(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, "", &Problem{Code: codeCrossOrigin, Detail: "a page of another site may not change anything here"})
	}))
	next = origins.Handler(a.authorized(next))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started, id := a.o.Now(), rand.Text()
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		rec := &recorder{ResponseWriter: w}
		defer func() {
			a.recovered(rec, r, recover())
			// A change is what an operator may have to account for; a look is not.
			log := a.o.Logger.DebugContext
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				log = a.o.Logger.InfoContext
			}
			log(r.Context(), "operator's request", "request", id, "method", clip(r.Method), "path", clip(r.URL.Path),
				"status", rec.status, "remote", r.RemoteAddr, "duration_ms", a.o.Now().Sub(started).Milliseconds())
		}()
		next.ServeHTTP(rec, r)
	})
}

// recovered turns a panic of a handler into an answer; the daemon must survive
// a fault in what only shows things.
func (a *API) recovered(w *recorder, r *http.Request, fault any) {
	if fault == nil {
		return
	}
	if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(fault)
	}
	a.o.Logger.ErrorContext(r.Context(), "operator's request panicked", "request", requestID(r.Context()), "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // ends the connection, so that half an answer is not taken for a whole one
	}
	a.fail(w, r, "", fmt.Errorf("panic of type %T", fault))
}

// authorized asks for the token where there is one. Whether the daemon lives and
// is ready may be asked by anybody, and not why it is not.
func (a *API) authorized(next http.Handler) http.Handler {
	token := a.o.Token.Reveal()
	if token == "" {
		return next
	}
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/livez" || r.URL.Path == "/readyz" && r.URL.RawQuery == "" || bearer(r, want) {
			next.ServeHTTP(w, r)
			return
		}
		a.fail(w, r, "", &Problem{Code: codeToken, Detail: "the request has no token, or a wrong one"})
	})
}

// bearer compares digests, so that the time taken tells neither where a guess
// goes wrong nor how long the token is.
func bearer(r *http.Request, want [sha256.Size]byte) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "bearer")
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write remembers that a status went out.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
