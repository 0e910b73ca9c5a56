package export

import (
	"net/http"
	"strconv"
	"sync/atomic"
)

// refusedError says why a request is refused. Only this daemon's operator
// learns it; the caller is answered the same 404 for each.
type refusedError uint8

// The reasons to refuse a request.
const (
	errAddressRate refusedError = iota
	errPath
	errMethod
	errSecret
	errQuery
	errBusiness
	errStaff
	errState
	errRepeats
	errBusinessRate
	errBody
)

// refusedReasons is the number of reasons.
const refusedReasons = int(errBody) + 1

// Error names the reason as it stands in logs and metrics.
func (e refusedError) Error() string {
	switch e {
	case errAddressRate:
		return "address_rate"
	case errPath:
		return "path"
	case errMethod:
		return "method"
	case errSecret:
		return "secret"
	case errQuery:
		return "query"
	case errBusiness:
		return "business"
	case errStaff:
		return "staff"
	case errState:
		return "session_state"
	case errRepeats:
		return "repeats"
	case errBusinessRate:
		return "business_rate"
	case errBody:
		return "body"
	}
	return "reason " + strconv.Itoa(int(e))
}

// Stats count what came through the protocol since the daemon started.
type Stats struct {
	// Answered is the number of requests answered with 200.
	Answered int64
	// Failed is the number answered with 503: the store or the change set
	// failed, or the session's run had not gone on yet.
	Failed int64
	// Refused is the number answered with 404, by reason.
	Refused map[string]int64
	// UnknownParameters is the number of query parameters that the protocol
	// does not have, in requests with a valid secret.
	UnknownParameters int64
	// Events is the number of events that told of a session, ForeignEvents of
	// those that told of nothing that is known here.
	Events, ForeignEvents int64
}

// stats are the counters behind [Stats].
type stats struct {
	answered, failed, unknown atomic.Int64
	events, foreignEvents     atomic.Int64
	refused                   [refusedReasons]atomic.Int64
}

// Stats returns the counts of the protocol.
func (s *Sessions) Stats() Stats {
	out := Stats{
		Answered:          s.stats.answered.Load(),
		Failed:            s.stats.failed.Load(),
		UnknownParameters: s.stats.unknown.Load(),
		Events:            s.stats.events.Load(),
		ForeignEvents:     s.stats.foreignEvents.Load(),
		Refused:           make(map[string]int64, refusedReasons),
	}
	for reason := range refusedReasons {
		out.Refused[refusedError(reason).Error()] = s.stats.refused[reason].Load()
	}
	return out
}

const refusalBody = "not found\n"

// refuse writes the one 404. The connection is closed because it would be for a
// request whose body is too long to skip, and every refusal looks alike.
func refuse(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(refusalBody)))
	header.Set("Connection", "close")
	guardHeaders(header)
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(refusalBody)) // a caller who has gone needs no answer
}

// guardHeaders keeps personal data out of caches and out of content sniffing.
func guardHeaders(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
}
