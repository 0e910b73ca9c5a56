// Package club simulates a club-management system over real HTTP and JSON, for
// the quickstart, tests and benchmarks. It can be the target of a sync and its
// source.
//
// A [Platform] is one such system with its clubs. Which calls it has, what it
// offers against records that are created twice, and which faults it has, are
// switches: no real system has all of them, and each of them is taken from a
// real one.
//
// # The API
//
// Every path below is for the kinds prospects, members, staff and lead_sources:
//
//	GET    /v1/clubs
//	GET    /v1/{kind}                      list; a filter makes it a find
//	POST   /v1/{kind}                      create: 201 and the record
//	POST   /v1/{kind}/save                 update with an "id", otherwise create
//	GET    /v1/{kind}/{id}
//	PUT    /v1/{kind}/{id}                 update, see [Options].Update
//	PATCH  /v1/{kind}/{id}                 update, unless updates replace
//	DELETE /v1/{kind}/{id}                 204
//	POST   /v1/{kind}/{id}/deactivate      inactive, and kept
//	PUT    /v1/{kind}/by-external-id/{key} create or update ([ClassB])
//	POST   /v1/{kind}/{id}/transfer        {"club_id": ...}: to another club
//	POST   /v1/prospects/{id}/convert      a member with an id of its own; 201,
//	                                       unless [Options].SameRecord
//
// A list answers {"items": [...], "next": ...}; next is null on the last page.
// Its parameters are page and per_page, or offset and limit, or cursor and
// per_page ([Options].Paging), and:
//
//	club_id        records of one club
//	updated_since  records changed at that moment or later, the oldest first
//	external_ref   by the marker ([ClassC])
//	external_id    by the caller's id ([ClassB])
//	email, phone, name  as people search: without regard to case, by digits
//
// Errors are {"error": {"code", "message", "field", "fields", "id"}} with a
// status of 400 and more, or with 200 and "ok": false ([Options].ErrorsIn200).
//
// # Faults
//
// A [Plan] says for each [Call] how often which [Fault] happens. What happens
// follows from [Options].Seed, the request and how often it was sent, and not
// from the order of requests that have nothing to do with each other.
//
// Two bounds hold whatever the machine does, so that a test may rest on them. A
// request that takes effect late does so within [Options].ExecLag of its
// arrival, or never. A new record can be found [Options].IndexLag after it was
// created, and not before. A request whose caller is gone before it takes
// effect has none.
//
// # Control
//
// [Platform.Control] serves what a test in another process may ask and set. It
// is a handler of its own, with no token, for an address that only the test
// knows:
//
//	GET  /control/state       what was received, done and broken
//	GET  /control/creates     posts and executed creates by marker, external id,
//	                          idempotency key and person
//	GET  /control/duplicates  those of which more than one was executed
//	GET  /control/records     everything stored; ?kind=prospect
//	POST /control/records     a record, or a list: made or changed as if by
//	                          somebody else
//	GET  /control/faults      the plan and the lags
//	POST /control/faults      {"faults": {"create": {"lose_answer": 0.25}}, "exec_lag": "100ms"}
//	POST /control/wait        answers when no late request is waiting
package club
