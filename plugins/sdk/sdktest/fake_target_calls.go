package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Abilities implements [sdk.Limited]: a system finds records only where its
// class or Finds says so.
func (t *Target) Abilities() []sdk.Ability {
	all := []sdk.Ability{
		sdk.AbilityTarget, sdk.AbilityGetter, sdk.AbilityStaffLister, sdk.AbilityStaffFinder, sdk.AbilityLeadSourceLister, sdk.AbilityClubLister,
	}
	if t.finds() {
		all = append(all, sdk.AbilityFinder)
	}
	return all
}

func (t *Target) finds() bool {
	return t.opt.Class == sdk.ClassC || t.opt.Class == sdk.ClassD || len(t.opt.Finds) > 0
}

// Target implements [sdk.Target].
func (t *Target) Target(context.Context) (sdk.TargetInfo, error) {
	var info sdk.TargetInfo
	for _, k := range t.opt.Kinds {
		kind := sdk.TargetKind{
			Kind: k, Writes: []sdk.Op{sdk.OpCreate, sdk.OpUpdate, sdk.OpDeactivate, sdk.OpDelete}, Class: t.opt.Class,
			ExecLag: t.opt.ExecLag, IndexLag: t.opt.IndexLag, Update: t.opt.Update, Fields: t.opt.Fields, Finds: t.opt.Finds, Batch: t.opt.Batch,
		}
		if t.opt.Transfers {
			kind.Writes = append(kind.Writes, sdk.OpTransfer)
		}
		if k == sdk.KindMember {
			if kind.SameRecord = t.opt.SameRecord; t.opt.Converts {
				kind.Writes = append(kind.Writes, sdk.OpConvert)
			}
		}
		switch t.opt.Class {
		case sdk.ClassA:
			kind.KeyTTL = t.opt.KeyTTL
		case sdk.ClassBPrime:
			kind.Unique = t.opt.Unique
		case sdk.ClassD:
			kind.Natural = []string{t.opt.Unique}
		case sdk.ClassB, sdk.ClassC, sdk.ClassE:
		}
		info.Kinds = append(info.Kinds, kind)
	}
	return info, nil
}

// Write implements [sdk.Target].
func (t *Target) Write(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writes++
	t.settle()
	if t.err != nil {
		return sdk.WriteResponse{}, t.err
	}
	res := sdk.WriteResponse{Results: make([]sdk.Result, 0, len(req.Operations))}
	for _, op := range req.Operations {
		switch {
		case sdk.ReadOnly(ctx):
			res.Results = append(res.Results, refused(sdk.ClassFail, sdk.CodeConfig, "nothing may be written by this call"))
		case ctx.Err() != nil:
			res.Results = append(res.Results, refused(sdk.ClassRetry, sdk.CodeUnavailable, "the call was over before the operation was begun"))
		default:
			t.ops = append(t.ops, op)
			res.Results = append(res.Results, t.attempt(req.Kind, op))
		}
	}
	return res, nil
}

func refused(class sdk.Class, code sdk.Code, detail string) sdk.Result {
	return sdk.Result{Outcome: sdk.OutcomeRefused, Class: class, Code: code, Detail: detail}
}

// attempt carries out one operation with its fault.
func (t *Target) attempt(kind sdk.Kind, op sdk.Operation) sdk.Result {
	fault := FaultNone
	if t.fault != nil {
		fault = t.fault(op)
	}
	unknown := sdk.Result{Outcome: sdk.OutcomeUnknown, Code: sdk.CodeUnavailable, Detail: "no answer came"}
	switch fault {
	case FaultRetry:
		return refused(sdk.ClassRetry, sdk.CodeUnavailable, "the system is overloaded")
	case FaultReject:
		return refused(sdk.ClassReject, sdk.CodeData, "the record is refused")
	case FaultFail:
		return refused(sdk.ClassFail, sdk.CodeAuth, "the token is refused")
	case FaultLostRequest:
		return unknown
	case FaultLate:
		t.late = append(t.late, lateOp{kind: kind, op: op, due: t.opt.Now().Add(t.opt.ExecLag)})
		return unknown
	case FaultLostAnswer:
		t.execute(kind, op)
		return unknown
	case FaultNone:
	}
	return t.execute(kind, op)
}

// settle executes what is due.
func (t *Target) settle() {
	now := t.opt.Now()
	due := t.late
	t.late = nil
	for _, l := range due {
		if l.due.After(now) {
			t.late = append(t.late, l)
			continue
		}
		t.execute(l.kind, l.op)
	}
}

func (t *Target) execute(kind sdk.Kind, op sdk.Operation) sdk.Result {
	if !slices.Contains(t.opt.Kinds, kind) {
		return refused(sdk.ClassFail, sdk.CodeConfig, "the system has no records of this kind")
	}
	if !t.has(kind, op.Op) {
		return refused(sdk.ClassFail, sdk.CodeConfig, "the system has no such call")
	}
	var fields map[string]json.RawMessage
	if makes(op.Op) || op.Op == sdk.OpUpdate {
		if err := json.Unmarshal(op.Data, &fields); err != nil || !t.complete(fields, op.Op) {
			return refused(sdk.ClassReject, sdk.CodeData, "the record is not complete")
		}
	}
	if op.Op == sdk.OpCreate {
		return t.create(kind, op, fields)
	}
	at := t.index(kind, op)
	if at < 0 {
		return refused(sdk.ClassReject, sdk.CodeData, "there is no record with that id")
	}
	return t.change(at, kind, op, fields)
}

// has reports whether there is a call for an operation.
func (t *Target) has(kind sdk.Kind, op sdk.Op) bool {
	switch op {
	case sdk.OpConvert:
		return t.opt.Converts && kind == sdk.KindMember
	case sdk.OpTransfer:
		return t.opt.Transfers
	case sdk.OpCreate, sdk.OpUpdate, sdk.OpDeactivate, sdk.OpDelete:
	}
	return true
}

// change executes an operation on a record that is there.
func (t *Target) change(at int, kind sdk.Kind, op sdk.Operation, fields map[string]json.RawMessage) sdk.Result {
	r := t.records[at]
	switch op.Op {
	case sdk.OpConvert:
		return t.convert(r, op, fields)
	case sdk.OpTransfer:
		if op.Club == "" {
			return refused(sdk.ClassReject, sdk.CodeData, "no club is named")
		}
		r.Club = op.Club
	case sdk.OpDeactivate:
		r.Inactive = true
	case sdk.OpDelete:
		t.records = slices.Delete(t.records, at, at+1)
	case sdk.OpUpdate, sdk.OpCreate:
		r.Kind = kind // a prospect becomes a member
		t.update(r, op, fields)
	}
	return sdk.Result{Outcome: sdk.OutcomeOK, ID: r.ID}
}

// index finds the record of an operation: the prospect that it makes a member
// of, too.
func (t *Target) index(kind sdk.Kind, op sdk.Operation) int {
	prospect := op.Op == sdk.OpConvert || op.Op == sdk.OpUpdate && kind == sdk.KindMember && t.opt.SameRecord
	return slices.IndexFunc(t.records, func(r *Stored) bool {
		return r.ID == op.ID && (r.Kind == kind && op.Op != sdk.OpConvert || prospect && r.Kind == sdk.KindProspect)
	})
}

// convert makes a member of a prospect, once.
func (t *Target) convert(r *Stored, op sdk.Operation, fields map[string]json.RawMessage) sdk.Result {
	for _, m := range t.records {
		if m.MadeOf == r.ID {
			return sdk.Result{Outcome: sdk.OutcomeConflict, ID: m.ID, Code: sdk.CodeData, Detail: "the prospect is a member already"}
		}
	}
	r.Inactive = true
	own := maps.Clone(r.Fields)
	maps.Copy(own, fields)
	m := t.add(Stored{
		Kind: sdk.KindMember, Key: op.Key, Marker: op.Marker, Club: r.Club, Owner: op.Owner, LeadSource: op.LeadSource,
		Fields: own, MadeOf: r.ID,
	})
	return sdk.Result{Outcome: sdk.OutcomeOK, ID: m.ID}
}

// complete reports whether a record has what is required of it.
func (t *Target) complete(fields map[string]json.RawMessage, op sdk.Op) bool {
	if op == sdk.OpUpdate && t.opt.Update == sdk.UpdatePatch {
		return true
	}
	for _, f := range t.opt.Fields {
		if _, ok := fields[f.Name]; f.Required && !ok {
			return false
		}
	}
	return len(fields) > 0
}

func (t *Target) update(r *Stored, op sdk.Operation, fields map[string]json.RawMessage) {
	if t.opt.Update == sdk.UpdateReplace {
		r.Fields = map[string]json.RawMessage{}
	}
	maps.Copy(r.Fields, fields)
	if !t.opt.Transfers {
		r.Club = op.Club
	}
	r.Owner, r.LeadSource, r.Inactive = op.Owner, op.LeadSource, false
	r.Updates++
}

func (t *Target) create(kind sdk.Kind, op sdk.Operation, fields map[string]json.RawMessage) sdk.Result {
	for _, r := range t.records {
		switch {
		case r.Kind != kind:
		case t.opt.Class == sdk.ClassA && r.Marker == op.Marker && t.opt.Now().Sub(r.Created) < t.opt.KeyTTL:
			return sdk.Result{Outcome: sdk.OutcomeOK, ID: r.ID}
		case t.opt.Class == sdk.ClassB && r.Key == op.Key:
			t.update(r, op, fields)
			return sdk.Result{Outcome: sdk.OutcomeOK, ID: r.ID}
		case t.opt.Class == sdk.ClassBPrime && equalText(r.Fields[t.opt.Unique], fields[t.opt.Unique]):
			return sdk.Result{Outcome: sdk.OutcomeConflict, ID: r.ID, Code: sdk.CodeData, Detail: "a record with the same " + t.opt.Unique + " is there"}
		}
	}
	r := t.add(Stored{
		Kind: kind, Key: op.Key, Marker: op.Marker, Club: op.Club, Owner: op.Owner, LeadSource: op.LeadSource, Fields: fields,
	})
	return sdk.Result{Outcome: sdk.OutcomeOK, ID: r.ID}
}

// add stores a record under the next id, unless it has one.
func (t *Target) add(r Stored) *Stored {
	t.last++
	if r.ID == "" {
		r.ID = "t-" + strconv.Itoa(t.last)
	}
	if r.Fields == nil {
		r.Fields = map[string]json.RawMessage{}
	}
	r.Created = t.opt.Now()
	t.records = append(t.records, &r)
	return &r
}

// equalText compares two fields as texts, without regard to case.
func equalText(a, b json.RawMessage) bool {
	var x, y string
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && strings.EqualFold(x, y)
}

// errNoFinder is for a call that the class does not have.
var errNoFinder = errors.New("the system finds no records")

// Find implements [sdk.Finder]: by marker in class C, by fields in class D and
// where it finds by fields in any class.
func (t *Target) Find(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle()
	switch {
	case ctx.Err() != nil:
		return sdk.FindResponse{}, ctx.Err()
	case t.err != nil:
		return sdk.FindResponse{}, t.err
	case !t.finds():
		return sdk.FindResponse{}, sdk.Fail(sdk.CodeConfig, errNoFinder)
	}
	res := sdk.FindResponse{Matches: make([][]sdk.Match, len(req.Queries))}
	for i, q := range req.Queries {
		for _, r := range t.records {
			if r.Kind == req.Kind && t.fits(r, q) {
				data, _ := json.Marshal(r.Fields) // It was JSON.
				res.Matches[i] = append(res.Matches[i], sdk.Match{ID: r.ID, Marker: t.markerOf(r), Club: r.Club, Data: data})
			}
		}
	}
	return res, nil
}

func (t *Target) markerOf(r *Stored) string {
	if t.opt.Class == sdk.ClassC {
		return r.Marker
	}
	return ""
}

// fits reports whether a query finds a record at this time.
func (t *Target) fits(r *Stored, q sdk.Query) bool {
	if t.opt.Now().Sub(r.Created) < t.opt.IndexLag || q.Club != "" && q.Club != r.Club {
		return false
	}
	if q.Marker != "" {
		return t.opt.Class == sdk.ClassC && r.Marker == q.Marker
	}
	for name, value := range q.Fields {
		raw, _ := json.Marshal(value) // A text.
		if !equalText(r.Fields[name], raw) {
			return false
		}
	}
	return len(q.Fields) > 0
}

// Get implements [sdk.Getter].
func (t *Target) Get(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if t.err != nil {
		return nil, t.err
	}
	var chosen []Record
	for _, r := range t.records {
		if r.Kind == req.Kind && slices.Contains(req.IDs, r.ID) {
			chosen = append(chosen, Record{Kind: r.Kind, ID: r.ID, Club: r.Club, Fields: plain(r.Fields)})
		}
	}
	return pack(req.Kind, chosen).Page(nil, true)
}

// plain turns fields into those of a [Record].
func plain(fields map[string]json.RawMessage) map[string]any {
	out := make(map[string]any, len(fields))
	for name, raw := range fields {
		var v any
		dec := json.NewDecoder(strings.NewReader(string(raw)))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			continue
		}
		switch v.(type) {
		case map[string]any, []any:
			out[name] = raw
		default:
			out[name] = v
		}
	}
	return out
}

// ListStaff implements [sdk.StaffLister].
func (t *Target) ListStaff(ctx context.Context) ([]sdk.Staff, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.staff), errors.Join(ctx.Err(), t.err)
}

// FindStaff implements [sdk.StaffFinder].
func (t *Target) FindStaff(ctx context.Context, email string) ([]sdk.Staff, error) {
	staff, err := t.ListStaff(ctx)
	return slices.DeleteFunc(staff, func(s sdk.Staff) bool { return !strings.EqualFold(s.Email, email) }), err
}

// ListLeadSources implements [sdk.LeadSourceLister].
func (t *Target) ListLeadSources(ctx context.Context) ([]sdk.LeadSource, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.leads), errors.Join(ctx.Err(), t.err)
}

// ListClubs implements [sdk.ClubLister].
func (t *Target) ListClubs(ctx context.Context) ([]sdk.Club, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.clubs), errors.Join(ctx.Err(), t.err)
}
