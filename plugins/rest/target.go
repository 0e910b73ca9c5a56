package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// Target implements [sdk.Target].
func (c *connection) Target(context.Context) (sdk.TargetInfo, error) {
	var info sdk.TargetInfo
	for _, kind := range sdk.Kinds() {
		k := c.spec.kinds[kind]
		if k == nil || len(k.writes) == 0 {
			continue
		}
		t := sdk.TargetKind{
			Kind: kind, Class: k.class, ExecLag: k.execLag, IndexLag: k.indexLag, KeyTTL: k.keyTTL,
			Update: k.updates, Unique: k.unique, Natural: slices.Clone(k.natural), SameRecord: k.sameRecord,
		}
		for _, op := range []sdk.Op{sdk.OpCreate, sdk.OpUpdate, sdk.OpDeactivate, sdk.OpDelete, sdk.OpConvert, sdk.OpTransfer} {
			if k.writeFor(op) != nil {
				t.Writes = append(t.Writes, op)
			}
		}
		if t.Class == "" {
			t.Class = sdk.ClassE // it creates nothing
		}
		for _, f := range k.fields {
			t.Fields = append(t.Fields, f.TargetField)
		}
		t.OtherFields = k.open
		if kind == sdk.KindProspect || kind == sdk.KindMember {
			t.Finds = c.finds(k)
		}
		info.Kinds = append(info.Kinds, t)
	}
	return info, nil
}

// Write implements [sdk.Target].
func (c *connection) Write(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	results := make([]sdk.Result, len(req.Operations))
	for i, op := range req.Operations {
		results[i] = c.write(ctx, req.Kind, op)
	}
	return sdk.WriteResponse{Results: results}, nil
}

// write carries one operation out.
func (c *connection) write(ctx context.Context, kind sdk.Kind, op sdk.Operation) sdk.Result {
	if err := ctx.Err(); err != nil {
		return refuse(sdk.ClassRetry, sdk.CodeUnavailable, "not begun: the call ended before")
	}
	k := c.spec.kinds[kind]
	if k == nil || k.writeFor(op.Op) == nil {
		return refuse(sdk.ClassReject, sdk.CodeConfig, fmt.Sprintf("the file has no call to %s records of the kind %s", op.Op, kind))
	}
	w := k.writeFor(op.Op)
	req, something, err := c.prepare(k, w, op)
	if err != nil {
		return refuse(sdk.ClassReject, sdk.CodeData, fmt.Sprintf("not sent: %v", err))
	}
	if !something {
		return sdk.Result{Outcome: sdk.OutcomeOK, ID: op.ID}
	}
	o := outcome{c: c, k: k, w: w, op: op, sent: c.http.Send(ctx, req)}
	o.status, o.proven = o.sent.Status, o.sent.Outcome
	if o.sent.Status != 0 {
		// What is not JSON has no code and no id.
		o.doc, _ = decode(o.sent.Body)
		if o.status = c.spec.errors.statusOf(o.sent.Status, o.doc); o.status != o.sent.Status {
			o.proven = httpx.OutcomeOf(o.status)
		}
	}
	return o.result()
}

var (
	errData   = errors.New("the fields of the record are not a JSON object")
	errNoID   = errors.New("the record has no id")
	errNoClub = errors.New("the operation names no club")
)

// prepare fills the call in. It reports false where nothing of what changed is
// sent by the call.
func (c *connection) prepare(k *kind, w *write, op sdk.Operation) (httpx.Call, bool, error) {
	s, err := c.operation(w, op)
	if err != nil {
		return httpx.Call{}, false, err
	}
	if op.Op != sdk.OpCreate && op.ID == "" {
		return httpx.Call{}, false, errNoID
	}
	if op.Op == sdk.OpTransfer && op.Club == "" {
		return httpx.Call{}, false, errNoClub
	}
	var own []string
	if w.body != nil {
		own = w.body.owned()
	}
	req, err := w.request(s, func() map[string]any { return k.placed(s, own) })
	if err != nil {
		return httpx.Call{}, false, err
	}
	if s.only != nil && w.unchanged(s) {
		return httpx.Call{}, false, nil
	}
	if len(req.Body) == 0 && req.Method != http.MethodDelete {
		req.Body = []byte("{}")
	}
	if w.keyHeader != "" && op.Op == sdk.OpCreate {
		req.Header = http.Header{}
		req.Header.Set(w.keyHeader, op.Marker)
	}
	return req, true, nil
}

// operation is what placeholders stand for in a write.
func (c *connection) operation(w *write, op sdk.Operation) (scope, error) {
	var data map[string]any
	if len(op.Data) > 0 {
		doc, err := decode(op.Data)
		object, ok := doc.(map[string]any)
		if err != nil || !ok {
			return scope{}, errData
		}
		data = object
	}
	s := c.scope(map[string]string{
		"id": op.ID, "key": op.Key, "marker": op.Marker, "club": op.Club,
		"owner": op.Owner, "lead_source": op.LeadSource,
	}, data)
	if w.changedOnly && op.Op == sdk.OpUpdate && len(op.Changed) > 0 {
		s.only = map[string]bool{}
		for _, name := range op.Changed {
			s.only[name] = true
		}
	}
	return s, nil
}

// unchanged reports whether nothing that changed is in the call.
func (w *write) unchanged(s scope) bool {
	if w.body != nil && w.body.merges() {
		for name := range s.data {
			if s.only[name] {
				return false
			}
		}
	}
	for name := range s.only {
		if w.uses(name) || w.uses(dataPrefix+name) {
			return false
		}
	}
	return true
}

func refuse(class sdk.Class, code sdk.Code, detail string) sdk.Result {
	return sdk.Result{Outcome: sdk.OutcomeRefused, Class: class, Code: code, Detail: detail}
}
