package roster

import (
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// AdapterInbound is the adapter of the connections that other systems push to.
// It is built in: the daemon itself receives, and no program is started.
const AdapterInbound = "inbound"

// Inbound is a record that another system has pushed, until every job that reads
// its connection has read it. It is stored sealed.
type Inbound struct {
	Kind sdk.Kind
	// ID is the record's id as jobs read it, unique within the connection for
	// people, for staff and for lead sources.
	ID string
	// Club is the sender's id of the record's club; may be empty.
	Club string
	// Seq is the place in the order of arrival, from 1; the store gives it.
	Seq uint64
	// At is when the record was pushed.
	At time.Time
	// Fields are the fields that were pushed; nil is one that is empty by intent.
	Fields map[string]*string
}

// InboundGroup names what shares an id: a prospect that becomes a member stays
// the same record.
func InboundGroup(kind sdk.Kind) string {
	if kind == sdk.KindProspect || kind == sdk.KindMember {
		return "person"
	}
	return string(kind)
}
