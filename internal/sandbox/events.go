package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// bulkImportDone is the event that tells what came of one page.
const bulkImportDone = "bulk_import/done"

// subscription is one address that wants to be told of an event.
type subscription struct {
	ID     string `json:"subscription_id"`
	Event  string `json:"event"`
	Target string `json:"target_url"`
}

func (s *InTandem) handleSubscribe(w http.ResponseWriter, r *http.Request) {
	var want subscription
	if err := json.NewDecoder(r.Body).Decode(&want); err != nil || want.Event == "" || want.Target == "" {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"status": "Error", "error": "event and target_url are required"})
		return
	}
	if want.Event != bulkImportDone {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"response": "Not Subscribed"})
		return
	}
	id, added := s.subscribe(want)
	if !added {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"status": "Error", "error": "Webhook already exists"})
		return
	}
	writeJSON(w, http.StatusCreated, map[string]any{"status": "OK", "data": map[string]string{"subscription_id": id}})
}

func (s *InTandem) subscribe(want subscription) (id string, added bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, have := range s.hooks {
		if have.Event == want.Event && have.Target == want.Target {
			return have.ID, false
		}
	}
	want.ID = s.newID()
	s.hooks = append(s.hooks, want)
	return want.ID, true
}

func (s *InTandem) handleUnsubscribe(w http.ResponseWriter, r *http.Request) {
	var gone subscription
	if err := json.NewDecoder(r.Body).Decode(&gone); err != nil || gone.Target == "" {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"status": "Error", "error": "target_url is required"})
		return
	}
	s.mu.Lock()
	s.hooks = slices.DeleteFunc(s.hooks, func(have subscription) bool {
		return have.Target == gone.Target && (gone.Event == "" || gone.Event == have.Event)
	})
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]string{"status": "OK"})
}

func (s *InTandem) handleWebhooks(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s.mu.Lock()
	hooks := slices.Clone(s.hooks)
	s.mu.Unlock()
	found := []subscription{}
	for _, have := range hooks {
		entity, kind, _ := strings.Cut(have.Event, "/")
		if wants(query, "filter[entity]", entity) && wants(query, "filter[event_type]", kind) {
			found = append(found, have)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"status": "OK", "response": map[string]any{"data": map[string]any{"subscriptions": found}}})
}

func wants(query url.Values, key, value string) bool {
	want := query.Get(key)
	return want == "" || want == value
}

// event is the body that a subscriber gets.
type event struct {
	Entity string    `json:"entity_name"`
	Type   string    `json:"event_type"`
	Data   eventData `json:"data"`
}

type eventData struct {
	SessionID string                `json:"session_id,omitempty"`
	Processed string                `json:"processed_entity"`
	Done      bool                  `json:"import_done"`
	Page      int                   `json:"page"`
	Status    map[string]eventTally `json:"clients_import_status"`
}

type eventTally struct {
	Count       int   `json:"count"`
	ExternalIDs []any `json:"external_ids"`
}

// note tells of the page that was imported last, or keeps the event when the
// events are to be shuffled.
func (p *puller) note(last bool) {
	p.s.mu.Lock()
	page := p.im.Pages[len(p.im.Pages)-1]
	subscribed := len(p.s.hooks) > 0
	p.s.mu.Unlock()
	if !subscribed {
		return
	}
	o := p.s.opts.Events
	e := event{Entity: "bulk_import", Type: "done", Data: eventData{
		SessionID: p.im.SessionID, Processed: "clients", Done: last, Page: page.Number,
		Status: map[string]eventTally{
			"created": o.tally(page.Created), "updated": o.tally(page.Updated),
			"skipped": o.tally(page.Skipped), "failed": o.tally(page.Failed),
		},
	}}
	if o.NoSessionID {
		e.Data.SessionID = ""
	}
	p.held = append(p.held, e)
	p.events++
	if o.RepeatEvery > 0 && p.events%o.RepeatEvery == 0 {
		p.held = append(p.held, e)
	}
	if !o.Shuffle {
		p.tell()
	}
}

func (o EventOptions) tally(t Tally) eventTally {
	out := eventTally{Count: t.Count, ExternalIDs: []any{}}
	for _, id := range t.ExternalIDs {
		if o.NumberIDs && digits(id) {
			out.ExternalIDs = append(out.ExternalIDs, json.Number(id))
			continue
		}
		out.ExternalIDs = append(out.ExternalIDs, id)
	}
	return out
}

// digits reports whether id is a number in JSON and stays itself as one.
func digits(id string) bool {
	return id != "" && strings.Trim(id, "0123456789") == "" && (id == "0" || id[0] != '0')
}

// tell sends the events that wait to every subscriber.
func (p *puller) tell() {
	p.s.mu.Lock()
	hooks := slices.Clone(p.s.hooks)
	if p.s.opts.Events.Shuffle {
		p.s.random.Shuffle(len(p.held), func(i, j int) { p.held[i], p.held[j] = p.held[j], p.held[i] })
	}
	p.s.mu.Unlock()
	for _, e := range p.held {
		for _, hook := range hooks {
			if err := p.s.deliver(hook.Target, e); err != nil {
				p.s.mu.Lock()
				p.im.Undelivered++
				p.s.mu.Unlock()
				p.s.opts.Logger.Warn("event not delivered", "session", p.im.SessionID, "page", e.Data.Page, "error", err)
			}
		}
	}
	p.held = nil
}

// deliver sends one event, trying again like a request for a page.
func (s *InTandem) deliver(target string, e event) error {
	var body any = e
	if s.opts.Events.Array {
		body = []event{e}
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	return s.persist(func() error { return s.post(target, encoded) })
}

func (s *InTandem) post(target string, body []byte) error {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return errors.New("the target_url is not a URL")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if s.ctx.Err() != nil {
		return errClosed
	}
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return fmt.Errorf("%w: %w", errDown, err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxRequestBytes)) // only the status counts
	_ = resp.Body.Close()
	switch code := resp.StatusCode; {
	case code >= 200 && code <= 299:
		return nil
	case code == http.StatusTooManyRequests || code >= 500:
		return fmt.Errorf("%w: it answered %d", errDown, code)
	default:
		return fmt.Errorf("the subscriber answered %d", code)
	}
}
