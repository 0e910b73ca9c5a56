package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// writer writes members into a Greenbook server, which keeps a note that is
// ours with each of them and finds members by it.
type writer struct{ http *httpx.Client }

// Target implements [sdk.Target]. It calls nobody.
func (w *writer) Target(context.Context) (sdk.TargetInfo, error) {
	return sdk.TargetInfo{Kinds: []sdk.TargetKind{{
		Kind: sdk.KindMember, Writes: []sdk.Op{sdk.OpCreate, sdk.OpUpdate}, Update: sdk.UpdatePatch,
		Class: sdk.ClassC, ExecLag: time.Minute, IndexLag: 10 * time.Second,
	}}}, nil
}

// Write implements [sdk.Target]: one request for each operation, sent once.
func (w *writer) Write(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	var res sdk.WriteResponse
	for _, op := range req.Operations {
		res.Results = append(res.Results, w.one(ctx, op))
	}
	return res, nil
}

func (w *writer) one(ctx context.Context, op sdk.Operation) sdk.Result {
	method, path, body := http.MethodPost, "/members", map[string]any{"club": op.Club, "note": op.Marker, "fields": op.Data}
	if op.Op == sdk.OpUpdate {
		method, path, body = http.MethodPatch, "/members/"+url.PathEscape(op.ID), map[string]any{"fields": op.Data}
	}
	if ctx.Err() != nil { // not begun: it may be sent later
		return sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassRetry, Code: sdk.CodeUnavailable, Detail: "the call was over"}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassReject, Code: sdk.CodeData, Detail: "the record is not JSON"}
	}
	sent := w.http.SendOnce(ctx, method, path, text) // its Outcome is what is proven
	res := sdk.Result{Outcome: sent.Outcome, ID: op.ID, After: sent.RetryAfter, Detail: fmt.Sprintf("Greenbook answered %d", sent.Status)}
	if sent.Err != nil {
		res.Detail = sent.Err.Error()
	}
	var made struct{ ID string }
	switch {
	case sent.Outcome == sdk.OutcomeUnknown:
		res.Code = sdk.CodeUnavailable
	case sent.Outcome == sdk.OutcomeRefused && sent.Status == http.StatusUnprocessableEntity:
		res.Class, res.Code = sdk.ClassReject, sdk.CodeData
	case sent.Outcome == sdk.OutcomeRefused && sent.Status == http.StatusUnauthorized:
		res.Class, res.Code = sdk.ClassFail, sdk.CodeAuth
	case sent.Outcome == sdk.OutcomeRefused:
		res.Class, res.Code = sdk.ClassRetry, sdk.CodeUnavailable
	case op.Op == sdk.OpCreate && (json.Unmarshal(sent.Body, &made) != nil || made.ID == ""):
		res = sdk.Result{Outcome: sdk.OutcomeUnknown, Code: sdk.CodeData, Detail: "Greenbook's answer to a create has no id"}
	case op.Op == sdk.OpCreate:
		res.ID, res.Detail = made.ID, ""
	}
	return res
}

// Find implements [sdk.Finder]: it settles what became of a create whose answer
// was lost.
func (w *writer) Find(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
	var res sdk.FindResponse
	for _, q := range req.Queries {
		answer, err := w.http.Get(ctx, "/members", url.Values{"note": {q.Marker}})
		var found []struct{ ID, Note string }
		switch {
		case err != nil:
			return sdk.FindResponse{}, err
		case !answer.OK():
			return sdk.FindResponse{}, sdk.Retry(answer.RetryAfter, fmt.Errorf("Greenbook answered %d", answer.Status))
		case json.Unmarshal(answer.Body, &found) != nil:
			return sdk.FindResponse{}, sdk.Fail(sdk.CodeData, errors.New("Greenbook's list of members is not JSON"))
		}
		var matches []sdk.Match
		for _, m := range found {
			if m.Note == q.Marker { // a search for words may find more
				matches = append(matches, sdk.Match{ID: m.ID, Marker: m.Note})
			}
		}
		res.Matches = append(res.Matches, matches)
	}
	return res, nil
}

// A target writes each operation once and says what is proven of it.
func ExampleTarget() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			fmt.Fprintf(w, `[{"id":"7","note":%q},{"id":"8","note":"another"}]`, r.URL.Query().Get("note"))
		case http.MethodPost:
			fmt.Fprint(w, `{"id":"7"}`)
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer server.Close()
	client, err := httpx.New(httpx.Options{BaseURL: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	target, data := &writer{http: client}, json.RawMessage(`{"first_name":"Ann"}`)
	written, err := target.Write(context.Background(), sdk.WriteRequest{Kind: sdk.KindMember, Operations: []sdk.Operation{
		{Op: sdk.OpCreate, Marker: "abcdefghijklmnopqrstuvwx", Data: data}, {Op: sdk.OpUpdate, ID: "6", Data: data},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range written.Results {
		fmt.Println(r.Outcome, r.Detail, r.ID)
	}
	found, err := target.Find(context.Background(), sdk.FindRequest{Queries: []sdk.Query{{Marker: "abcdefghijklmnopqrstuvwx"}}})
	fmt.Println(len(found.Matches[0]), found.Matches[0][0].ID, err)
	// Output:
	// ok  7
	// unknown Greenbook answered 502 6
	// 1 7 <nil>
}
