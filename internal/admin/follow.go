package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// silence is how long a stream may say nothing before the daemon counts as
// gone: three heartbeats and the time of one line.
const silence = 3*heartbeatInterval + lineTimeout

// maxLineBytes bounds one event.
const maxLineBytes = 1 << 20

// Watch follows a run and calls each with every event, the summary last, then
// returns nil. It ends early with each's error, with ctx's, with a [Problem]
// when the daemon ends the stream, or with [ErrUnreachable] when it is gone;
// the run goes on in each case. Heartbeats and types of event that this version
// does not know are not passed on.
func (c *Client) Watch(ctx context.Context, run string, each func(Event) error) error {
	quiet := errors.New("nothing was heard for " + silence.String())
	streamCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() { cancel(quiet) })
	defer watchdog.Stop()
	res, err := c.open(streamCtx, http.MethodGet, "/v1/runs/"+segment(run)+"/events", nil, "application/x-ndjson")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		watchdog.Reset(silence)
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("watch run %s: understand an event: %w", run, err)
		}
		if over, err := deliver(e, each); over || err != nil {
			return err
		}
	}
	switch cause := context.Cause(streamCtx); {
	case ctx.Err() != nil:
		return ctx.Err()
	case cause != nil:
		return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.addr, cause)
	case lines.Err() != nil:
		return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.addr, lines.Err())
	}
	return fmt.Errorf("%w at %s: it ended the stream before the run was over", ErrUnreachable, c.addr)
}

// deliver passes one event on and reports whether it was the last.
func deliver(e Event, each func(Event) error) (over bool, err error) {
	switch e.Type {
	case EventStatus:
		return false, each(e)
	case EventSummary:
		return true, each(e)
	case EventError:
		if e.Problem == nil {
			e.Problem = &Problem{Code: codeInternal, Detail: "the daemon ended the stream", Hint: hintLog}
		}
		return true, e.Problem
	case EventHeartbeat:
	}
	return false, nil
}
