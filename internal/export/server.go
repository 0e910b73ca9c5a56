package export

import (
	"log/slog"
	"net/http"
	"time"
)

// MaxConnections is how many connections the public listener should have open
// at one time. A target needs a few; the bound keeps strangers from using up the
// daemon's files.
const MaxConnections = 1024

// NewServer returns an HTTP server for the public listener, whose callers are
// strangers: every phase of a request ends after a bounded time, so that
// neither half-sent requests nor answers that nobody reads pile up.
//
//   - the header within 5 seconds, the whole request within 15: the protocol's
//     requests are one short packet;
//   - the answer within 60 seconds: a page of 1,000 clients over a slow line;
//   - an idle connection for 60 seconds: the target asks page after page;
//   - 16 KiB of header: the protocol needs less than 1 KiB.
//
// OPTIONS * goes to the handler as well, so that it is refused like the rest.
// The number of connections is for the listener to bound, by [MaxConnections]. What net/http itself
// has to say goes to the logger.
func NewServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      handler,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            5 * time.Second,
		ReadTimeout:                  15 * time.Second,
		WriteTimeout:                 60 * time.Second,
		IdleTimeout:                  60 * time.Second,
		MaxHeaderBytes:               16 << 10,
		ErrorLog:                     slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}
