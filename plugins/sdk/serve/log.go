package serve

import (
	"io"
	"log/slog"
	"strings"
)

// timeFormat is the one that go-plugin parses.
const timeFormat = "2006-01-02T15:04:05.000000Z07:00"

// newLogger writes one JSON object a line, with the keys of hclog: a host of
// go-plugin reads them with their level and attributes.
func newLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level:       slog.LevelDebug,
		ReplaceAttr: hclogKeys,
	}))
}

func hclogKeys(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		if a.Value.Kind() == slog.KindTime {
			return slog.String("@timestamp", a.Value.Time().Format(timeFormat))
		}
	case slog.LevelKey:
		if l, ok := a.Value.Any().(slog.Level); ok {
			return slog.String("@level", strings.ToLower(l.String()))
		}
	case slog.MessageKey:
		return slog.String("@message", a.Value.String())
	}
	return a
}
