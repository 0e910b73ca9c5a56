package main

import (
	"encoding/json"
	"strconv"
	"time"
)

// timeFormat is how a service writes a moment.
type timeFormat string

const (
	formatRFC3339  timeFormat = "rfc3339"
	formatDate     timeFormat = "date"
	formatDateTime timeFormat = "datetime"
	formatUnix     timeFormat = "unix"
	formatUnixMS   timeFormat = "unix_ms"
)

// resolution is the smallest step of the format.
func (f timeFormat) resolution() time.Duration {
	switch f {
	case formatDate:
		return 24 * time.Hour
	case formatUnixMS:
		return time.Millisecond
	case formatRFC3339, formatDateTime, formatUnix:
	}
	return time.Second
}

// text writes a moment, in UTC.
func (f timeFormat) text(t time.Time) string {
	t = t.UTC()
	switch f {
	case formatDate:
		return t.Format(time.DateOnly)
	case formatDateTime:
		return t.Format(time.DateTime)
	case formatUnix:
		return strconv.FormatInt(t.Unix(), 10)
	case formatUnixMS:
		return strconv.FormatInt(t.UnixMilli(), 10)
	case formatRFC3339:
	}
	return t.Format(time.RFC3339)
}

// parse reads a moment. A record may write it more finely than a query does.
func (f timeFormat) parse(v any) (time.Time, bool) {
	w := word(v)
	if n, err := strconv.ParseFloat(w, 64); err == nil && (f == formatUnix || f == formatUnixMS) {
		if f == formatUnixMS {
			n /= 1000
		}
		if !(n >= 0 && n <= 1<<35) { // nor what is no number
			return time.Time{}, false
		}
		return time.UnixMilli(int64(n * 1000)).UTC(), true
	}
	if _, number := v.(json.Number); number {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, w); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// later is the later of a moment and the one at which an item changed.
func (s *since) later(high time.Time, item any) time.Time {
	if s == nil || s.field == nil {
		return high
	}
	if v, ok := s.field.get(item); ok {
		if t, ok := s.format.parse(v); ok && t.After(high) {
			return t
		}
	}
	return high
}

// next is the moment to ask from after a walk that began at began, whose latest
// change is high. What changed while the walk ran may lie before a later change
// that was seen, so that the beginning bounds it.
func (s *since) next(before, began, high time.Time) time.Time {
	at := began
	if s.field != nil {
		if high.IsZero() {
			return before
		}
		if high.Before(at) {
			at = high
		}
	}
	at = at.Add(-s.overlap)
	if s.exclusive && s.overlap < s.format.resolution() {
		at = at.Add(-s.format.resolution())
	}
	if at.Before(before) {
		return before
	}
	return at.UTC().Truncate(s.format.resolution())
}
