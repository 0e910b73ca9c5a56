// Package bolt keeps what the daemon remembers in one bbolt file, rosterd.db
// in the state directory. All methods of [Store] are safe for concurrent use;
// a change is on disk when its method returns, and is either whole or not
// there.
//
// The bucket tree, schema 4; schema 1 had none of the buckets from links on. Text is
// UTF-8; T is a time that sorts: seconds (64 bits, big-endian, sign bit flipped) and
// nanoseconds (32 bits).
//
//	meta
//	    schema                -> the schema version, decimal
//	    install               -> the id of this installation, 32 hex digits
//	    key                   -> the id of the master key, 4 bytes
//	    names                 from schema 4 on -> the root of the keys under which records
//	                          are named and digested, sealed: it outlives master keys
//	    sum                   -> the checksum of all entries, 64 bits
//	    epoch                 -> the number of the daemon's life, decimal
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
//	schedule
//	    job                   -> when the job was last due, RFC 3339, UTC; the same for
//	                          names behind it, as "job sweep"
//	    job " paused"         -> roster.Pause as JSON, sealed: a reason may name a person
//	alerts                    from schema 3 on
//	    receiver, facet, subject -> roster.Alert as JSON: names of the configuration
//	inbound                   from schema 3 on
//	    connection " " kind   bucket: place in the order of arrival (8, big-endian) ->
//	                          the record's name (16), inboundBody as JSON, sealed
//	inbound_latest            from schema 3 on
//	    connection            bucket: the record's name, a keyed hash of its group and
//	                          its id (16) -> its place (8), its kind; and state -> the
//	                          last place that was given (8), how many records wait (8)
//	tombstones                from schema 4 on
//	    tombstone id          -> tombstoneRow as JSON: keyed hashes of the ids and the
//	                          addresses of a person who was erased
//	links
//	    set kind              bucket: id at the end that the set names first -> linkRow, packed:
//	                          the id at the other end, and what each direction has sent
//	links_back
//	    set kind              bucket: id at the other end -> id at the first end
//	link_shapes
//	    set                   bucket: hash of field names (8) -> the names, joined with zero bytes
//	links_open                from schema 3 on
//	    set kind              bucket: D, id -> the ids that the record refers to and that have
//	                          no link: its owner and its lead source, each led by its length
//	link_counts
//	    set kind              -> the number of links, varint
//	link_history
//	    set kind              bucket: D, id -> the latest events of the record, packed; absent
//	                          while nothing happened but that its link was made
//	intents
//	    set kind              bucket: D, source id -> intentRow, packed
//	intents_by_run
//	    run id, 0, entry (8), set kind, 0, D, source id -> empty; the armed intents
//	parked
//	    parked id             -> parkedRow, packed, the ids that it may be sealed in it
//	parked_payload
//	    parked id             -> the source record, sealed
//
// Here "set kind" is a link set (two refs) and a kind, joined with spaces, and D
// the direction in which the record is the source: ">" away from the end that the
// set names first, "<" towards it. Packed values are described where they are
// packed.
//
// What a session serves is also noted in a file of its own, served/SESSION.notes,
// between two changes of the session: see [Store.NoteServed].
//
// Every value but sum is followed by a checksum of its own, which is not shown
// here. rosterd.clean beside the database says how it was left, and rosterd.erased
// is a copy of the tombstones that outlives a restore: see [Store.Erase].
//
// Keys are stored in clear and hold no personal data: a record's id may be an
// e-mail address, so that it appears only sealed or in a keyed hash. The ids of
// links, and of the intents to make them, are the exception: they are what a link
// is, and in clear the links of a page are neighbours in the file. Neither has any
// other value of a record in clear. A sealed value is bound to its layout, bucket,
// job and key.
//
// A record that a run refuses while an older entry of it stands has two rows,
// because the run's preparation may start again or fail, and then the older
// entry still holds. The newest row stands for the record; [Store.BeginDelivery]
// removes the older ones.
package bolt
