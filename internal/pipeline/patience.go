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
	return func(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
		wait := firstWait
		for attempt := 1; ; attempt++ {
			page, err := source.Read(ctx, req)
			e, ok := errors.AsType[*sdk.Error](err)
			if err == nil || !ok || e.Class != sdk.ClassRetry || attempt == attempts {
				return page, err
			}
			pause := wait
			if e.After > 0 {
				pause = min(e.After, longestWait)
			}
			r.Logger.Warn("source asks to wait", "kind", req.Kind, "attempt", attempt, "wait", pause, "err", err)
			if err := r.Sleep(ctx, pause); err != nil {
				return nil, err
			}
			wait = min(2*wait, longestWait)
		}
	}
}
