// Package bolt keeps what the daemon remembers in one bbolt file, rosterd.db
// in the state directory. All methods of [Store] are safe for concurrent use;
// a change is on disk when its method returns, and is either whole or not
// there.
//
// The bucket tree, schema 2. Text is UTF-8; T is a time that sorts: seconds
// (64 bits, big-endian, sign bit flipped) and nanoseconds (32 bits).
//
//	meta
//	    schema                -> the schema version, decimal
//	    install               -> the id of this installation, 32 hex digits
//	    key                   -> the id of the master key, 4 bytes
//	    sum                   -> the checksum of all entries, 64 bits
//	runs
//	    run id                -> roster.Run as JSON
//	runs_by_time
//	    T of Asked, run id    -> empty
//	runs_by_job
//	    job                   bucket: T of Asked, run id -> empty
//	runs_open
//	    run id                -> empty; the runs that are not over
//	cursors
//	    job                   bucket: kind -> the cursor
//	quarantine
//	    job                   bucket: entry id (12), run id -> quarantineRow as JSON,
//	                          the record's id and position sealed in it
//	quarantine_payload
//	    job                   bucket: entry id (12), run id -> the payload, sealed
//	sessions
//	    session id            -> roster.Session as JSON
//	sessions_by_time
//	    T of Created, session id -> empty
//	sessions_by_run
//	    run id                bucket: T of Created, session id -> empty
//	sessions_by_business
//	    business              bucket: T of Created, session id -> empty
//	sessions_open
//	    business              -> session id; the sessions that are not over
//	sessions_awaiting
//	    session id            -> empty; the sessions in session_clients
//	session_clients
//	    session id            -> the clients' places by the keyed hash of their ids;
//	                          absent once the target is no longer heard
//	session_outcomes
//	    session id            -> what became of the clients, as runs of one outcome
//	links
//	    link set, kind        bucket: source id -> linkRow, packed
//	links_back
//	    link set, kind        bucket: target id -> source id
//	link_shapes
//	    link set              bucket: hash of field names -> the names
//	link_counts
//	    link set, kind        -> the number of links
//	link_history
//	    link set, kind        bucket: what became of links
//	intents
//	    link set, kind        bucket: direction, source id -> intentRow, packed
//	intents_by_run
//	    run id, entry, link set, kind, direction, source id -> empty; the armed ones
//	parked
//	    parked id             -> what a person is asked, sealed
//	parked_payload
//	    parked id             -> the payload, sealed
//	schedule
//	    job                   -> when the job was last due, RFC 3339, UTC; the same for
//	                          names behind it, as "job sweep"
//	    job " paused"         -> roster.Pause as JSON, sealed: a reason may name a person
//
// What a session serves is also noted in a file of its own, served/SESSION.notes,
// between two changes of the session: see [Store.NoteServed].
//
// Every value but sum is followed by a checksum of its own, which is not shown
// here. rosterd.clean beside the database says how it was left.
//
// Keys are stored in clear and therefore hold no personal data: a record's id
// may be an e-mail address, so that it appears only sealed or in a keyed hash.
// A sealed value is bound to its schema, bucket, job and key.
//
// A record that a run refuses while an older entry of it stands has two rows,
// because the run's preparation may start again or fail, and then the older
// entry still holds. The newest row stands for the record; [Store.BeginDelivery]
// removes the older ones.
package bolt
