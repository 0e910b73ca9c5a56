package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// announcement is the body of the POST that begins an import.
type announcement struct {
	Fields map[string]string `json:"fields_mapping"`
	Params *struct {
		ShouldOverride    bool    `json:"should_override"`
		UploadType        *string `json:"upload_type"`
		SendNotifications *bool   `json:"send_notifications_when_done"`
	} `json:"import_params"`
}

func (s *InTandem) handleImport(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	if s.refuse(w, r, answer) {
		return
	}
	im, refusal := s.read(r)
	if refusal != nil {
		writeErrors(w, refusal.status, refusal.apiError)
		return
	}
	s.begin(im, answer, func() { s.confirm(w, im, answer) })
}

// refuse answers in the ways that do not begin an import.
func (s *InTandem) refuse(w http.ResponseWriter, r *http.Request, answer ImportAnswer) bool {
	app := r.PathValue("app")
	switch {
	case answer == AnswerNotInstalled, s.opts.AppCodeName != "" && app != s.opts.AppCodeName:
		writeErrors(w, http.StatusUnprocessableEntity, apiError{
			Code: "invalid", Message: "The application " + app + " is not installed for the business",
		})
	case answer == AnswerWrongType:
		writeErrors(w, http.StatusUnprocessableEntity, apiError{
			Code: "invalid", Message: "The application " + app + " has the wrong type expecting import_clients",
		})
	case answer == AnswerTooMany:
		w.Header().Set("Retry-After", "1")
		writeJSON(w, http.StatusTooManyRequests, map[string]string{"error": "Too many requests"})
	case answer == AnswerErrorBefore:
		writeUnexpected(w)
	case answer == AnswerBadToken:
		writeBadToken(w)
	case answer == AnswerWrongToken:
		writeWrongToken(w)
	case answer == AnswerWrongDirectory:
		writeWrongDirectory(w)
	case answer == AnswerHang:
		// Without reading the body the server would not notice that the
		// caller is gone.
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
		panic(http.ErrAbortHandler)
	case answer == AnswerDropBefore:
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}

func writeUnexpected(w http.ResponseWriter) {
	writeErrors(w, http.StatusInternalServerError, apiError{Code: "unexpected", Message: "undefined method 'key?' for nil"})
}

// refusal is an announcement that begins no import.
type refusal struct {
	status int
	apiError
}

// read makes an import from an announcement. A missing object is answered 500,
// as the vendor's specification says.
func (s *InTandem) read(r *http.Request) (*Import, *refusal) {
	var a announcement
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	if err != nil || a.Fields == nil || a.Params == nil {
		return nil, &refusal{http.StatusInternalServerError, apiError{Code: "unexpected", Message: "undefined method 'key?' for nil"}}
	}
	params := Params{ShouldOverride: a.Params.ShouldOverride, UploadType: "single", SendNotifications: true}
	if a.Params.UploadType != nil {
		params.UploadType = *a.Params.UploadType
	}
	if params.UploadType != "single" && params.UploadType != "multi" {
		return nil, &refusal{http.StatusUnprocessableEntity, apiError{
			Code: "invalid", Field: "upload_type", Message: "Upload type is not included in the list",
		}}
	}
	if a.Params.SendNotifications != nil {
		params.SendNotifications = *a.Params.SendNotifications
	}
	im := &Import{Fields: a.Fields, Params: params}
	known := s.known()
	for key := range a.Fields {
		if !known[key] {
			im.Ignored = append(im.Ignored, key)
		}
	}
	slices.Sort(im.Ignored)
	return im, nil
}

// begin registers the import, confirms it and pulls: after the confirmation, or
// with [PullOptions.First] so that the first page comes before it.
func (s *InTandem) begin(im *Import, answer ImportAnswer, confirm func()) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	now := s.opts.Now()
	im.number, im.SessionID, im.Begun = len(s.imports)+1, s.newID(), now
	if answer == AnswerSessionNumber {
		im.SessionID = strconv.Itoa(im.number)
	}
	im.tag = "imported_" + now.UTC().Format("2006-01-02_15:04:05")
	uri := s.apiURI
	s.imports = append(s.imports, im)
	first := make(chan struct{})
	pull := func() { s.pull(&puller{s: s, im: im, uri: uri, first: first, keep: s.keep(im)}) }
	if s.opts.Pull.First {
		s.work.Go(pull)
		s.mu.Unlock()
		<-first
		confirm()
		return
	}
	// The import is counted before the lock is released: Close waits for it.
	answered := make(chan struct{})
	s.work.Go(func() { <-answered; pull() })
	s.mu.Unlock()
	defer close(answered)
	confirm()
}

// keep returns the fields that the import fills: declared and known.
func (s *InTandem) keep(im *Import) map[string]bool {
	keep := make(map[string]bool, len(im.Fields))
	for key := range im.Fields {
		keep[key] = !slices.Contains(im.Ignored, key)
	}
	return keep
}

// confirm answers an import that begins.
func (s *InTandem) confirm(w http.ResponseWriter, im *Import, answer ImportAnswer) {
	switch answer {
	case AnswerNull:
		writeJSON(w, http.StatusOK, map[string]any{"data": nil, "success": true})
	case AnswerSessionNumber:
		writeJSON(w, http.StatusCreated, map[string]any{"success": true, "data": map[string]any{"session_id": im.number}})
	case AnswerErrorAfter:
		writeUnexpected(w)
	case AnswerDropAfter:
		panic(http.ErrAbortHandler)
	default:
		writeJSON(w, http.StatusCreated, map[string]any{"success": true, "data": map[string]any{"session_id": im.SessionID}})
	}
	_ = http.NewResponseController(w).Flush() // the caller is gone: nobody to tell
}

// until bounds a call by its caller, a time-out and the life of the platform.
func (s *InTandem) until(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	stop := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

func readText(w http.ResponseWriter, r *http.Request) (string, bool) {
	body, err := io.ReadAll(r.Body)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		http.Error(w, fmt.Sprintf("the body is over %d bytes", maxRequestBytes), http.StatusRequestEntityTooLarge)
		return "", false
	}
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return "", false
	}
	return strings.TrimSpace(string(body)), true
}
