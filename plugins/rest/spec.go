package main

import (
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// spec is what a file says of a service.
type spec struct {
	auth    authSpec
	headers []parameter
	limits  httpx.Limits
	errors  errorSpec
	kinds   map[sdk.Kind]*kind
	check   *call
	clubs   *clubList
}

// authWay is how requests are authorised.
type authWay string

const (
	authNone   authWay = "none"
	authBearer authWay = "bearer"
	authBasic  authWay = "basic"
	authHeader authWay = "header"
	authOAuth  authWay = "oauth"
)

type authSpec struct {
	way authWay
	// header names the header of authHeader.
	header string
	oauth  httpx.OAuth
}

// verdict is what a body says, whatever the status.
type verdict int

const (
	// fine: it says nothing against the call.
	fine verdict = iota
	// silent: it is to say whether the call succeeded, and does not.
	silent
	// failed: it says that the call failed.
	failed
	// later: it may succeed later.
	later
	// broken: a person has to mend the connection.
	broken
	// taken: a record is in the way.
	taken
	// gone: the record is not there.
	gone
	// unsure: whether the call was carried out is not known.
	unsure
)

// errorSpec says how the service tells of failures.
type errorSpec struct {
	ok            *condition
	code, message *pointer
	// status is where a body with a status of success has the real one.
	status *pointer
	// messageSafe says that messages hold no values of records.
	messageSafe bool
	// verdicts are the meanings of codes.
	verdicts map[string]verdict
	// conflictID is where the id of the record in the way stands.
	conflictID *pointer
	// safe503 says that a 503 was not executed.
	safe503 bool
}

// kind is how records of one kind are read and written.
type kind struct {
	id, club, marker, email, name *pointer
	inactive, removed             *condition

	class             sdk.GuaranteeClass
	unique            string
	natural           []string
	keyTTL            time.Duration
	execLag, indexLag time.Duration
	updates           sdk.UpdateSemantics

	fields []field
	// open says that records may carry other fields than those.
	open bool

	list, find, findBy *list
	// custom lists the fields that the business added; nil for none.
	custom *customFields
	get    *call
	writes map[string]*write
	// sameRecord says that a member keeps the record of the prospect.
	sameRecord bool
	// print tells what the kind's records are read by from anything else.
	print uint64
}

// field is a field of the kind's records.
type field struct {
	sdk.TargetField
	// at is where it stands in the service's records.
	at pointer
}

// parameter is a query parameter, or a header.
type parameter struct {
	name  string
	value template
}

// call is one request that the service understands.
type call struct {
	method string
	path   template
	query  []parameter
	body   *tree
	// item is where the record stands in the answer of a get.
	item pointer
}

// list is a call that returns records.
type list struct {
	call
	items  pointer
	paging paging
	since  *since
	// perClub says that it is made once for each club.
	perClub bool
}

// since is how a list is asked for what changed.
type since struct {
	param  string
	format timeFormat
	// field is where a record says when it changed; nil for nowhere.
	field     *pointer
	exclusive bool
	overlap   time.Duration
}

// customFields is a call that lists fields, and where each says what it is.
type customFields struct {
	list
	name, label, kind, required, length *pointer
}

// write is a call that changes something.
type write struct {
	call
	// id is where the record's id stands in the answer.
	id idPlace
	// created is the status that says that a record was made; 0 is any success.
	created int
	// keyHeader is the header of the idempotency key.
	keyHeader string
	// changedOnly sends the fields only that changed.
	changedOnly bool
}

// idPlace is where the id of a record that was written is found: in the body,
// in the Location header, or it is one that was sent.
type idPlace struct {
	at       *pointer
	location bool
	sent     template
}

// The names of the calls that write.
const (
	callSave       = "save"
	callCreate     = "create"
	callUpdate     = "update"
	callDeactivate = "deactivate"
	callDelete     = "delete"
	callConvert    = "convert"
	callTransfer   = "transfer"
)

// writeFor returns the call that does an operation, nil for none.
func (k *kind) writeFor(op sdk.Op) *write {
	own := map[sdk.Op]string{
		sdk.OpCreate: callCreate, sdk.OpUpdate: callUpdate,
		sdk.OpDeactivate: callDeactivate, sdk.OpDelete: callDelete,
		sdk.OpConvert: callConvert, sdk.OpTransfer: callTransfer,
	}[op]
	if w := k.writes[own]; w != nil {
		return w
	}
	if op == sdk.OpCreate || op == sdk.OpUpdate {
		return k.writes[callSave]
	}
	return nil
}

// makes reports whether an operation answers with the id of a record that was
// not there before.
func makes(op sdk.Op) bool { return op == sdk.OpCreate || op == sdk.OpConvert }

// shown names the call in errors, without the values in its path.
func (c *call) shown() string { return c.path.String() }
