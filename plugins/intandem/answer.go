package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// maxSessionID bounds the session's id, in bytes.
const maxSessionID = 200

// reply is an answer of inTandem in any of its envelopes:
//
//	{"success":true,"data":...}          {"success":false,"errors":[{"code","message","field"}]}
//	{"status":"OK","data":...}           {"status":"Error","error"|"message":...}
//	{"error":"..."}                      {"error":"...","error_description":"..."}
type reply struct {
	// ok says that the envelope itself reports success.
	ok   bool
	data json.RawMessage
	// error and first are the texts of "error" and of the first of "errors":
	// which of the two says "Unauthorized" tells what is wrong.
	error, first string
	// words are the vendor's words, fit to be shown.
	words string
}

// parse reads an answer; it returns an empty reply for anything that is not a
// JSON object.
func (c *connection) parse(a httpx.Answer) reply {
	var body struct {
		Success, Status, Data, Error, Message, Errors json.RawMessage
		Description                                   json.RawMessage `json:"error_description"`
	}
	if err := json.Unmarshal(a.Body, &body); err != nil || !isObject(a.Body) {
		return reply{words: c.plainWords(a)}
	}
	r := reply{
		ok:    string(body.Success) == "true" || strings.EqualFold(text(body.Status), "ok"),
		data:  body.Data,
		error: text(body.Error),
	}
	var list []json.RawMessage
	if json.Unmarshal(body.Errors, &list) != nil && len(body.Errors) > 0 {
		list = []json.RawMessage{body.Errors}
	}
	parts := make([]string, 0, len(list)+3)
	for i, raw := range list {
		message := errorItem(raw)
		if i == 0 {
			r.first = text(field(raw, "message"))
		}
		parts = append(parts, message)
	}
	parts = append(parts, r.error, text(body.Description), text(body.Message))
	r.words = c.http.Words(joinWords(parts))
	return r
}

// errorItem is one item of "errors" in words: {code, field, message} or text.
func errorItem(raw json.RawMessage) string {
	if !isObject(raw) {
		return text(raw)
	}
	message := text(field(raw, "message"))
	if name := text(field(raw, "field")); name != "" {
		return joinWords([]string{name + ": " + message})
	}
	if message == "" {
		return text(field(raw, "code"))
	}
	return message
}

func joinWords(parts []string) string {
	var said []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, "; ")
}

// plainWords quotes an answer that is not JSON, but not a page of HTML.
func (c *connection) plainWords(a httpx.Answer) string {
	body := bytes.TrimSpace(a.Body)
	switch {
	case len(body) == 0:
		return ""
	case a.ContentType == "text/html" || body[0] == '<':
		return "a page of HTML instead of an answer"
	case body[0] == '{' || body[0] == '[':
		return "JSON that is cut or malformed"
	}
	return c.http.Words(string(body))
}

// importAnswer says what an answer to the announcement means.
func (c *connection) importAnswer(s httpx.Sent) sdk.StartImportResponse {
	if s.Status == 0 {
		return c.noAnswer(s)
	}
	r := c.parse(s.Answer)
	switch s.Outcome {
	case sdk.OutcomeOK:
		if !r.ok {
			return unknown(s.Status, said(r.words, "the answer does not say that the import was accepted"))
		}
		return sdk.StartImportResponse{Outcome: sdk.OutcomeOK, SessionID: sessionID(r.data)}
	case sdk.OutcomeRefused:
		code, what := c.explain(s.Status, r)
		return refused(code, fmt.Sprintf("inTandem refused the import (%d): %s", s.Status, what))
	case sdk.OutcomeConflict, sdk.OutcomeUnknown:
	}
	what := said(r.words, http.StatusText(s.Status))
	if s.Err != nil {
		what = s.Err.Error()
	}
	return unknown(s.Status, what)
}

// noAnswer handles a call that failed before an answer began.
func (c *connection) noAnswer(s httpx.Sent) sdk.StartImportResponse {
	if s.Outcome == sdk.OutcomeRefused {
		return refused(sdk.CodeUnavailable, fmt.Sprintf(
			"inTandem could not be reached, the import was not announced: %v; check api_url and the network, then run the job again", s.Err))
	}
	return sdk.StartImportResponse{
		Outcome: sdk.OutcomeUnknown, Code: sdk.CodeUnavailable,
		Detail: fmt.Sprintf("no answer to the announcement, so whether the import began is not known: %v", s.Err),
	}
}

func refused(code sdk.Code, detail string) sdk.StartImportResponse {
	return sdk.StartImportResponse{Outcome: sdk.OutcomeRefused, Code: code, Detail: detail}
}

func unknown(status int, what string) sdk.StartImportResponse {
	return sdk.StartImportResponse{
		Outcome: sdk.OutcomeUnknown, Code: sdk.CodeUnavailable,
		Detail: fmt.Sprintf("inTandem answered %d, so whether the import began is not known: %s", status, what),
	}
}

// sessionID reads data.session_id, which the vendor's documents show as text,
// as a number and not at all. It never passes through a float.
func sessionID(data json.RawMessage) string {
	if !isObject(data) {
		return ""
	}
	raw := field(data, "session_id")
	id := text(raw)
	if id == "" && len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') {
		id = string(raw)
	}
	if len(id) > maxSessionID || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return id
}

func isObject(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == '{'
}

// field returns one member of a JSON object, nil where there is none.
func field(raw json.RawMessage, name string) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return nil
	}
	return object[name]
}

// text returns a JSON string, and nothing for any other value.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func said(words, otherwise string) string {
	if words == "" {
		return otherwise
	}
	return words
}
