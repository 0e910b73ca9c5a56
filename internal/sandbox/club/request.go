package club

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"
)

// maxRequestBytes bounds the body of a request.
const maxRequestBytes = 1 << 20

// maxKeyBytes bounds an idempotency key and an external id.
const maxKeyBytes = 255

// request is one call, taken apart.
type request struct {
	call  Call
	kind  Kind
	id    string
	query url.Values
	// key is the header Idempotency-Key.
	key string
	// sent are all texts that the body carries, also those of fields that the
	// platform does not have; of fields only the known ones.
	sent, fields map[string]string
	custom       map[string]json.RawMessage
	// wrong are the fields of the body that are no text.
	wrong []fieldError
	// body is a hash of the content.
	body uint64
	// tallies count what becomes of a create.
	tallies []*Tally
	// byPerson is [Options].FaultsByPerson.
	byPerson bool
	// arrived is when the request was there; a late one takes effect within the
	// exec lag of it.
	arrived time.Time
	drawn
}

// creates reports whether the request asks for a record that may be new.
func (r *request) creates() bool {
	switch r.call {
	case CallCreate, CallUpsert:
		return true
	case CallSave:
		return r.id == ""
	default:
		return false
	}
}

// identity is what the request is about: faults are drawn by it.
func (r *request) identity() string {
	about := r.id
	if r.creates() {
		names := []string{r.sent[fieldExternalRef], r.sent[fieldExternalID], r.key, personKey(r.sent)}
		if r.byPerson {
			slices.Reverse(names)
		}
		for _, v := range names {
			if v != "" {
				about = v
				break
			}
		}
	}
	if r.call == CallList || r.call == CallFind {
		about = r.query.Encode()
	}
	return string(r.kind) + "\x00" + string(r.call) + "\x00" + about
}

func (p *Platform) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, call := range map[string]Call{
		"GET /v1/{kind}":                      CallList,
		"POST /v1/{kind}":                     CallCreate,
		"POST /v1/{kind}/save":                CallSave,
		"GET /v1/{kind}/{id}":                 CallGet,
		"PUT /v1/{kind}/{id}":                 CallUpdate,
		"PATCH /v1/{kind}/{id}":               CallUpdate,
		"DELETE /v1/{kind}/{id}":              CallDelete,
		"POST /v1/{kind}/{id}/deactivate":     CallDeactivate,
		"POST /v1/{kind}/{id}/transfer":       CallTransfer,
		"POST /v1/{kind}/{id}/convert":        CallConvert,
		"PUT /v1/{kind}/by-external-id/{key}": CallUpsert,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { p.handle(w, r, call) })
	}
	mux.HandleFunc("GET /v1/clubs", func(w http.ResponseWriter, r *http.Request) { p.handle(w, r, CallClubs) })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		p.write(w, answer{err: &apiError{Status: http.StatusNotFound, Code: "no_such_path", Message: "There is no such path"}})
	})
	return mux
}

// handle reads a request, draws its fault and carries it out.
func (p *Platform) handle(w http.ResponseWriter, r *http.Request, call Call) {
	req, bad := p.read(w, r, call)
	if bad != nil {
		p.write(w, answer{err: bad})
		return
	}
	p.receive(req)
	if done := p.failBefore(w, r, req); done {
		return
	}
	if r.Context().Err() != nil {
		p.mu.Lock()
		p.counts.Abandoned++
		p.mu.Unlock()
		return
	}
	p.respond(w, r, req, p.execute(req))
}

// receive counts a request and draws its fault.
func (p *Platform) receive(req *request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Received[req.name()]++
	if req.creates() {
		req.tallies = p.ledger.of(req)
		for _, t := range req.tallies {
			t.Posts++
		}
	}
	faults := p.plan.of(req.call)
	if len(faults) == 0 {
		return
	}
	req.drawn = p.drawing.draw(faults, req.identity())
	if req.fault != "" {
		p.counts.Faults[req.fault]++
		p.opts.Logger.Debug("a fault", "call", req.name(), "fault", string(req.fault))
	}
	if req.lookAlike && req.creates() && req.kind.isPerson() {
		p.counts.Faults[LookAlike]++
	} else {
		req.lookAlike = false
	}
}

func (r *request) name() string {
	if r.kind == "" {
		return string(r.call)
	}
	return callName(r.kind, r.call)
}

// read takes a request apart, as far as it can be without looking at what is
// stored.
func (p *Platform) read(w http.ResponseWriter, r *http.Request, call Call) (*request, *apiError) {
	req := &request{call: call, id: r.PathValue("id"), arrived: p.opts.Now(), byPerson: p.opts.FaultsByPerson}
	if call == CallClubs {
		if slices.Contains(p.opts.Without, string(CallClubs)) {
			return nil, noSuchCall()
		}
		return req, nil
	}
	kind, ok := kindOf(r.PathValue("kind"))
	if !ok {
		return nil, &apiError{Status: http.StatusNotFound, Code: "no_such_path", Message: "There is no such path"}
	}
	req.kind = kind
	if call == CallList {
		req.query = r.URL.Query()
		for _, name := range filters() {
			if req.query.Has(name) && p.searchable(kind, name) {
				req.call = CallFind
			}
		}
	}
	if !p.has[req.name()] || r.Method == http.MethodPatch && p.opts.Update == Replace {
		return nil, noSuchCall()
	}
	if call == CallGet || call == CallList || call == CallDelete {
		return req, nil
	}
	return req, p.readBody(w, r, req)
}

func noSuchCall() *apiError {
	return &apiError{Status: http.StatusMethodNotAllowed, Code: "no_such_call", Message: "This call is not available"}
}

func (p *Platform) readBody(w http.ResponseWriter, r *http.Request, req *request) *apiError {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return &apiError{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Message: "The body cannot be read or is too large"}
	}
	if len(body) > 0 || req.call != CallDeactivate && req.call != CallConvert {
		if bad := p.parse(body, req); bad != nil {
			return bad
		}
	}
	req.key = r.Header.Get("Idempotency-Key")
	if req.call == CallUpsert {
		req.sent[fieldExternalID] = r.PathValue("key")
		req.fields[fieldExternalID] = r.PathValue("key")
	}
	if len(req.key) > maxKeyBytes || len(req.sent[fieldExternalID]) > maxKeyBytes {
		return &apiError{Status: http.StatusBadRequest, Code: "too_long", Message: "The key is too long"}
	}
	req.body = hashOf(string(body))
	return nil
}

// parse reads a body. A field that the platform does not have is ignored.
func (p *Platform) parse(body []byte, req *request) *apiError {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil || raw == nil {
		return &apiError{Status: http.StatusBadRequest, Code: "not_json", Message: "The body is not a JSON object"}
	}
	req.sent, req.fields = make(map[string]string, len(raw)), make(map[string]string, len(raw))
	writable := p.schemas[req.kind].writable
	for name, value := range raw {
		if name == "custom" {
			if err := json.Unmarshal(value, &req.custom); err != nil {
				req.wrong = append(req.wrong, fieldError{name, "not_an_object"})
			}
			continue
		}
		text, ok := textOf(value)
		if !ok {
			if writable[name] {
				req.wrong = append(req.wrong, fieldError{name, "not_a_text"})
			}
			continue
		}
		if name == "id" && req.call == CallSave {
			req.id = text
		}
		req.sent[name] = text
		if writable[name] {
			req.fields[name] = text
		}
	}
	return nil
}

// textOf is the text of a JSON value; null is the empty text. Most texts have no
// escape, and are read without the decoder.
func textOf(value json.RawMessage) (string, bool) {
	if n := len(value); n >= 2 && value[0] == '"' && bytes.IndexByte(value, '\\') < 0 && utf8.Valid(value) {
		return string(value[1 : n-1]), true
	}
	var text string
	err := json.Unmarshal(value, &text)
	return text, err == nil
}
