package connector

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Reason tells a sender what kind of failure it met.
type Reason string

// The reasons. The first three are the Connector's own.
const (
	ReasonUnknown     Reason = "UNKNOWN"
	ReasonValidation  Reason = "VALIDATION"
	ReasonDatabase    Reason = "DATABASE"
	ReasonAccess      Reason = "ACCESS"
	ReasonNotFound    Reason = "NOT_FOUND"
	ReasonRate        Reason = "RATE"
	ReasonUnavailable Reason = "UNAVAILABLE"
	ReasonErased      Reason = "ERASED"
)

// failure is an answer that is an error. Its message goes to the sender and its
// cause to the log; neither holds a value of the request.
type failure struct {
	status  int
	reason  Reason
	message string
	// conn is the connection that was addressed, where the sender proved itself.
	conn  string
	cause error
}

// Error returns the cause, or what the sender is told.
func (f *failure) Error() string {
	if f.cause != nil {
		return f.cause.Error()
	}
	return f.message
}

func invalid(conn string, err error) *failure {
	return &failure{status: http.StatusBadRequest, reason: ReasonValidation, message: err.Error(), conn: conn}
}

// refusal says why a request is refused. Only this daemon's operator learns it;
// the sender is answered the same 401 for each.
type refusal uint8

const (
	errCredentials refusal = iota
	errSecret
	errProvider
	errClient
	errClub
)

// refusals is the number of reasons.
const refusals = errClub + 1

// Error names the reason as it stands in logs and metrics.
func (r refusal) Error() string {
	if r < refusals {
		return [...]string{"credentials", "secret", "provider", "client", "club"}[r]
	}
	return "reason " + strconv.Itoa(int(r))
}

const refusalMessage = "the secret, the provider, the client or the club is not known here"

func refused(why refusal) *failure {
	return &failure{status: http.StatusUnauthorized, reason: ReasonAccess, message: refusalMessage, cause: why}
}

// Reasons returns every reason.
func Reasons() []Reason {
	return []Reason{ReasonUnknown, ReasonValidation, ReasonDatabase, ReasonAccess, ReasonNotFound, ReasonRate, ReasonUnavailable, ReasonErased}
}

// Counter counts what comes through the interface. Its methods are called
// concurrently and must be quick. Connections are account/connection.
type Counter interface {
	// Saved is called with each record that was stored, and the number of values in
	// the request that nothing has asked for.
	Saved(conn string, kind sdk.Kind, unknown int)
	// Fetched is called with each record that was answered.
	Fetched(conn string)
	// Refused is called with each answer that is an error. The connection is empty
	// where nobody has proven to be its sender.
	Refused(conn string, reason Reason)
}

// uncounted is a [Counter] that counts nothing.
type uncounted struct{}

// Saved counts nothing.
func (uncounted) Saved(string, sdk.Kind, int) {}

// Fetched counts nothing.
func (uncounted) Fetched(string) {}

// Refused counts nothing.
func (uncounted) Refused(string, Reason) {}

// uuid writes 16 bytes as a UUID of version 8, which leaves their meaning to
// whoever makes them.
func uuid(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
