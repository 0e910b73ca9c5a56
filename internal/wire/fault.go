package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rosterd/rosterd/plugins/sdk"
	adapterv1 "github.com/rosterd/rosterd/plugins/sdk/proto/v1"
)

// ErrTransport is wrapped by the error of a call that got no answer from the
// adapter: its process died, hangs or broke the connection. Whether the call
// was executed is not known.
var ErrTransport = errors.New("the adapter did not answer")

// answeredError is the text of an error that the adapter's own code returned.
type answeredError struct{ text string }

func (e answeredError) Error() string { return e.text }

// FromAdapter reports whether an error of a [Client] is one that the adapter's
// own code returned: its process was well enough to answer.
func FromAdapter(err error) bool {
	_, ok := errors.AsType[answeredError](err)
	return ok
}

// maxText bounds the text of an error that crosses.
const maxText = 4 << 10

// toStatus turns an adapter's error into what crosses. That the call itself
// was ended is told as such: its deadline passes at both ends, and whichever is
// first, the caller sees the same.
func toStatus(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if over := ctx.Err(); over != nil && errors.Is(err, over) {
		return status.FromContextError(over).Err()
	}
	e := sdk.AsError(err)
	st := status.New(codes.Unknown, clean(e.Error(), maxText))
	detailed, derr := st.WithDetails(&adapterv1.Fault{
		Class:      classToProto(e.Class),
		Code:       clean(string(e.Code), maxText),
		AfterNanos: int64(e.After),
	})
	if derr != nil {
		return st.Err()
	}
	return detailed.Err()
}

// fromStatus turns what crossed into the adapter's error again, or into an
// error of the crossing itself.
func fromStatus(ctx context.Context, call string, err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	if ctx.Err() != nil {
		// What the adapter made of the same end is of no use to the caller.
		return crossing(ctx, call, st)
	}
	for _, d := range st.Details() {
		if f, ok := d.(*adapterv1.Fault); ok {
			return &sdk.Error{
				Class: classFromProto(f.GetClass()),
				Code:  codeFromProto(f.GetCode()),
				After: wait(time.Duration(f.GetAfterNanos())),
				Err:   answeredError{text: clean(st.Message(), maxText)},
			}
		}
	}
	return crossing(ctx, call, st)
}

// crossing classifies an answer that did not come from the adapter's own code.
func crossing(ctx context.Context, call string, st *status.Status) error {
	switch {
	case ctx.Err() != nil:
		return sdk.Retry(0, fmt.Errorf("%s: %w: %w", call, ErrTransport, ctx.Err()))
	case st.Code() == codes.DeadlineExceeded:
		return sdk.Retry(0, fmt.Errorf("%s: %w: %w", call, ErrTransport, context.DeadlineExceeded))
	case st.Code() == codes.Unavailable, st.Code() == codes.Canceled:
		return sdk.Retry(0, fmt.Errorf("%s: %w", call, ErrTransport))
	}
	return sdk.Fail(sdk.CodeInternal, fmt.Errorf("%s: the adapter answered with %s: %s",
		call, st.Code(), clean(st.Message(), maxText)))
}

func classToProto(c sdk.Class) adapterv1.Fault_Class {
	switch c {
	case sdk.ClassRetry:
		return adapterv1.Fault_CLASS_RETRY
	case sdk.ClassReject:
		return adapterv1.Fault_CLASS_REJECT
	case sdk.ClassFail:
	}
	return adapterv1.Fault_CLASS_FAIL
}

// classFromProto takes what it does not know for the class that stops a run:
// repeating a call that may not be repeated is worse.
func classFromProto(c adapterv1.Fault_Class) sdk.Class {
	switch c {
	case adapterv1.Fault_CLASS_RETRY:
		return sdk.ClassRetry
	case adapterv1.Fault_CLASS_REJECT:
		return sdk.ClassReject
	case adapterv1.Fault_CLASS_FAIL, adapterv1.Fault_CLASS_UNSPECIFIED:
	}
	return sdk.ClassFail
}

// codeFromProto lets only the contract's words through: a code becomes a key in
// logs and metrics.
func codeFromProto(s string) sdk.Code {
	switch c := sdk.Code(s); c {
	case sdk.CodeConfig, sdk.CodeAuth, sdk.CodeUnavailable, sdk.CodeQuota, sdk.CodeChanged, sdk.CodeData, sdk.CodeInternal:
		return c
	}
	return sdk.CodeInternal
}

// clean makes text from the other process fit for a message: valid UTF-8 of at
// most limit bytes.
func clean(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
