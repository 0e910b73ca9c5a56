package club

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"
)

// answer is what a call answers.
type answer struct {
	status int
	record *Record
	// list and next are the answer of a list; list is nil for other calls.
	list []*Record
	next any
	// clubs are the answer of the call that lists them.
	clubs []Club
	// made says that a record was created, replayed that it was before, under the
	// same idempotency key.
	made, replayed bool
	err            *apiError
}

// maxRecords bounds how many records callers may make.
const maxRecords = 2_000_000

// keyed is what was created under an idempotency key.
type keyed struct {
	record *Record
	body   uint64
	until  time.Time
}

// execute carries a request out.
func (p *Platform) execute(req *request) answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.commit(req)
}

// commit is execute with the lock held.
func (p *Platform) commit(req *request) answer {
	moment := -1
	if req.lookAlike {
		moment = req.random.IntN(3)
	}
	if moment == 0 {
		p.lookAlike(req)
	}
	a := p.do(req)
	if a.err == nil {
		p.counts.Executed[req.name()]++
	}
	switch moment {
	case 1:
		p.lookAlike(req)
	case 2:
		p.later(req, p.lags.exec, func() { p.lookAlike(req) })
	}
	return a
}

func (p *Platform) do(req *request) answer {
	switch req.call {
	case CallClubs:
		return answer{status: http.StatusOK, clubs: p.opts.Clubs}
	case CallList, CallFind:
		return p.list(req)
	case CallCreate:
		return p.create(req)
	case CallSave, CallUpsert:
		return p.save(req)
	default:
		return p.doOne(req)
	}
}

// doOne carries out a call of one record.
func (p *Platform) doOne(req *request) answer {
	w := p.row(req)
	if w == nil {
		return answer{err: notFound()}
	}
	switch req.call {
	case CallGet:
		return answer{status: http.StatusOK, record: w.record}
	case CallDelete:
		p.tables[req.kind].replace(w, nil)
		return answer{status: http.StatusNoContent}
	case CallDeactivate:
		r := w.record.clone()
		r.set(fieldStatus, inactive)
		return p.store(w, r)
	case CallTransfer:
		r := w.record.clone()
		r.set(fieldClub, req.fields[fieldClub])
		if err := p.check(r, nil); err != nil {
			return answer{err: err}
		}
		return p.store(w, r)
	case CallConvert:
		return p.convert(w, req)
	default:
		return p.update(w, req)
	}
}

func notFound() *apiError {
	return &apiError{Status: http.StatusNotFound, Code: "not_found", Message: "There is no such record"}
}

// store replaces a record with a changed one.
func (p *Platform) store(w *row, r *Record) answer {
	r.Updated = p.now()
	p.tables[r.Kind].replace(w, r)
	return answer{status: http.StatusOK, record: r}
}

func (p *Platform) create(req *request) answer {
	key := string(req.kind) + " " + req.key
	honoured := p.opts.Class == ClassA && req.key != ""
	if before, ok := p.keys[key]; ok && honoured && p.opts.Now().Before(before.until) {
		if before.body != req.body {
			return answer{err: &apiError{Status: http.StatusUnprocessableEntity, Code: "key_reused", Message: "The key was used for another content"}}
		}
		return answer{status: http.StatusCreated, record: before.record, replayed: true}
	}
	if p.nextID >= maxRecords {
		return answer{err: &apiError{Status: http.StatusInsufficientStorage, Code: "full", Message: "There are too many records"}}
	}
	r := &Record{Kind: req.kind, Fields: maps.Clone(req.fields), Custom: req.custom, By: "api"}
	p.complete(r)
	p.normalise(r)
	if err := p.check(r, req.wrong); err != nil {
		return answer{err: err}
	}
	if err := p.conflict(r); err != nil {
		return answer{err: err}
	}
	r = p.put(r, p.opts.Now().Add(p.lags.index))
	p.counts.Created[r.Kind]++
	for _, t := range req.tallies {
		t.Executed++
		t.IDs = append(t.IDs, r.ID)
	}
	if honoured {
		p.keys[key] = keyed{r, req.body, p.opts.Now().Add(p.opts.KeyTTL)}
	}
	return answer{status: http.StatusCreated, record: r, made: true}
}

// complete fills in what a record has without being told, and removes empty
// texts.
func (p *Platform) complete(r *Record) {
	if r.Fields == nil {
		r.Fields = make(map[string]string)
	}
	for name, value := range r.Fields {
		r.set(name, value)
	}
	if r.Fields[fieldClub] == "" && len(p.opts.Clubs) == 1 {
		r.set(fieldClub, p.opts.Clubs[0].ID)
	}
	if r.Fields[fieldStatus] == "" {
		r.set(fieldStatus, active)
	}
	if r.Fields[fieldType] == "" && r.Kind.isPerson() {
		r.set(fieldType, string(r.Kind))
	}
}

// save updates the record that the request names by id or, in [ClassB], by
// external id, and creates it where it names none.
func (p *Platform) save(req *request) answer {
	t := p.tables[req.kind]
	if req.id != "" {
		w := p.row(req)
		if w == nil {
			return answer{err: notFound()}
		}
		return p.update(w, req)
	}
	if p.opts.Class == ClassB && req.fields[fieldExternalID] != "" {
		if r := t.first(fieldExternalID, req.fields[fieldExternalID]); r != nil {
			return p.update(t.byID[r.ID], req)
		}
	}
	return p.create(req)
}

func (p *Platform) update(w *row, req *request) answer {
	r := w.record.clone()
	if p.opts.Update == Replace {
		r.Fields, r.Custom = make(map[string]string), nil
		for _, name := range [...]string{fieldClub, fieldPerson, fieldType, fieldStatus, fieldConvertedTo, fieldExternalID} {
			r.set(name, w.record.Fields[name])
		}
	}
	for name, value := range req.fields {
		r.set(name, value)
	}
	for name, value := range req.custom {
		if r.Custom == nil {
			r.Custom = make(map[string]json.RawMessage)
		}
		r.Custom[name] = value
	}
	p.becomes(r, req.kind)
	p.normalise(r)
	wrong := req.wrong
	if r.Fields[fieldClub] != w.record.Fields[fieldClub] && p.has[callName(r.Kind, CallTransfer)] {
		wrong = append(slices.Clip(wrong), fieldError{fieldClub, "use_transfer"})
	}
	if err := p.check(r, wrong); err != nil {
		return answer{err: err}
	}
	if err := p.conflict(r); err != nil {
		return answer{err: err}
	}
	if r.Kind != w.record.Kind {
		return p.move(w, r)
	}
	return p.store(w, r)
}

// lookAlike stores, as somebody else would, a record like the one that a request
// asks for. Where the platform keeps a value unique it may be refused.
func (p *Platform) lookAlike(req *request) {
	r := &Record{Kind: req.kind, Fields: make(map[string]string), By: "somebody"}
	for _, name := range append(phoneFields(), fieldClub, fieldFirst, fieldLast, fieldEmail) {
		r.set(name, req.fields[name])
	}
	p.complete(r)
	p.normalise(r)
	if p.check(r, nil) != nil || p.conflict(r) != nil {
		return
	}
	p.put(r, time.Time{})
}

// later calls do within the lag of the request's arrival, with the lock held, and
// at once when the platform is closed. It is called with the lock held.
func (p *Platform) later(req *request, lag time.Duration, do func()) {
	if p.closed {
		do()
		return
	}
	p.waiting++
	wait := lag/2 + time.Duration(req.random.Int64N(int64(lag*2/5)+1)) // the rest is for a busy machine
	p.work.Go(func() {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.ctx.Done():
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		do()
		if p.waiting--; p.waiting == 0 {
			close(p.quiet)
			p.quiet = make(chan struct{})
		}
	})
}
