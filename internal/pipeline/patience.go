package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// How long a run waits for a source that asks to be called again later.
const (
	firstWait   = time.Second
	longestWait = 2 * time.Minute
	// attempts bounds the calls for one page: with doubling waits they span
	// some ten minutes.
	attempts = 10
)

// patient returns a read function that repeats a call while the source says
// that it may succeed later.
func (r *Runner) patient(source Source) readFunc {
	return func(ctx context.Context, req sdk.ReadRequest) (page *sdk.Page, err error) {
		err = r.patiently(ctx, "source", req.Kind, func(ctx context.Context) error {
			page, err = source.Read(ctx, req)
			return err
		})
		return page, err
	}
}

// patiently repeats a call while who answers it says that it may succeed later. A
// quota that is used up for longer than a run waits is an error.
func (r *Runner) patiently(ctx context.Context, who string, kind sdk.Kind, call func(context.Context) error) error {
	wait := firstWait
	for attempt := 1; ; attempt++ {
		err := call(ctx)
		e, ok := errors.AsType[*sdk.Error](err)
		if err == nil || !ok || e.Class != sdk.ClassRetry || attempt == attempts {
			return err
		}
		if _, over := usedUp(err); over {
			return err
		}
		pause := wait
		if e.After > 0 {
			pause = min(e.After, longestWait)
		}
		r.Logger.Warn("outside system asks to wait", "who", who, "kind", kind, "attempt", attempt, "wait", pause, "err", err)
		if err := r.Sleep(ctx, pause); err != nil {
			return err
		}
		wait = min(2*wait, longestWait)
	}
}
