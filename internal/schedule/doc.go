// Package schedule says when a job runs: it reads the `schedule` of a job's
// configuration and asks for a run at each due time.
//
// It is the only package that knows the cron library, and uses it as a parser
// and calendar only. What goes through the library is a wall clock without
// zone changes; how a slot of that clock becomes an instant is decided here
// (see [Schedule.Next]).
package schedule
