package connector_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// causes are requests that are wrong in who they are from.
func causes() map[string][]string {
	good := user("1", "")
	right := basic("CRM", secret+"CRM")
	return map[string][]string{
		"no credentials":                      {good, "Authorization", ""},
		"another scheme":                      {good, "Authorization", "Digest x"},
		"a wrong password":                    {good, "Authorization", basic("CRM", "guess")},
		"a wrong token":                       {good, "Authorization", bearer("guess")},
		"a wrong token and no body":           {"", "Authorization", bearer("guess")},
		"a wrong token and a broken body":     {"<user", "Authorization", bearer("guess")},
		"another provider's secret":           {good, "Authorization", bearer(secret + "OTHER")},
		"another provider's name":             {good, "Authorization", basic("OTHER", secret+"CRM")},
		"a provider that is not known":        {userOf("NOBODY", "456", "12", "1", ""), "Authorization", bearer(secret + "CRM")},
		"another client":                      {userOf("CRM", "789", "12", "1", ""), "Authorization", right},
		"a client that is not known":          {userOf("CRM", "1", "12", "1", ""), "Authorization", right},
		"a club that is not known":            {userOf("CRM", "456", "99", "1", ""), "Authorization", right},
		"no club":                             {userOf("CRM", "456", "", "1", ""), "Authorization", right},
		"somebody else with a secret we know": {userOf("OTHER", "789", "12", "1", ""), "Authorization", right},
	}
}

func TestEveryRefusalIsTheSameBytes(t *testing.T) {
	w := newWorld(t, "")
	var first string
	for name, c := range causes() {
		got := w.post(userAt, c[0], c[1:]...)
		text := anyID(fmt.Sprint(got.status, got.header, got.body))
		if first == "" {
			first = text
		}
		if got.status != http.StatusUnauthorized || text != first {
			t.Errorf("%s: answered\n%s, want\n%s", name, text, first)
		}
	}
	for _, query := range []string{
		"provider=CRM&client_id=456&club_id=99&recordID=1", "provider=X&client_id=456&club_id=12&recordID=1", "provider=CRM&client_id=789&club_id=12&recordID=1",
	} {
		got := w.call(http.MethodGet, userAt+"?"+query, "")
		if text := anyID(fmt.Sprint(got.status, got.header, got.body)); text != first {
			t.Errorf("%s: answered\n%s, want\n%s", query, text, first)
		}
	}
	want(t, w.waits(sdk.KindProspect))
	if w.woken != nil {
		t.Errorf("a refused request woke %v", w.woken)
	}
}

// TestEveryRefusalTakesTheSameTime compares medians of requests in turn, which the
// moods of the machine meet alike. The bound is wide: it finds a refusal that is
// decided before the others, not one that is a microsecond faster.
func TestEveryRefusalTakesTheSameTime(t *testing.T) {
	const rounds = 400
	w := newWorld(t, "")
	all := causes()
	names := []string{"a wrong token", "another provider's secret", "a provider that is not known", "another client", "a club that is not known"}
	took := map[string][]time.Duration{}
	for range rounds {
		for _, name := range names {
			begun := time.Now()
			w.post(userAt, all[name][0], all[name][1:]...)
			took[name] = append(took[name], time.Since(begun))
		}
	}
	median := func(name string) float64 {
		slices.Sort(took[name])
		return float64(took[name][rounds/2])
	}
	base := median(names[0])
	for _, name := range names[1:] {
		if ratio := median(name) / base; ratio > 1.5 || ratio < 1/1.5 {
			t.Errorf("%s takes %.2f times as long as %s", name, ratio, names[0])
		}
	}
}

func TestTwoSecretsAreValidAndBothWaysToShowThem(t *testing.T) {
	w := newWorld(t, "")
	for _, authorization := range []string{
		basic("CRM", secret+"CRM"), basic("CRM", former+"CRM"), bearer(secret + "CRM"), "bearer " + former + "CRM",
	} {
		if got := w.post(userAt, user("1", ""), "Authorization", authorization); got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
}

func TestAnAddressThatGuessesIsNoLongerHeard(t *testing.T) {
	w := newWorld(t, "")
	now := time.Now()
	w.options.Now = func() time.Time { return now }
	w.options.Limits = connector.Limits{Address: 5, Provider: 2}
	w.serve()
	for range 10 {
		w.post(userAt, user("1", ""), "Authorization", bearer("guess"))
	}
	if got := w.post(userAt, user("1", "")); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	now = now.Add(time.Second)
	var statuses []int
	for range 6 {
		statuses = append(statuses, w.post(userAt, user("1", "")).status)
	}
	if !slices.Equal(statuses, []int{200, 200, 200, 200, 429, 429}) {
		t.Errorf("a provider that is too fast is answered %v", statuses)
	}
}

func TestOtherPathsAndMethodsAreLeftToTheNext(t *testing.T) {
	w := newWorld(t, "")
	for _, one := range [][2]string{
		{"GET", "/"},
		{"GET", "/c/x/app/clients/export"},
		{"POST", "/connector/api/2011-11/users"},
		{"POST", "/connector/api/2012-01/user"},
		{"DELETE", userAt},
		{"PUT", userAt},
		{"OPTIONS", userAt},
		{"POST", userAt + "/"},
	} {
		if got := w.call(one[0], one[1], ""); got.status != http.StatusNotFound || got.body != "404 page not found\n" {
			t.Errorf("%v: %d %s", one, got.status, got.body)
		}
	}
}

func TestTheLogIsNotTheCallersToFill(t *testing.T) {
	w := newWorld(t, "")
	for range 100 {
		w.post(userAt, user("1", ""), "Authorization", bearer("guess"))
	}
	if n := strings.Count(w.log.String(), "\n"); n > 12 {
		t.Errorf("100 refused requests made %d lines", n)
	}
	for _, line := range []string{`"err":"secret"`, `"error_uuid"`} {
		if !strings.Contains(w.log.String(), line) {
			t.Errorf("the log lacks %s", line)
		}
	}
}

func TestConnectionsThatCannotBeToldApartAreRefused(t *testing.T) {
	one, two := endpoint(t, "a/x", "CRM", "1", ""), endpoint(t, "b/y", "CRM", "1", "")
	if _, err := connector.New(connector.Options{Endpoints: []*connector.Endpoint{one, two}, Now: time.Now}); err == nil {
		t.Error("two connections with one provider and client are taken")
	}
	for name, c := range map[string]roster.Connection{
		"no client":    {Settings: settingsOf("CRM", secret, "")},
		"no secret":    {ClientID: "1", Settings: roster.NewSecret(`{"provider":"CRM"}`)},
		"no clubs":     {ClientID: "1", Settings: settingsOf("CRM", secret, `,"ids":"club"`)},
		"one element":  {ClientID: "1", Settings: settingsOf("CRM", secret, `,"owner":"email"`)},
		"one name":     {ClientID: "1", Settings: settingsOf("CRM", secret, `,"custom":{"email":"x"}`)},
		"not the form": {ClientID: "1", Settings: roster.NewSecret(`{"provider":1}`)},
	} {
		if _, err := connector.NewEndpoint(c); err == nil {
			t.Errorf("%s: the connection is taken", name)
		}
	}
}
