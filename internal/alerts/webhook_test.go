package alerts_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/alerts"
	"github.com/rosterd/rosterd/internal/roster"
)

const webhookKey = "a-key-of-twenty-four-bytes"

// genuine reports whether a request was signed with the key.
func genuine(key []byte, header http.Header, body []byte) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(header.Get("webhook-id") + "." + header.Get("webhook-timestamp") + "."))
	mac.Write(body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return hmac.Equal([]byte(want), []byte(header.Get("webhook-signature")))
}

func TestAWebhookIsSignedAsStandardWebhooksWantIt(t *testing.T) {
	t.Parallel()
	var header http.Header
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	hook := alerts.Webhook{URL: server.URL + "/hook", Key: roster.NewSecret(webhookKey)}
	if err := hook.Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	if !genuine([]byte(webhookKey), header, body) {
		t.Errorf("the signature %s is wrong", header.Get("webhook-signature"))
	}
	if genuine([]byte(webhookKey), header, append(body, ' ')) {
		t.Error("another body has the same signature")
	}
	if header.Get("webhook-id") != "msg_1" || header.Get("webhook-timestamp") != "1772357400" || header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", header)
	}
	var got, want any
	if err := errors.Join(json.Unmarshal(body, &got), json.Unmarshal([]byte(`{
		"type": "rosterd.alerts", "timestamp": "2026-03-01T09:30:00Z",
		"data": {
			"origin": "https://sync.example.com", "title": "rosterd: 1 need a person, 1 are well again",
			"alerts": [
				{"id": "i1", "subject": "acme/leads", "facet": "run", "state": "failed", "again": false, "since": "2026-03-01T09:30:00Z",
					"summary": "the last run failed (adapter.auth), with 120 records read", "command": "rosterd runs r1"},
				{"id": "i2", "subject": "csv", "facet": "adapter", "state": "ok", "again": false, "since": "2026-03-01T09:30:00Z", "summary": "it runs"}
			]
		}}`), &want)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestAWebhookThatIsNotTakenIsAFaultWithoutItsAddress(t *testing.T) {
	t.Parallel()
	elsewhere := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fault":
			http.Error(w, "ann@example.com", http.StatusInternalServerError)
		case "/moved":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "/elsewhere":
			elsewhere++
		case "/cut":
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		}
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	defer server.Close()
	for url, want := range map[string]string{
		server.URL + "/fault?token=t0ken": "the webhook answered 500",
		server.URL + "/moved?token=t0ken": "the webhook answered 307",
		server.URL + "/cut?token=t0ken":   "the webhook cannot be reached: ",
		"http://127.0.0.1:1/?token=t0ken": "the webhook cannot be reached: ",
	} {
		err := alerts.Webhook{URL: url, Key: roster.NewSecret(webhookKey)}.Send(t.Context(), message())
		if unsure := strings.Contains(url, "/cut"); errors.Is(err, alerts.ErrUnsure) != unsure {
			t.Errorf("%v: it may have been taken: %t", err, unsure)
		}
		fault, ok := errors.AsType[*roster.Fault](err)
		if !ok || fault.Code != "alert.webhook" || !strings.HasPrefix(fault.Message, want) || strings.Contains(err.Error(), "t0ken") ||
			strings.Contains(err.Error(), "ann@") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if elsewhere != 0 {
		t.Error("a redirect was followed")
	}
}
