// Package export serves the export protocol and keeps its sessions.
//
// The protocol (the vendor's "Client Import" guide): after an import was
// announced by a POST, the target pulls
//
//	GET {api_uri}/app/clients/export?business_uid=B&staff_uid=S&page=N&per_page=M
//
// with page counted from 1, and is answered
//
//	{"data":{"clients":[{...},{...}]}}
//
// Fewer clients than per_page mean that this was the last page; the target
// then asks once for page=-1, which says that the import is over. api_uri is
// {public_url}/c/{secret}. The transcripts in testdata are this protocol's
// readable specification: each is played against the package by a test.
//
// [Sessions.Deliver] is one import: it stores a session, announces it once,
// lets [Sessions.Handler] serve its pages, and returns how it ended. What the
// target has been given is stored before it is sent, so that a daemon that is
// killed goes on where it was. A caller who lacks anything (secret, session,
// business, staff member, form of the request) is answered with one 404 that
// is the same byte for byte whatever is missing.
package export
