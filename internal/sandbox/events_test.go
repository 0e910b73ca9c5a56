package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/sandbox"
)

func subscribe(t *testing.T, p platform, a *app) {
	t.Helper()
	body := `{"event":"bulk_import/done","target_url":"` + a.URL + `/c/secret/hook"}`
	if status, answer := p.call(t, http.MethodPost, "/platform/v1/webhook/subscribe", body); status != http.StatusCreated {
		t.Fatal(status, answer)
	}
}

func TestASubscriberIsToldWhatCameOfEachPage(t *testing.T) {
	clients := people(3)
	clients[1]["first_name"] = ""
	clients[2]["external_id"] = "m-3"
	a := newApp(t, clients...)
	p := newPlatform(t, a, func(o *sandbox.Options) { o.Events.NumberIDs = true })
	subscribe(t, p, a)
	im := p.run(t, announcement)
	status := func(created, failed string) string {
		return `"clients_import_status":{"created":` + created + `,"failed":` + failed +
			`,"skipped":{"count":0,"external_ids":[]},"updated":{"count":0,"external_ids":[]}}}}`
	}
	head := `{"entity_name":"bulk_import","event_type":"done","data":{"session_id":"` + im.SessionID + `","processed_entity":"clients",`
	want := []string{
		head + `"import_done":false,"page":1,` + status(`{"count":1,"external_ids":[1]}`, `{"count":1,"external_ids":[2]}`),
		head + `"import_done":true,"page":2,` + status(`{"count":1,"external_ids":["m-3"]}`, `{"count":0,"external_ids":[]}`),
	}
	if diff := cmp.Diff(want, a.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestEventsCanBeArraysRepeatedAndShuffled(t *testing.T) {
	a := newApp(t, people(9)...)
	p := newPlatform(t, a, func(o *sandbox.Options) {
		o.Events = sandbox.EventOptions{Array: true, Shuffle: true, RepeatEvery: 2, NoSessionID: true}
	})
	subscribe(t, p, a)
	p.run(t, announcement)
	pages := make(map[int]int)
	var order []int
	for _, raw := range a.events {
		var events []struct {
			Data struct {
				SessionID *string `json:"session_id"`
				Page      int     `json:"page"`
			} `json:"data"`
		}
		if err := json.Unmarshal([]byte(raw), &events); err != nil || len(events) != 1 || events[0].Data.SessionID != nil {
			t.Fatalf("event %s (%v)", raw, err)
		}
		pages[events[0].Data.Page]++
		order = append(order, events[0].Data.Page)
	}
	if want := map[int]int{1: 1, 2: 2, 3: 1, 4: 2, 5: 1}; !cmp.Equal(pages, want) {
		t.Errorf("events by page %v, want %v", pages, want)
	}
	if cmp.Equal(order, []int{1, 2, 2, 3, 4, 4, 5}) {
		t.Error("the events came in order")
	}
}

func TestAnEventThatIsNotTakenIsSentAgainOrCounted(t *testing.T) {
	a := newApp(t, people(3)...)
	a.hook = func(w http.ResponseWriter, n int) bool {
		switch n {
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			w.WriteHeader(http.StatusNotFound)
		}
		return true
	}
	p := newPlatform(t, a, nil)
	subscribe(t, p, a)
	im := p.run(t, announcement)
	if len(a.events) != 3 || a.events[0] != a.events[1] || im.Undelivered != 1 || !im.Completed {
		t.Errorf("%d events, import %+v", len(a.events), im)
	}
}

func TestSubscriptionsAreKeptOnceAndCanEnd(t *testing.T) {
	a := newApp(t)
	p := newPlatform(t, a, nil)
	subscribe(t, p, a)
	target := a.URL + "/c/secret/hook"
	for _, tt := range []struct {
		call, body string
		status     int
		says       string
	}{
		{"POST /platform/v1/webhook/subscribe", `{"event":"bulk_import/done","target_url":"` + target + `"}`, 422, "Webhook already exists"},
		{"POST /platform/v1/webhook/subscribe", `{"event":"client/nonsense","target_url":"` + target + `"}`, 500, "Not Subscribed"},
		{"POST /platform/v1/webhook/subscribe", `{}`, 422, "required"},
		{"POST /platform/v1/webhook/unsubscribe", `{}`, 422, "required"},
		{"GET /platform/v1/webhooks?filter[entity]=bulk_import&filter[event_type]=done", "", 200, target},
		{"GET /platform/v1/webhooks?filter[entity]=client", "", 200, `"subscriptions":[]`},
		{"POST /platform/v1/webhook/unsubscribe", `{"target_url":"` + target + `"}`, 200, "OK"},
		{"GET /platform/v1/webhooks", "", 200, `"subscriptions":[]`},
	} {
		method, path, _ := strings.Cut(tt.call, " ")
		if status, body := p.call(t, method, path, tt.body); status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s %s: %d %s, want %d with %q", tt.call, tt.body, status, body, tt.status, tt.says)
		}
	}
}
