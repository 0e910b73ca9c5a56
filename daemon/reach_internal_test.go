package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/store"
)

func TestACommandWaitsForAnotherThatReadsTheState(t *testing.T) {
	t.Parallel()
	locked, broken := fmt.Errorf("open: %w", store.ErrLocked), errors.New("broken")
	for name, test := range map[string]struct {
		errs  []error
		opens int
		want  error
	}{
		"free at once":     {nil, 1, nil},
		"free later":       {[]error{locked, locked}, 3, nil},
		"something else":   {[]error{locked, broken, locked}, 2, broken},
		"held by a daemon": {[]error{locked}, lockTries, store.ErrLocked},
	} {
		opens := 0
		pause := func(context.Context, time.Duration) error { return nil }
		err := unlocked(t.Context(), pause, func() error {
			opens++
			switch {
			case test.want == store.ErrLocked: //nolint:errorlint // the case is told by the sentinel itself
				return locked
			case opens <= len(test.errs):
				return test.errs[opens-1]
			}
			return nil
		})
		if !errors.Is(err, test.want) || opens != test.opens {
			t.Errorf("%s: opened %d times, %v; want %d times, %v", name, opens, err, test.opens, test.want)
		}
	}
	stopped := errors.New("stopped")
	opens := 0
	err := unlocked(t.Context(), func(context.Context, time.Duration) error { return stopped }, func() error { opens++; return locked })
	if opens != 1 || !errors.Is(err, store.ErrLocked) {
		t.Errorf("a command that is ended opened %d times: %v", opens, err)
	}
}
