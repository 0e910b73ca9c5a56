package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// writer writes records of the case's kind.
type writer struct {
	p      *probe
	opened Opened
	target sdk.Target
	kind   sdk.TargetKind
	on     *Writing
}

func (p *probe) writer() (writer, error) { return p.writerOf(p.c.Connection) }

func (p *probe) writerOf(c sdk.Connection) (writer, error) {
	if p.c.Write == nil {
		return writer{}, leftOutError("nothing is written to the outside system: it takes Case.Write in a test of the adapter, or --write")
	}
	o, err := p.openWith(c)
	if err != nil {
		return writer{}, fmt.Errorf("open the connection: %w", err)
	}
	w := writer{p: p, opened: o, on: p.c.Write}
	if w.target, err = abilityOf[sdk.Target](o, sdk.AbilityTarget); err != nil {
		return w, err
	}
	info, err := call(p.ctx, "describe target", p.c.Patience, w.target.Target)
	if err != nil {
		return w, err
	}
	kind, known := info.Kind(w.on.Kind)
	if w.kind = kind; !known {
		return w, fmt.Errorf("kind %q is to be written, and the connection writes none of it", w.on.Kind)
	}
	if !w.kind.Can(sdk.OpCreate) {
		return w, leftOutError("the system creates no records of this kind")
	}
	return w, nil
}

// create is an operation that creates a record which was not there before.
func (w writer) create() sdk.Operation {
	n := w.on.Base + int(w.p.c.written.Add(1))
	return sdk.Operation{
		Op: sdk.OpCreate, Key: fmt.Sprint("sdktest-", n), Marker: fmt.Sprintf("sdktest%017d", n), Attempt: 1,
		Club: w.on.Club, Owner: w.on.Owner, LeadSource: w.on.LeadSource, Data: w.on.Record(n),
	}
}

func (w writer) creates(n int) []sdk.Operation {
	ops := make([]sdk.Operation, n)
	for i := range ops {
		ops[i] = w.create()
	}
	return ops
}

// count is the number of records at the outside system; 0 where it is not
// known.
func (w writer) count() int {
	if w.on.Count == nil {
		return 0
	}
	return w.on.Count()
}

// grew says what is wrong with the number of records that were made.
func (w writer) grew(before, least, most int) error {
	if w.on.Count == nil {
		return nil
	}
	if n := w.on.Count() - before; n < least || n > most {
		return fmt.Errorf("the outside system has %d records more, where %d to %d are right", n, least, most)
	}
	return nil
}

// write makes one call and checks what results have to be whatever came of the
// operations. An error leaves each of them unknown.
func (w writer) write(ctx context.Context, ops ...sdk.Operation) ([]sdk.Result, error) {
	var wrong error
	res, err := call(ctx, "write", w.p.c.Patience, func(ctx context.Context) ([]sdk.Result, error) {
		res, err := w.target.Write(ctx, sdk.WriteRequest{Kind: w.kind.Kind, Operations: slices.Clone(ops)})
		if err == nil {
			return res.Results, nil
		}
		if secret := w.p.secretIn(err.Error()); secret != "" {
			wrong = fmt.Errorf("the error quotes the secret setting %s", secret)
		}
		e := sdk.AsError(err)
		unknown := sdk.Result{Outcome: sdk.OutcomeUnknown, Code: e.Code, Detail: e.Error()}
		return slices.Repeat([]sdk.Result{unknown}, len(ops)), nil
	})
	switch {
	case err != nil:
		return nil, err
	case wrong != nil:
		return nil, wrong
	case len(res) != len(ops):
		return nil, fmt.Errorf("%d results for %d operations", len(res), len(ops))
	}
	for i, r := range res {
		if err := w.sound(ops[i], r); err != nil {
			return nil, fmt.Errorf("operation %d (%s): %w", i+1, ops[i].Op, err)
		}
	}
	return res, nil
}

func (w writer) sound(op sdk.Operation, r sdk.Result) error {
	switch r.Outcome {
	case sdk.OutcomeOK:
		if makes(op.Op) && r.ID == "" {
			return errors.New("a record was created and the result has no id")
		}
	case sdk.OutcomeRefused:
		if r.Class != sdk.ClassReject && r.Class != sdk.ClassRetry && r.Class != sdk.ClassFail {
			return fmt.Errorf("refused with the class %q, which is none of the contract", r.Class)
		}
	case sdk.OutcomeConflict, sdk.OutcomeUnknown:
	default:
		return fmt.Errorf("the outcome %q is none of the contract", r.Outcome)
	}
	if r.Outcome != sdk.OutcomeOK && (r.Code == "" || strings.TrimSpace(r.Detail) == "") {
		return fmt.Errorf("the outcome %q comes without a code or a detail for a person", r.Outcome)
	}
	if !utf8.ValidString(r.ID) || len(r.ID) > maxIDBytes {
		return fmt.Errorf("the id is not UTF-8 or has more than %d bytes", maxIDBytes)
	}
	return w.discreet(op, r)
}

// discreet says whether the texts of a result quote what they must not.
func (w writer) discreet(op sdk.Operation, r sdk.Result) error {
	for _, text := range append(slices.Clone(r.Warnings), r.Detail) {
		if secret := w.p.secretIn(text); secret != "" {
			return fmt.Errorf("a detail or a warning quotes the secret setting %s", secret)
		}
		if field := quoted(op.Data, text); field != "" {
			return fmt.Errorf("a detail or a warning quotes the value of the field %q", field)
		}
	}
	return nil
}

// maxIDBytes bounds an id.
const maxIDBytes = 1 << 10

// quoted returns the field of a record whose value stands in a text.
func quoted(data json.RawMessage, text string) string {
	for name, value := range texts(data) {
		if len(value) >= minSecret && value != name && strings.Contains(text, value) {
			return name
		}
	}
	return ""
}

// texts returns the fields of a record that are strings.
func texts(data json.RawMessage) map[string]string {
	var fields map[string]any
	if json.Unmarshal(data, &fields) != nil {
		return nil
	}
	out := map[string]string{}
	for name, value := range fields {
		if text, ok := value.(string); ok {
			out[name] = text
		}
	}
	return out
}

// done creates records that have to be created, and returns their ids.
func (w writer) done(ctx context.Context, ops ...sdk.Operation) ([]string, error) {
	res, err := w.write(ctx, ops...)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(res))
	for i, r := range res {
		if r.Outcome != sdk.OutcomeOK {
			return nil, fmt.Errorf("operation %d (%s), which the outside system accepts, has the outcome %q: %s", i+1, ops[i].Op, r.Outcome, r.Detail)
		}
		ids[i] = r.ID
	}
	return ids, nil
}
