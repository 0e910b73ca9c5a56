// Package httpx is outgoing HTTP for adapters: reads that are repeated
// politely, writes that are sent exactly once with an outcome that can be
// trusted, and bounds on everything that an outside system may answer.
//
// Redirects are never followed: a redirect would carry the token to an address
// that nobody configured, and a 307 would send a write again. Over http only
// loopback and, where that is allowed, private addresses are called.
//
// Limits of requests belong to a credential and not to a client: [Quotas] counts
// them for all clients of a program. What it counted is lost with the program.
//
// The package imports the standard library, sdk and golang.org/x/time/rate.
package httpx
