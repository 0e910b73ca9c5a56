package club

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Tally is what became of the creates of one person or thing.
type Tally struct {
	Kind Kind `json:"kind"`
	// By says what Key is: "external_ref", "external_id", "idempotency_key", or
	// "person", which is name, e-mail address and mobile number.
	By  string `json:"by"`
	Key string `json:"key"`
	// Posts is how often it was asked for, whatever became of it; Executed how
	// many records that made.
	Posts    int `json:"posts"`
	Executed int `json:"executed"`
	// IDs are those records, in the order in which they were made.
	IDs []string `json:"ids"`
}

type ledgerKey struct {
	kind    Kind
	by, key string
}

// ledger counts creates by everything that may tell two of them apart. It counts
// what was sent, also where the platform does not store it. It is used with the
// platform's lock held.
type ledger map[ledgerKey]*Tally

// The ways in which creates are told apart, beside the fields.
const (
	byIdempotencyKey = "idempotency_key"
	byPerson         = "person"
)

// of returns the tallies of a create.
func (l ledger) of(req *request) []*Tally {
	var all []*Tally
	for _, id := range [...]struct{ by, key string }{
		{fieldExternalRef, req.sent[fieldExternalRef]},
		{fieldExternalID, req.sent[fieldExternalID]},
		{byIdempotencyKey, req.key},
		{byPerson, personKey(req.sent)},
	} {
		if id.key == "" {
			continue
		}
		at := ledgerKey{req.kind, id.by, id.key}
		if l[at] == nil {
			l[at] = &Tally{Kind: req.kind, By: id.by, Key: id.key, IDs: []string{}}
		}
		all = append(all, l[at])
	}
	return all
}

func personKey(fields map[string]string) string {
	key := strings.TrimSpace(fullName(fields) + " " + fold(fields[fieldEmail]) + " " + digits(fields["mobile"]))
	return strings.Join(strings.Fields(key), " ")
}

func (l ledger) list(keep func(*Tally) bool) []Tally {
	out := []Tally{}
	for _, t := range l {
		if keep(t) {
			c := *t
			c.IDs = slices.Clone(t.IDs)
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Tally) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.By, b.By), cmp.Compare(a.Key, b.Key))
	})
	return out
}

// State is what the platform counted since it was made.
type State struct {
	// Received counts the requests with a valid token and an existing call, by
	// call ("prospect.create"); Executed those of them that were carried out
	// without an error.
	Received map[string]int `json:"received"`
	Executed map[string]int `json:"executed"`
	// Faults counts what went wrong on purpose.
	Faults map[Fault]int `json:"faults"`
	// Created counts the records that callers made; one request that is repeated
	// under its idempotency key makes one.
	Created map[Kind]int `json:"created"`
	// Records counts what is stored.
	Records map[Kind]int `json:"records"`
	// Limited counts the calls that were one too many ([Options].Limit).
	Limited int `json:"limited"`
	// Expired counts late requests that came to nothing, since more than
	// [Options].ExecLag had passed; Abandoned those whose caller was gone.
	Expired   int `json:"expired"`
	Abandoned int `json:"abandoned"`
	// Waiting is the number of late requests and look-alikes that are due.
	Waiting int `json:"waiting"`
}

// counts are those of [State] that are not read off something else.
type counts = State

func newCounts() counts {
	return counts{
		Received: make(map[string]int), Executed: make(map[string]int), Faults: make(map[Fault]int), Created: make(map[Kind]int),
	}
}

// State returns what was counted.
func (p *Platform) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.counts
	s.Received, s.Executed = maps.Clone(s.Received), maps.Clone(s.Executed)
	s.Faults, s.Created = maps.Clone(s.Faults), maps.Clone(s.Created)
	s.Records = make(map[Kind]int)
	for k, t := range p.tables {
		s.Records[k] = len(t.byID)
	}
	s.Waiting = p.waiting
	return s
}

// Creates returns what became of every create, sorted by kind, way and key.
func (p *Platform) Creates() []Tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ledger.list(func(*Tally) bool { return true })
}

// Duplicates returns the creates of which more than one was executed. Records
// that somebody else made are none of them.
func (p *Platform) Duplicates() []Tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ledger.list(func(t *Tally) bool { return t.Executed > 1 })
}

// Records returns what is stored of a kind, in the order in which it was
// created, whether lists show it or not.
func (p *Platform) Records(k Kind) []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := []Record{}
	for _, w := range p.tables[k].rows {
		if w.record != nil {
			out = append(out, *w.record.clone())
		}
	}
	return out
}

// Insert stores records as if somebody else had made them, or had changed those
// whose id is there; lists show them at once.
func (p *Platform) Insert(records ...Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range records {
		r.By = "somebody"
		w := p.tables[r.Kind].byID[r.ID]
		if w == nil {
			p.put(r.clone(), time.Time{})
			continue
		}
		changed := r.clone()
		changed.By, changed.Created = w.record.By, w.record.Created
		p.complete(changed)
		changed.set(fieldPerson, w.record.Fields[fieldPerson])
		p.store(w, changed)
	}
}
