package wire

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
	adapterv1 "github.com/rosterd/rosterd/plugins/sdk/proto/v1"
)

func targetToProto(info sdk.TargetInfo) *adapterv1.TargetResponse {
	out := &adapterv1.TargetResponse{}
	for _, k := range info.Kinds {
		kind := &adapterv1.TargetKind{
			Kind: clean(string(k.Kind), maxText), Class: clean(string(k.Class), maxText),
			ExecLagNanos: int64(k.ExecLag), IndexLagNanos: int64(k.IndexLag), KeyTtlNanos: int64(k.KeyTTL),
			Update: clean(string(k.Update), maxText), Unique: clean(k.Unique, maxText),
			Natural: cleanAll(k.Natural), Batch: number(k.Batch), SameRecord: k.SameRecord,
			OtherFields: k.OtherFields, Finds: cleanAll(k.Finds),
		}
		for _, op := range k.Writes {
			kind.Writes = append(kind.Writes, clean(string(op), maxText))
		}
		for _, f := range k.Fields {
			kind.Fields = append(kind.Fields, &adapterv1.TargetField{
				Name: clean(f.Name, maxText), Required: f.Required, MaxLength: number(f.MaxLength),
				Shorten: f.Shorten, Values: cleanAll(f.Values),
			})
		}
		out.Kinds = append(out.Kinds, kind)
	}
	return out
}

func number(n int) int32 { return int32(max(math.MinInt32, min(n, math.MaxInt32))) }

// targetFromProto refuses a description that cannot be relied on: what is
// promised of creates rests on it.
func targetFromProto(r *adapterv1.TargetResponse) (sdk.TargetInfo, error) {
	var info sdk.TargetInfo
	for _, k := range r.GetKinds() {
		kind := sdk.TargetKind{
			Kind: sdk.Kind(k.GetKind()), Class: sdk.GuaranteeClass(k.GetClass()),
			ExecLag: time.Duration(k.GetExecLagNanos()), IndexLag: time.Duration(k.GetIndexLagNanos()),
			KeyTTL: time.Duration(k.GetKeyTtlNanos()), Update: sdk.UpdateSemantics(k.GetUpdate()),
			Unique: k.GetUnique(), Natural: k.GetNatural(), Batch: int(k.GetBatch()), SameRecord: k.GetSameRecord(),
			OtherFields: k.GetOtherFields(), Finds: k.GetFinds(),
		}
		for _, op := range k.GetWrites() {
			kind.Writes = append(kind.Writes, sdk.Op(op))
		}
		for _, f := range k.GetFields() {
			kind.Fields = append(kind.Fields, sdk.TargetField{
				Name: f.GetName(), Required: f.GetRequired(), MaxLength: int(f.GetMaxLength()),
				Shorten: f.GetShorten(), Values: f.GetValues(),
			})
		}
		if _, twice := info.Kind(kind.Kind); twice {
			return sdk.TargetInfo{}, broken("describe target", fmt.Errorf("kind %q is described twice", kind.Kind))
		}
		if err := validateKind(kind); err != nil {
			return sdk.TargetInfo{}, broken("describe target", fmt.Errorf("kind %.20q: %w", kind.Kind, err))
		}
		kind.Batch = min(kind.Batch, MaxOperations)
		info.Kinds = append(info.Kinds, kind)
	}
	return info, nil
}

func validateKind(k sdk.TargetKind) error {
	switch {
	case !k.Kind.Valid():
		return errors.New("it is none of the contract")
	case !k.Class.Valid():
		return fmt.Errorf("unknown guarantee class %.20q", k.Class)
	case max(k.ExecLag, k.IndexLag) > maxLag || min(k.ExecLag, k.IndexLag, k.KeyTTL) < 0:
		return fmt.Errorf("a time below zero, or a lag above %s", maxLag)
	case k.Batch < 0:
		return errors.New("a batch below zero")
	case !validUpdate(k):
		return fmt.Errorf("unknown semantics of an update %.20q", k.Update)
	case k.Class == sdk.ClassBPrime && k.Unique == "":
		return errors.New("class B' without the field that is unique")
	case k.Class == sdk.ClassD && len(k.Natural) == 0:
		return errors.New("class D without fields to find a record by")
	}
	for _, op := range k.Writes {
		if !op.Valid() {
			return fmt.Errorf("unknown operation %.20q", op)
		}
	}
	return validateFields(k.Fields)
}

// validUpdate lets out the semantics of an update that there is not.
func validUpdate(k sdk.TargetKind) bool {
	switch k.Update {
	case sdk.UpdatePatch, sdk.UpdateReplace:
		return true
	}
	return k.Update == "" && !k.Can(sdk.OpUpdate)
}

func validateFields(fields []sdk.TargetField) error {
	if len(fields) > sdk.MaxColumns {
		return fmt.Errorf("%d fields, at most %d", len(fields), sdk.MaxColumns)
	}
	seen := make(map[string]struct{}, len(fields))
	for _, f := range fields {
		if _, twice := seen[f.Name]; twice || f.Name == "" || len(f.Name) > maxID || f.MaxLength < 0 {
			return fmt.Errorf("field %.40q is empty, twice there, or has a length below zero", f.Name)
		}
		seen[f.Name] = struct{}{}
	}
	return nil
}

// writeToProto makes the messages of all operations in one piece of memory.
func writeToProto(handle uint64, req sdk.WriteRequest) *adapterv1.WriteRequest {
	out := &adapterv1.WriteRequest{
		Handle: handle, Kind: string(req.Kind), Operations: make([]*adapterv1.Operation, len(req.Operations)),
	}
	all := make([]adapterv1.Operation, len(req.Operations))
	for i := range req.Operations {
		from, to := &req.Operations[i], &all[i]
		to.Op, to.Id, to.Key, to.Marker = string(from.Op), from.ID, from.Key, from.Marker
		to.Attempt, to.Club, to.Owner, to.LeadSource = number(from.Attempt), from.Club, from.Owner, from.LeadSource
		to.Data, to.Changed = from.Data, from.Changed
		out.Operations[i] = to
	}
	return out
}

func writeFromProto(r *adapterv1.WriteRequest) sdk.WriteRequest {
	out := sdk.WriteRequest{Kind: sdk.Kind(r.GetKind()), Operations: make([]sdk.Operation, len(r.GetOperations()))}
	for i, from := range r.GetOperations() {
		out.Operations[i] = sdk.Operation{
			Op: sdk.Op(from.GetOp()), ID: from.GetId(), Key: from.GetKey(), Marker: from.GetMarker(),
			Attempt: int(from.GetAttempt()), Club: from.GetClub(), Owner: from.GetOwner(), LeadSource: from.GetLeadSource(),
			Data: from.GetData(), Changed: from.GetChanged(),
		}
	}
	return out
}

// resultsToProto makes results that can cross. An id that cannot is left out,
// which the other end takes for what it is.
func resultsToProto(in []sdk.Result) []*adapterv1.Result {
	all := make([]adapterv1.Result, len(in))
	out := make([]*adapterv1.Result, len(in))
	for i := range in {
		from, to := &in[i], &all[i]
		out[i] = to
		to.Outcome, to.Code = clean(string(from.Outcome), maxWarning), clean(string(from.Code), maxWarning)
		to.Detail, to.AfterNanos = clean(from.Detail, maxDetail), int64(from.After)
		if validID(from.ID) {
			to.Id = from.ID
		}
		if from.Class != "" {
			to.Class = classToProto(from.Class)
		}
		for _, w := range from.Warnings[:min(len(from.Warnings), maxWarnings)] {
			to.Warnings = append(to.Warnings, clean(w, maxWarning))
		}
	}
	return out
}

// resultsFromProto takes only what is proven for done or not done.
func resultsFromProto(in []*adapterv1.Result, ops []sdk.Operation) []sdk.Result {
	out := make([]sdk.Result, len(in))
	for i, r := range in {
		res := &out[i]
		res.Outcome, res.After = writtenFromProto(r.GetOutcome()), wait(time.Duration(r.GetAfterNanos()))
		if id := r.GetId(); validID(id) {
			res.ID = id
		}
		if r.GetCode() != "" {
			res.Code = codeFromProto(r.GetCode())
		}
		if res.Outcome == sdk.OutcomeRefused || r.GetClass() != adapterv1.Fault_CLASS_UNSPECIFIED {
			res.Class = classFromProto(r.GetClass())
		}
		res.Detail = clean(r.GetDetail(), maxDetail)
		for _, w := range r.GetWarnings()[:min(len(r.GetWarnings()), maxWarnings)] {
			res.Warnings = append(res.Warnings, clean(w, maxWarning))
		}
		if res.Outcome == sdk.OutcomeOK && (ops[i].Op == sdk.OpCreate || ops[i].Op == sdk.OpConvert) && res.ID == "" {
			res.Outcome, res.Code = sdk.OutcomeUnknown, sdk.CodeInternal
			res.Detail = "the adapter says that the record was created, without an id that can be used"
		}
	}
	return out
}

// writtenFromProto takes what it does not know for not proven.
func writtenFromProto(s string) sdk.Outcome {
	if o := sdk.Outcome(s); o == sdk.OutcomeConflict {
		return o
	}
	return outcomeFromProto(s)
}

func findToProto(handle uint64, req sdk.FindRequest) *adapterv1.FindRequest {
	out := &adapterv1.FindRequest{Handle: handle, Kind: string(req.Kind)}
	for _, q := range req.Queries {
		out.Queries = append(out.Queries, &adapterv1.Query{Marker: q.Marker, Fields: q.Fields, Club: q.Club, Limit: number(q.Limit)})
	}
	return out
}

func findFromProto(r *adapterv1.FindRequest) sdk.FindRequest {
	out := sdk.FindRequest{Kind: sdk.Kind(r.GetKind())}
	for _, q := range r.GetQueries() {
		out.Queries = append(out.Queries, sdk.Query{Marker: q.GetMarker(), Fields: q.GetFields(), Club: q.GetClub(), Limit: int(q.GetLimit())})
	}
	return out
}

// matchesToProto fails on a match that cannot cross: it must not be missing.
func matchesToProto(in [][]sdk.Match) ([]*adapterv1.Matches, error) {
	out := make([]*adapterv1.Matches, 0, len(in))
	for i, list := range in {
		matches := &adapterv1.Matches{}
		for _, m := range list[:min(len(list), maxMatches)] {
			if !validID(m.ID) {
				return nil, fmt.Errorf("find: query %d found a record without an id that can be used", i+1)
			}
			matches.Records = append(matches.Records, &adapterv1.Match{
				Id: m.ID, Marker: clean(m.Marker, maxID), Club: clean(m.Club, maxID), Data: m.Data,
			})
		}
		out = append(out, matches)
	}
	return out, nil
}

func matchesFromProto(in []*adapterv1.Matches, queries int) (sdk.FindResponse, error) {
	if len(in) != queries {
		return sdk.FindResponse{}, broken("find", fmt.Errorf("%d answers to %d queries", len(in), queries))
	}
	out := sdk.FindResponse{Matches: make([][]sdk.Match, 0, len(in))}
	for i, list := range in {
		var matches []sdk.Match
		for _, m := range list.GetRecords()[:min(len(list.GetRecords()), maxMatches)] {
			if !validID(m.GetId()) {
				return sdk.FindResponse{}, broken("find", fmt.Errorf("query %d found a record without an id that can be used", i+1))
			}
			matches = append(matches, sdk.Match{
				ID: m.GetId(), Marker: clean(m.GetMarker(), maxID), Club: clean(m.GetClub(), maxID), Data: m.GetData(),
			})
		}
		out.Matches = append(out.Matches, matches)
	}
	return out, nil
}

func staffToProto(in []sdk.Staff) ([]*adapterv1.Staff, error) {
	out := make([]*adapterv1.Staff, 0, len(in))
	for i, s := range in {
		if err := listed("staff member", i, s.ID, s.Email, s.Club); err != nil {
			return nil, err
		}
		out = append(out, &adapterv1.Staff{Id: s.ID, Email: s.Email, Club: s.Club, Inactive: s.Inactive})
	}
	return out, nil
}

func staffFromProto(call string, in []*adapterv1.Staff) ([]sdk.Staff, error) {
	out := make([]sdk.Staff, 0, len(in))
	for i, s := range in {
		if err := listed("staff member", i, s.GetId(), s.GetEmail(), s.GetClub()); err != nil {
			return nil, broken(call, err)
		}
		out = append(out, sdk.Staff{ID: s.GetId(), Email: s.GetEmail(), Club: s.GetClub(), Inactive: s.GetInactive()})
	}
	return out, nil
}

func leadSourcesToProto(in []sdk.LeadSource) ([]*adapterv1.LeadSource, error) {
	out := make([]*adapterv1.LeadSource, 0, len(in))
	for i, s := range in {
		if err := listed("lead source", i, s.ID, s.Name, s.Club); err != nil {
			return nil, err
		}
		out = append(out, &adapterv1.LeadSource{Id: s.ID, Name: s.Name, Club: s.Club, Inactive: s.Inactive})
	}
	return out, nil
}

func leadSourcesFromProto(in []*adapterv1.LeadSource) ([]sdk.LeadSource, error) {
	out := make([]sdk.LeadSource, 0, len(in))
	for i, s := range in {
		if err := listed("lead source", i, s.GetId(), s.GetName(), s.GetClub()); err != nil {
			return nil, broken("list lead sources", err)
		}
		out = append(out, sdk.LeadSource{ID: s.GetId(), Name: s.GetName(), Club: s.GetClub(), Inactive: s.GetInactive()})
	}
	return out, nil
}

func clubsToProto(in []sdk.Club) ([]*adapterv1.Club, error) {
	out := make([]*adapterv1.Club, 0, len(in))
	for i, c := range in {
		if err := listed("club", i, c.ID, c.Name, ""); err != nil {
			return nil, err
		}
		out = append(out, &adapterv1.Club{Id: c.ID, Name: c.Name})
	}
	return out, nil
}

func clubsFromProto(in []*adapterv1.Club) ([]sdk.Club, error) {
	out := make([]sdk.Club, 0, len(in))
	for i, c := range in {
		if err := listed("club", i, c.GetId(), c.GetName(), ""); err != nil {
			return nil, broken("list clubs", err)
		}
		out = append(out, sdk.Club{ID: c.GetId(), Name: c.GetName()})
	}
	return out, nil
}

// listed checks one entry of a list whose ids are referred to. None is left
// out silently: what refers to it would lose its owner.
func listed(what string, i int, id, name, club string) error {
	if !validID(id) || club != "" && !validID(club) || len(name) > maxText || !utf8.ValidString(name) {
		return fmt.Errorf("%s %d of the list has no id, or text that cannot be used", what, i+1)
	}
	return nil
}
