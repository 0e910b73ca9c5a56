package main

import (
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// guarded answers what was presented to it.
func guarded(want func(r *http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/oauth/token":
			user, secret, _ := r.BasicAuth()
			if _ = r.ParseForm(); user != "me" || secret != testToken || r.Form.Get("scope") != "people" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = w.Write([]byte(`{"access_token":"issued","token_type":"Bearer","expires_in":3600}`))
		case !want(r):
			w.WriteHeader(http.StatusUnauthorized)
		default:
			_, _ = w.Write([]byte(`[]`))
		}
	})
}

func TestEveryAuthorisationIsAcceptedOverTLS(t *testing.T) {
	for _, tt := range []struct {
		auth     string
		settings map[string]any
		want     func(r *http.Request) bool
	}{
		{"bearer", nil, func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+testToken }},
		{"{header: X-Api-Key}", nil, func(r *http.Request) bool { return r.Header.Get("X-Api-Key") == testToken }},
		{"basic", map[string]any{"token": nil, "username": "me", "password": testToken}, func(r *http.Request) bool {
			user, password, _ := r.BasicAuth()
			return user == "me" && password == testToken
		}},
		{"{oauth: {token_url: /oauth/token, scope: people}}", map[string]any{"token": nil, "client_id": "me", "client_secret": testToken}, func(r *http.Request) bool {
			return r.Header.Get("Authorization") == "Bearer issued"
		}},
		{"none", map[string]any{"token": nil}, func(*http.Request) bool { return true }},
	} {
		t.Run(tt.auth, func(t *testing.T) {
			server := httptest.NewUnstartedServer(guarded(tt.want))
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
			server.StartTLS()
			defer server.Close()
			ca := filepath.Join(t.TempDir(), "ca.pem")
			text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			if err := os.WriteFile(ca, text, 0o600); err != nil {
				t.Fatal(err)
			}
			file := written(t, "version: 1\nauth: "+tt.auth+"\nkinds:\n  member: {list: {path: /m}}\n")
			trusted := map[string]any{"ca": ca}
			maps.Copy(trusted, tt.settings)
			if err := opened(t, settingsOf(t, file, server.URL, trusted)).Check(t.Context()); err != nil {
				t.Error(err)
			}
			// A server that nobody trusts is never told the credentials.
			ctx, cancel := contextOfOneTry(t)
			defer cancel()
			if err := opened(t, settingsOf(t, file, server.URL, tt.settings)).Check(ctx); err == nil {
				t.Error("a certificate that nobody trusts was taken")
			}
		})
	}
}

func TestCredentialsThatAreRefusedFailAndAreNotShown(t *testing.T) {
	server := httptest.NewServer(guarded(func(*http.Request) bool { return false }))
	defer server.Close()
	for auth, more := range map[string]map[string]any{
		"bearer": nil,
		"basic":  {"token": nil, "username": "me", "password": testToken},
		"{oauth: {token_url: /oauth/token, scope: people}}": {"token": nil, "client_id": "me", "client_secret": testToken},
		"{oauth: {token_url: /oauth/token, scope: none}}":   {"token": nil, "client_id": "me", "client_secret": testToken},
	} {
		file := written(t, "version: 1\nauth: "+auth+"\nkinds:\n  member: {class: E, list: {path: /m}, create: {path: /m, body: {\"...\": data}}}\n")
		c := opened(t, settingsOf(t, file, server.URL, more))
		e := sdk.AsError(c.Check(t.Context()))
		if e == nil || e.Class != sdk.ClassFail || e.Code != sdk.CodeAuth || strings.Contains(e.Error(), testToken) {
			t.Errorf("%s: got %v", auth, e)
		}
		got := c.write(t.Context(), sdk.KindMember, sdk.Operation{Op: sdk.OpCreate, Data: []byte(`{}`)})
		if told(got) != "refused fail auth" || strings.Contains(got.Detail, testToken) {
			t.Errorf("%s: got %+v", auth, got)
		}
		if shown := fmt.Sprintf("%v %+v %#v", c.http, *c.http, *c.http); strings.Contains(shown, testToken) {
			t.Errorf("%s: printing the client shows the secret", auth)
		}
	}
}

func TestConnectionsOfOneCredentialShareItsQuota(t *testing.T) {
	s := newService(t)
	file := written(t, "version: 1\nauth: bearer\nlimits: {per_day: 3}\nkinds:\n  member: {list: {path: /v1/members, items: /items}}\n")
	a := adapter()
	open := func(token string) *connection {
		t.Helper()
		v, err := a.Opener.Open(t.Context(), sdk.Connection{Settings: settingsOf(t, file, s.url, map[string]any{"token": token})})
		if err != nil {
			t.Fatal(err)
		}
		c, ok := v.(*connection)
		if !ok {
			t.Fatalf("opened %T", v)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	for i := range 3 {
		if err := open(testToken).Check(t.Context()); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	e := sdk.AsError(open(testToken).Check(t.Context()))
	if e == nil || e.Class != sdk.ClassRetry || e.Code != sdk.CodeQuota || e.After <= 0 {
		t.Errorf("got %#v, want retry, quota and a time to wait", e)
	}
	if e := sdk.AsError(open("another").Check(t.Context())); e == nil || e.Code != sdk.CodeAuth {
		t.Errorf("another credential: got %v", e)
	}
}
