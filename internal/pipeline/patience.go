package pipeline

import (
	"context"
	"errors"
	"fmt"
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
func (r *Runner) patient(source Source, live *progress) readFunc {
	return func(ctx context.Context, req sdk.ReadRequest) (page *sdk.Page, err error) {
		err = r.patiently(ctx, live, "source", req.Kind, func(ctx context.Context) error {
			page, err = source.Read(ctx, req)
			return err
		})
		return page, err
	}
}

// patiently repeats a call while who answers it says that it may succeed later. A
// quota that is used up for longer than a run waits is an error.
func (r *Runner) patiently(ctx context.Context, live *progress, who string, kind sdk.Kind, call func(context.Context) error) error {
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
		r.Logger.Warn("outside system cannot answer yet", "who", who, "kind", kind, "attempt", attempt, "wait", pause, "err", err)
		live.waits(fmt.Sprintf("the %s cannot answer yet, and is asked again: %v", who, err))
		err = r.Sleep(ctx, pause)
		live.waits("")
		if err != nil {
			return err
		}
		wait = min(2*wait, longestWait)
	}
}
