package wire

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// MaxOperations bounds the operations of one write, and the queries of one
// search, whatever an adapter declares.
const MaxOperations = 2000

// MaxWriteBytes bounds the operations of one write with their data. It leaves
// room in a message ([MaxMessageBytes]) for what frames them.
const MaxWriteBytes = 6 << 20

// maxID bounds the id of a record, a staff member or a lead source, in bytes.
const maxID = 1 << 10

// An answer to the largest write fits into a message with every id, detail and
// warning at its bound.
const (
	maxDetail   = 1 << 10
	maxWarnings = 8
	maxWarning  = 128
)

// maxMatches is how many records are taken for one query: two already say that
// it found more than one.
const maxMatches = 100

// maxRemoved bounds the ids of removed records in one page, in bytes.
const maxRemoved = 1 << 20

// What an adapter declares of time is taken up to these bounds. More than
// maxLag would hold an unproven create for as long.
const (
	maxLag  = 31 * 24 * time.Hour
	maxWait = 31 * 24 * time.Hour
)

// ErrNotSent is wrapped by the error of a call that never left this end, so
// that the adapter saw nothing of it.
var ErrNotSent = errors.New("not sent to the adapter")

// ErrAnswer is wrapped by the error of a call whose answer breaks the contract.
var ErrAnswer = errors.New("the adapter's answer breaks the contract")

// broken says of a call that its answer breaks the contract.
func broken(call string, why error) error {
	return sdk.Fail(sdk.CodeInternal, fmt.Errorf("%s: %w: %w", call, ErrAnswer, why))
}

// Unwritten is the answer to a write none of whose operations has a result of
// its own: all have the outcome, with what err says.
func Unwritten(operations int, outcome sdk.Outcome, err error) sdk.WriteResponse {
	e := sdk.AsError(err)
	one := sdk.Result{Outcome: outcome, Code: e.Code, Detail: clean(e.Error(), maxDetail), After: e.After}
	if outcome == sdk.OutcomeRefused {
		one.Class = e.Class
	}
	res := sdk.WriteResponse{Results: make([]sdk.Result, operations)}
	for i := range res.Results {
		res.Results[i] = one
	}
	return res
}

// validID reports whether a text can be an id.
func validID(id string) bool { return id != "" && len(id) <= maxID && utf8.ValidString(id) }

// wait makes a time to wait one that can be waited for.
func wait(d time.Duration) time.Duration { return max(0, min(d, maxWait)) }

// sendable checks a write before it is sent, so that what cannot cross is known
// not to have been executed.
func sendable(req sdk.WriteRequest) error {
	if len(req.Operations) > MaxOperations {
		return notSent("write: %d operations, at most %d", len(req.Operations), MaxOperations)
	}
	size := 0
	for i := range req.Operations {
		op := &req.Operations[i]
		size += len(op.Data)
		texts := [...]string{string(op.Op), op.ID, op.Key, op.Marker, op.Club, op.Owner, op.LeadSource}
		for _, text := range texts {
			if size += len(text); !utf8.ValidString(text) {
				return notSent("write: operation %d has text that is not UTF-8", i+1)
			}
		}
		for _, name := range op.Changed {
			if size += len(name); !utf8.ValidString(name) {
				return notSent("write: operation %d has text that is not UTF-8", i+1)
			}
		}
	}
	if size > MaxWriteBytes {
		return notSent("write: operations of %d bytes, at most %d: send them in parts", size, MaxWriteBytes)
	}
	return nil
}

func notSent(format string, args ...any) error {
	return sdk.Fail(sdk.CodeInternal, fmt.Errorf("%w: %s", ErrNotSent, fmt.Sprintf(format, args...)))
}
