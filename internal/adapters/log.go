package adapters

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// The bounds of what one adapter process may write to the daemon's log.
const (
	maxLinesPerSecond = 100
	maxLogText        = 1 << 10
	maxLogAttrs       = 32
)

// lineLog writes an adapter's output to the daemon's log. It serves concurrent
// calls.
type lineLog struct {
	logger *slog.Logger
	now    func() time.Time

	mu      sync.Mutex
	second  int64
	lines   int
	dropped int
	crash   crash
}

// crash is the part of a Go program's crash report that is being printed.
type crash int

const (
	crashNone crash = iota
	// crashValue is what was panicked with, which may hold values of records.
	crashValue
	crashStack
)

// stderr logs one line: an object of the SDK's logger with its level and
// attributes, anything else as text.
func (l *lineLog) stderr(line []byte) {
	if line[0] == '{' {
		var raw map[string]json.RawMessage
		if json.Unmarshal(line, &raw) == nil {
			l.object(raw)
			return
		}
	}
	l.text(line)
}

// text logs a line that an adapter printed. It is for debugging, since nothing
// is known about what it holds. Of a crash report the runtime's own words and
// the stack are an error.
func (l *lineLog) text(line []byte) {
	level, began := l.classify(line)
	if began {
		l.write(slog.LevelError, "the adapter panicked; with what is logged at level debug, because it may hold values of records")
	}
	l.write(level, "the adapter printed a line", slog.String("line", cut(string(line))))
}

// classify returns the level of a printed line, and whether the report of a
// panic begins with it whose value is not shown.
func (l *lineLog) classify(line []byte) (level slog.Level, began bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case bytes.HasPrefix(line, []byte("panic: runtime error: ")), bytes.HasPrefix(line, []byte("fatal error: ")),
		l.crash == crashValue && bytes.HasPrefix(line, []byte("goroutine ")):
		l.crash = crashStack
	case l.crash == crashNone && bytes.HasPrefix(line, []byte("panic: ")):
		l.crash, began = crashValue, true
	}
	if l.crash == crashStack {
		return slog.LevelError, false
	}
	return slog.LevelDebug, began
}

func (l *lineLog) object(raw map[string]json.RawMessage) {
	level := parseLevel(value(raw["@level"]).String())
	message := value(raw["@message"]).String()
	attrs := make([]slog.Attr, 0, min(len(raw), maxLogAttrs))
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if strings.HasPrefix(key, "@") || len(attrs) == maxLogAttrs {
			continue
		}
		attrs = append(attrs, slog.Attr{Key: cut(key), Value: value(raw[key])})
	}
	l.write(level, message, attrs...)
}

// write logs within the bound and says how much it dropped.
func (l *lineLog) write(level slog.Level, message string, attrs ...slog.Attr) {
	ctx := context.Background()
	if !l.logger.Enabled(ctx, level) {
		return
	}
	dropped, ok := l.admit()
	if !ok {
		return
	}
	if dropped > 0 {
		l.logger.Warn("an adapter logged too much: lines were dropped", "lines", dropped)
	}
	l.logger.LogAttrs(ctx, level, message, attrs...) //nolint:sloglint // The message is the adapter's own.
}

func (l *lineLog) admit() (dropped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.now().Unix(); s != l.second {
		dropped = l.dropped
		l.second, l.lines, l.dropped = s, 0, 0
	}
	if l.lines >= maxLinesPerSecond {
		l.dropped++
		return 0, false
	}
	l.lines++
	return dropped, true
}

// Write logs what the adapter's program printed after its start; go-plugin
// passes it on in pieces.
func (l *lineLog) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			l.text(line)
		}
	}
	return len(b), nil
}

func value(raw json.RawMessage) slog.Value {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return slog.StringValue("")
	}
	switch v := v.(type) {
	case string:
		return slog.StringValue(cut(v))
	case bool:
		return slog.BoolValue(v)
	}
	// Numbers stay as they were written, so that no digit is lost.
	return slog.StringValue(cut(string(raw)))
}

func cut(s string) string {
	if len(s) > maxLogText {
		s = s[:maxLogText]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func parseLevel(s string) slog.Level {
	switch {
	case strings.HasPrefix(s, "error"):
		return slog.LevelError
	case strings.HasPrefix(s, "warn"):
		return slog.LevelWarn
	case strings.HasPrefix(s, "info"):
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
