package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRequestBytes bounds the body of a request to the simulated platform.
const maxRequestBytes = 1 << 20

// Handler serves the platform's API and, under /sandbox/, what a person or a
// test may look at:
//
//	GET /sandbox/clients             the business's clients
//	GET /sandbox/imports             the imports
//	GET /sandbox/wait?imports=1&timeout=30s
//	                                 the imports, once that many have ended
//	PUT /sandbox/api_uri             the body is the app's address
//	PUT /sandbox/answer              the body is an [ImportAnswer]
func (s *InTandem) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /business/clients/v1/apps/{app}/import", s.authorized(s.handleImport))
	mux.Handle("GET /platform/v1/fields", s.authorized(s.handleFields))
	mux.Handle("POST /platform/v1/webhook/subscribe", s.authorized(s.handleSubscribe))
	mux.Handle("POST /platform/v1/webhook/unsubscribe", s.authorized(s.handleUnsubscribe))
	mux.Handle("GET /platform/v1/webhooks", s.authorized(s.handleWebhooks))
	mux.HandleFunc("GET /sandbox/clients", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.Clients())
	})
	mux.HandleFunc("GET /sandbox/imports", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.Imports())
	})
	mux.HandleFunc("GET /sandbox/wait", s.handleWait)
	mux.HandleFunc("PUT /sandbox/api_uri", s.handleSetAPIURI)
	mux.HandleFunc("PUT /sandbox/answer", s.handleSetAnswer)
	return http.MaxBytesHandler(mux, maxRequestBytes)
}

func (s *InTandem) authorized(next http.HandlerFunc) http.Handler {
	want := "Bearer " + s.opts.Token
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := r.Header.Get("Authorization")
		if s.opts.Token != "" && subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
			writeBadToken(w)
			return
		}
		next(w, r)
	})
}

// The bodies of 401 tell apart what is wrong.
func writeBadToken(w http.ResponseWriter) {
	writeJSON(w, http.StatusUnauthorized, map[string]any{"status": "Error", "error": "401 Unauthorized"})
}

func writeWrongToken(w http.ResponseWriter) {
	writeErrors(w, http.StatusUnauthorized, apiError{Code: "unauthorized", Message: "Unauthorized"})
}

func writeWrongDirectory(w http.ResponseWriter) {
	writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "Unauthorized"})
}

// apiError is an item of the business API's error envelope.
type apiError struct {
	Code    string `json:"code"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

func writeErrors(w http.ResponseWriter, status int, errs ...apiError) {
	writeJSON(w, status, map[string]any{"success": false, "errors": errs})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller is gone: nobody to tell
}

// maxWait bounds how long GET /sandbox/wait waits.
const maxWait = 10 * time.Minute

func (s *InTandem) handleWait(w http.ResponseWriter, r *http.Request) {
	n, timeout := 1, 30*time.Second
	if v := r.URL.Query().Get("imports"); v != "" {
		parsed, err := strconv.Atoi(v)
		if err != nil || parsed < 0 {
			http.Error(w, "imports: want a number, for example /sandbox/wait?imports=1", http.StatusBadRequest)
			return
		}
		n = parsed
	}
	if v := r.URL.Query().Get("timeout"); v != "" {
		parsed, err := time.ParseDuration(v)
		if err != nil || parsed <= 0 {
			http.Error(w, "timeout: want a duration such as 30s", http.StatusBadRequest)
			return
		}
		timeout = min(parsed, maxWait)
	}
	ctx, cancel := s.until(r.Context(), timeout)
	defer cancel()
	imports, err := s.Wait(ctx, n)
	if err != nil {
		writeJSON(w, http.StatusGatewayTimeout, imports)
		return
	}
	writeJSON(w, http.StatusOK, imports)
}

func (s *InTandem) handleSetAPIURI(w http.ResponseWriter, r *http.Request) {
	text, ok := readText(w, r)
	if !ok {
		return
	}
	if !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") {
		http.Error(w, "the body is not an address such as http://127.0.0.1:8080/c/SECRET", http.StatusBadRequest)
		return
	}
	s.SetAPIURI(text)
	w.WriteHeader(http.StatusNoContent)
}

func (s *InTandem) handleSetAnswer(w http.ResponseWriter, r *http.Request) {
	text, ok := readText(w, r)
	if !ok {
		return
	}
	for _, a := range ImportAnswers() {
		if string(a) == text {
			s.SetAnswer(a)
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	http.Error(w, "the body is not one of the ways to answer an announcement", http.StatusBadRequest)
}
