package mapping

import (
	"context"
	"errors"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// caseDeadline is how long a case may take: more than a record in a run, since
// it is taken by the clock, on a machine that may do something else.
const caseDeadline = 3 * DefaultRecordDeadline

// memoryLooks is how often a case's memory is looked at.
const memoryLooks = 20 * time.Millisecond

var errCaseMemory = errors.New("the case needs too much memory")

// guarded runs a case within bounds. Cases run inside the calling process, where
// nothing can be killed: a script is stopped between two of its instructions,
// and every call of the library is short.
func (t *caseTest) guarded(ctx context.Context, run func() roster.MappedRecord) roster.MappedRecord {
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	bounded, stop := context.WithTimeout(bounded, caseDeadline)
	defer stop()
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { watchMemory(done, func() { cancel(errCaseMemory) }) })
	t.engine.lua.SetContext(bounded)
	got := run()
	cause := context.Cause(bounded)
	close(done)
	watch.Wait()
	if cause == nil || ctx.Err() != nil || got.Code != roster.CodeMapError {
		return got
	}
	got.Code = roster.CodeMapStopped
	got.Reason = place(t.engine.script, got.Line) + tookTooLong(DefaultRecordDeadline)
	if errors.Is(cause, errCaseMemory) {
		got.Reason = place(t.engine.script, got.Line) + neededTooMuch(DefaultMemoryLimit)
	}
	return got
}

// watchMemory calls over once the heap has grown beyond what a worker may take.
func watchMemory(done <-chan struct{}, over func()) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	ticker := time.NewTicker(memoryLooks)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
		}
		metrics.Read(sample)
		if now := sample[0].Value.Uint64(); now > before+DefaultMemoryLimit {
			over()
			return
		}
	}
}
