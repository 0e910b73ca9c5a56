package wire

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
	adapterv1 "github.com/rosterd/rosterd/plugins/sdk/proto/v1"
)

func infoToProto(i sdk.Info) *adapterv1.DescribeResponse {
	out := &adapterv1.DescribeResponse{
		Name: i.Name, Version: i.Version, Description: i.Description,
		Settings: i.Settings, Abilities: abilitiesToProto(i.Abilities),
	}
	for _, k := range i.Kinds {
		out.Kinds = append(out.Kinds, &adapterv1.KindInfo{
			Kind: string(k.Kind), Fields: k.Fields, Cursor: string(k.Cursor),
		})
	}
	return out
}

func infoFromProto(r *adapterv1.DescribeResponse) sdk.Info {
	out := sdk.Info{
		Name: r.GetName(), Version: r.GetVersion(), Description: r.GetDescription(),
		Settings: json.RawMessage(r.GetSettings()), Abilities: abilitiesFromProto(r.GetAbilities()),
	}
	for _, k := range r.GetKinds() {
		out.Kinds = append(out.Kinds, sdk.KindInfo{
			Kind: sdk.Kind(k.GetKind()), Fields: k.GetFields(), Cursor: sdk.CursorSemantics(k.GetCursor()),
		})
	}
	return out
}

func abilitiesToProto(in []sdk.Ability) []string {
	out := make([]string, 0, len(in))
	for _, a := range in {
		out = append(out, string(a))
	}
	return out
}

func abilitiesFromProto(in []string) []sdk.Ability {
	out := make([]sdk.Ability, 0, len(in))
	for _, a := range in {
		out = append(out, sdk.Ability(a))
	}
	return out
}

func pageToProto(p *sdk.Page) *adapterv1.Page {
	out := &adapterv1.Page{
		Kind: string(p.Kind), Columns: cleanAll(p.Columns), Rows: int32(min(p.Rows, sdk.MaxPageBytes)),
		Ends: p.Ends, Cells: p.Cells, Next: p.Next, Done: p.Done, Removed: p.Removed,
	}
	for _, r := range p.Rejected {
		out.Rejected = append(out.Rejected, &adapterv1.Rejected{
			Id: clean(r.ID, maxText), Position: clean(r.Position, maxText),
			Reason: clean(r.Reason, maxText), Raw: r.Raw[:min(len(r.Raw), sdk.MaxRawBytes)],
		})
	}
	return out
}

// pageFromProto keeps the buffers of the message: a page is not changed after
// it is made.
func pageFromProto(p *adapterv1.Page) *sdk.Page {
	out := &sdk.Page{
		Kind: sdk.Kind(p.GetKind()), Columns: p.GetColumns(), Rows: int(p.GetRows()),
		Ends: p.GetEnds(), Cells: p.GetCells(), Next: p.GetNext(), Done: p.GetDone(), Removed: p.GetRemoved(),
	}
	for _, r := range p.GetRejected() {
		out.Rejected = append(out.Rejected, sdk.Rejected{
			ID: clean(r.GetId(), maxText), Position: clean(r.GetPosition(), maxText),
			Reason: clean(r.GetReason(), maxText), Raw: r.GetRaw()[:min(len(r.GetRaw()), sdk.MaxRawBytes)],
		})
	}
	return out
}

// cleanAll returns the names as UTF-8, without which they cannot cross.
func cleanAll(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = clean(n, len(n))
	}
	return out
}

func identityToProto(id sdk.ImportIdentity) *adapterv1.ImportIdentityResponse {
	return &adapterv1.ImportIdentityResponse{
		BusinessUid: id.BusinessUID, StaffUid: id.StaffUID, Matters: &adapterv1.MatterForm{
			Key: clean(id.Matters.Key, maxText), Name: clean(id.Matters.Name, maxText), Declared: id.Matters.Declared,
		},
	}
}

func identityFromProto(r *adapterv1.ImportIdentityResponse) sdk.ImportIdentity {
	m := r.GetMatters()
	return sdk.ImportIdentity{
		BusinessUID: r.GetBusinessUid(), StaffUID: r.GetStaffUid(),
		Matters: sdk.MatterForm{
			Key: clean(m.GetKey(), maxText), Name: clean(m.GetName(), maxText), Declared: m.GetDeclared(),
		},
	}
}

func startToProto(handle uint64, req sdk.StartImportRequest) *adapterv1.StartImportRequest {
	out := &adapterv1.StartImportRequest{
		Handle: handle, Override: req.Override, Upload: req.Upload, Notify: req.Notify,
	}
	for _, f := range req.Fields {
		out.Fields = append(out.Fields, &adapterv1.ImportField{Key: f.Key, Label: f.Label})
	}
	return out
}

func startFromProto(r *adapterv1.StartImportRequest) sdk.StartImportRequest {
	out := sdk.StartImportRequest{Override: r.GetOverride(), Upload: r.GetUpload(), Notify: r.GetNotify()}
	for _, f := range r.GetFields() {
		out.Fields = append(out.Fields, sdk.ImportField{Key: f.GetKey(), Label: f.GetLabel()})
	}
	return out
}

// outcomeFromProto takes what it does not know for not proven.
func outcomeFromProto(s string) sdk.Outcome {
	switch o := sdk.Outcome(s); o {
	case sdk.OutcomeOK, sdk.OutcomeRefused:
		return o
	case sdk.OutcomeUnknown, sdk.OutcomeConflict:
	}
	return sdk.OutcomeUnknown
}

func fieldsToProto(in []sdk.Field) []*adapterv1.Field {
	out := make([]*adapterv1.Field, 0, len(in))
	for _, f := range in {
		out = append(out, &adapterv1.Field{
			Key: clean(f.Key, maxText), Label: clean(f.Label, maxText), Type: clean(f.Type, maxText), Custom: f.Custom,
			Kind: clean(string(f.Kind), maxText), Required: f.Required, MaxLength: number(f.MaxLength),
		})
	}
	return out
}

func fieldsFromProto(in []*adapterv1.Field) []sdk.Field {
	out := make([]sdk.Field, 0, len(in))
	for _, f := range in {
		out = append(out, sdk.Field{
			Key: f.GetKey(), Label: f.GetLabel(), Type: f.GetType(), Custom: f.GetCustom(),
			Kind: sdk.Kind(f.GetKind()), Required: f.GetRequired(), MaxLength: int(max(0, f.GetMaxLength())),
		})
	}
	return out
}

func quotasToProto(in []sdk.Quota) []*adapterv1.Quota {
	out := make([]*adapterv1.Quota, 0, len(in))
	for _, q := range in {
		out = append(out, &adapterv1.Quota{SpanNanos: int64(q.Span), Limit: int64(q.Limit), Left: int64(q.Left)})
	}
	return out
}

func quotasFromProto(in []*adapterv1.Quota) ([]sdk.Quota, error) {
	out := make([]sdk.Quota, 0, len(in))
	for _, q := range in {
		if q.GetSpanNanos() <= 0 || q.GetLimit() <= 0 || q.GetLeft() < 0 || q.GetLeft() > q.GetLimit() {
			return nil, broken("tell quotas", fmt.Errorf("%d of %d requests are left", q.GetLeft(), q.GetLimit()))
		}
		out = append(out, sdk.Quota{Span: time.Duration(q.GetSpanNanos()), Limit: int(q.GetLimit()), Left: int(q.GetLeft())})
	}
	return out, nil
}
