package httpx

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// DefaultQuotaWait is the longest that a call waits for a quota to open.
const DefaultQuotaWait = 30 * time.Second

// Limits bound how many requests leave within a second, a minute and a day,
// reads and writes together; 0 is no limit. Minutes and days are the last 60
// seconds and 24 hours at each moment, because systems begin theirs at times of
// their own.
type Limits struct {
	PerSecond float64
	PerMinute int
	PerDay    int
}

// Quotas counts requests by base URL and credentials, for all clients that are
// made with it: a program has one, so that everything that uses a credential
// shares its limits. The counts live as long as the program. A Quotas serves
// concurrent calls; its zero value is ready.
type Quotas struct {
	mu     sync.Mutex
	counts map[[sha256.Size]byte]*quota
}

// of returns the counts of a credential.
func (q *Quotas) of(base, identity string) *quota {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.counts == nil {
		q.counts = map[[sha256.Size]byte]*quota{}
	}
	key := sha256.Sum256([]byte(base + "\x00" + identity))
	if q.counts[key] == nil {
		q.counts[key] = newQuota()
	}
	return q.counts[key]
}

// quota is what has left for one credential. The limits are the caller's.
type quota struct {
	mu sync.Mutex
	// due is when the next request may leave if they go out evenly.
	due    time.Time
	minute window
	day    window
}

func newQuota() *quota {
	return &quota{minute: newWindow(time.Minute, time.Second), day: newWindow(24*time.Hour, time.Minute)}
}

// take counts a request, or says how long to wait before asking again.
func (q *quota) take(now time.Time, l Limits) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	wait := max(q.minute.wait(now, l.PerMinute), q.day.wait(now, l.PerDay))
	var interval time.Duration
	if l.PerSecond > 0 {
		interval = time.Duration(float64(time.Second) / l.PerSecond)
		// A second's worth may leave at once.
		burst := interval * time.Duration(max(1, int(l.PerSecond))-1)
		wait = max(wait, q.due.Add(-burst).Sub(now))
	}
	if wait > 0 {
		return wait
	}
	if q.due.Before(now) {
		q.due = now
	}
	q.due = q.due.Add(interval)
	q.minute.add(now)
	q.day.add(now)
	return 0
}

// window counts what happened within a span, in steps.
type window struct {
	step   time.Duration
	counts []int
	// last is the number of the latest step.
	last  int64
	total int
}

func newWindow(span, step time.Duration) window {
	return window{step: step, counts: make([]int, span/step+1)}
}

// move forgets the steps that have left the span. A clock that is set back by less
// than the span moves nothing. Where it is set back by more, it stood wrong before:
// what was counted then would stay until that time comes, and is forgotten.
func (w *window) move(now time.Time) {
	to := now.UnixNano() / int64(w.step)
	if w.last-to >= int64(len(w.counts)) {
		clear(w.counts)
		w.last, w.total = to, 0
	}
	for n := min(to-w.last, int64(len(w.counts))); n > 0; n-- {
		slot := &w.counts[(to-n+1)%int64(len(w.counts))]
		w.total -= *slot
		*slot = 0
	}
	w.last = max(w.last, to)
}

// wait is how long until less than limit happened within the span.
func (w *window) wait(now time.Time, limit int) time.Duration {
	w.move(now)
	if limit <= 0 || w.total < limit {
		return 0
	}
	left := w.total
	for n := int64(len(w.counts)) - 1; n >= 0; n-- {
		step := w.last - n
		if left -= w.counts[step%int64(len(w.counts))]; left < limit {
			return time.Unix(0, (step+int64(len(w.counts)))*int64(w.step)).Sub(now)
		}
	}
	return w.step
}

func (w *window) add(now time.Time) {
	w.move(now)
	w.counts[w.last%int64(len(w.counts))]++
	w.total++
}

// left is how much of a limit is left.
func (w *window) left(now time.Time, limit int) int {
	w.move(now)
	return max(0, limit-w.total)
}

// Quotas tells what is left of the limits of a minute and of a day. It is ready to
// implement [sdk.QuotaTeller].
func (c *Client) Quotas() []sdk.Quota {
	q := c.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []sdk.Quota
	for _, one := range []struct {
		limit  int
		window *window
		span   time.Duration
	}{{c.limits.PerMinute, &q.minute, time.Minute}, {c.limits.PerDay, &q.day, 24 * time.Hour}} {
		if one.limit > 0 {
			all = append(all, sdk.Quota{Span: one.span, Limit: one.limit, Left: one.window.left(c.now(), one.limit)})
		}
	}
	return all
}

// errQuota says that no request may leave for a while.
var errQuota = errors.New("the limit of requests that is set for this credential is used up")

// pass waits until a request may leave. What it returns is classified, but for
// the end of ctx.
func (c *Client) pass(ctx context.Context) error {
	if err := c.limiter.Wait(ctx); err != nil {
		return err
	}
	for waited := time.Duration(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		wait := c.quota.take(c.now(), c.limits)
		if wait <= 0 {
			return nil
		}
		if waited+wait > c.quotaWait || endsWithin(ctx, wait) {
			return &sdk.Error{Class: sdk.ClassRetry, Code: sdk.CodeQuota, After: wait, Err: errQuota}
		}
		if err := c.wait(ctx, wait); err != nil {
			return err
		}
		waited += wait
	}
}
