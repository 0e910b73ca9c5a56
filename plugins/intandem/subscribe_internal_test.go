package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
)

const hookURL = "https://sync.example.com/c/s3cret-of-the-hook/hook"

func openedWith(t *testing.T, settings map[string]string) *connection {
	t.Helper()
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	v, err := adapter().Opener.Open(t.Context(), sdk.Connection{Settings: raw, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	c, ok := v.(*connection)
	if !ok {
		t.Fatalf("opened a %T", v)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func withAppToken(t *testing.T, url string) *connection {
	t.Helper()
	return openedWith(t, map[string]string{
		"business_uid": "b1", "app_code_name": "acmeimport", "token": "staff-token", "app_token": testToken, "api_url": url,
	})
}

func TestOnlyAConnectionWithAnAppTokenSubscribes(t *testing.T) {
	without := openedWith(t, map[string]string{"business_uid": "b1", "app_code_name": "a1", "token": "t"})
	want := []sdk.Ability{sdk.AbilityImportStarter, sdk.AbilityFieldLister, sdk.AbilityChecker}
	if got := sdk.AbilitiesOf(without); !cmp.Equal(want, got) {
		t.Errorf("without an app token it can %v", got)
	}
	if err := without.SubscribeOutcomes(t.Context(), sdk.SubscribeOutcomesRequest{TargetURL: hookURL}); sdk.AsError(err).Code != sdk.CodeConfig {
		t.Errorf("without an app token: %v", err)
	}
	want = []sdk.Ability{sdk.AbilityImportStarter, sdk.AbilityOutcomeSubscriber, sdk.AbilityFieldLister, sdk.AbilityChecker}
	if got := sdk.AbilitiesOf(withAppToken(t, "")); !cmp.Equal(want, got) {
		t.Errorf("with an app token it can %v", got)
	}
}

func TestASubscriptionIsAskedForWithTheAppToken(t *testing.T) {
	v := newVendor(t, answers(201, "application/json", `{"status":"OK","data":{"subscription_id":"x"}}`))
	if err := withAppToken(t, v.URL).SubscribeOutcomes(t.Context(), sdk.SubscribeOutcomesRequest{TargetURL: hookURL}); err != nil {
		t.Fatal(err)
	}
	line := "POST /platform/v1/webhook/subscribe Bearer " + testToken + " application/json"
	if !cmp.Equal(v.requests, []string{line}) || v.bodies[0] != `{"event":"bulk_import/done","target_url":"`+hookURL+`"}` {
		t.Errorf("requests %v, bodies %v", v.requests, v.bodies)
	}
}

func TestEveryAnswerToASubscriptionIsUnderstood(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		class  sdk.Class
		code   sdk.Code
	}{
		{200, `{}`, "", ""},
		{422, `{"status":"Error","error":"Webhook already exists"}`, "", ""},
		{422, `{"success":false,"errors":[{"message":"Webhook already exists"}]}`, "", ""},
		{422, `{"status":"Error","error":"target_url ` + hookURL + ` is not reachable"}`, sdk.ClassFail, sdk.CodeConfig},
		{401, `{"status":"Error","error":"401 Unauthorized ` + hookURL + `"}`, sdk.ClassFail, sdk.CodeAuth},
		{403, `{}`, sdk.ClassFail, sdk.CodeAuth},
		{500, `{"response":"Not Subscribed"}`, sdk.ClassFail, sdk.CodeConfig},
		{503, `{}`, sdk.ClassRetry, sdk.CodeUnavailable},
		{429, `{"error":"Too many requests"}`, sdk.ClassRetry, sdk.CodeUnavailable},
	} {
		v := newVendor(t, answers(tt.status, "application/json", tt.body))
		err := withAppToken(t, v.URL).SubscribeOutcomes(t.Context(), sdk.SubscribeOutcomesRequest{TargetURL: hookURL})
		e := sdk.AsError(err)
		switch {
		case tt.class == "" && err == nil:
		case e == nil || e.Class != tt.class || e.Code != tt.code:
			t.Errorf("%d %s: %#v", tt.status, tt.body, e)
		case strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%d: the error shows the secret: %v", tt.status, err)
		}
	}
	v := newVendor(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if e := sdk.AsError(withAppToken(t, v.URL).SubscribeOutcomes(t.Context(), sdk.SubscribeOutcomesRequest{TargetURL: hookURL})); e == nil || e.Class != sdk.ClassRetry {
		t.Errorf("a broken connection: %#v", e)
	}
}
