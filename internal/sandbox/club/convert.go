package club

import (
	"encoding/json"
	"maps"
	"net/http"
)

// convert makes a member of a prospect: a record with an id of its own and the
// same person_id, with what the request says of it. The prospect becomes
// inactive.
func (p *Platform) convert(w *row, req *request) answer {
	if w.record.Fields[fieldConvertedTo] != "" {
		return answer{err: &apiError{
			Status: http.StatusConflict, Code: "converted", Message: "The prospect is a member already", ID: w.record.Fields[fieldConvertedTo],
		}}
	}
	member := p.memberOf(w.record, req)
	if err := p.check(member, req.wrong); err != nil {
		return answer{err: err}
	}
	if err := p.conflict(member); err != nil {
		return answer{err: err}
	}
	member = p.put(member, p.opts.Now().Add(p.lags.index))
	p.counts.Created[Member]++
	left := w.record.clone()
	left.set(fieldStatus, inactive)
	left.set(fieldConvertedTo, member.ID)
	p.store(w, left)
	return answer{status: http.StatusCreated, record: member, made: true}
}

// memberOf is the member that a prospect becomes. Its club is the prospect's: it
// is moved by another call.
func (p *Platform) memberOf(prospect *Record, req *request) *Record {
	member := &Record{Kind: Member, Fields: make(map[string]string), Custom: maps.Clone(prospect.Custom), By: "api"}
	for _, name := range p.schemas[Member].names {
		member.set(name, prospect.Fields[name])
	}
	member.set(fieldType, string(Member))
	member.set(fieldStatus, active)
	for name, value := range req.fields {
		if name != fieldClub && p.schemas[Member].writable[name] {
			member.set(name, value)
		}
	}
	for name, value := range req.custom {
		if member.Custom == nil {
			member.Custom = make(map[string]json.RawMessage)
		}
		member.Custom[name] = value
	}
	p.normalise(member)
	return member
}

// row is the record of a request: also a prospect that a request names as a
// member, where it becomes one by that.
func (p *Platform) row(req *request) *row {
	w := p.tables[req.kind].byID[req.id]
	updates := req.call == CallUpdate || req.call == CallSave
	if w == nil && p.opts.SameRecord && req.kind == Member && updates {
		return p.tables[Prospect].byID[req.id]
	}
	return w
}

// becomes makes a member of an updated prospect ([Options].SameRecord): where the
// update is of a member, or gives it a type that members have.
func (p *Platform) becomes(r *Record, asked Kind) {
	prospect := r.Fields[fieldType] == string(Prospect)
	if !p.opts.SameRecord || r.Kind != Prospect || asked == Prospect && prospect {
		return
	}
	r.Kind = Member
	if prospect {
		r.set(fieldType, string(Member))
	}
	for name := range r.Fields {
		if !p.schemas[Member].writable[name] && name != fieldPerson {
			r.set(name, "")
		}
	}
}

// move stores a changed record among those of its new kind, under its id.
func (p *Platform) move(w *row, r *Record) answer {
	visible := w.visible
	p.tables[w.record.Kind].replace(w, nil)
	r.Updated = p.now()
	p.tables[r.Kind].add(r, visible)
	return answer{status: http.StatusOK, record: r}
}
