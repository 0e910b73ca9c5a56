// Package audit keeps the account of what people have changed: who asked for what,
// when, and what came of it.
//
// It is a file that only grows: a line of JSON for each request before it is carried
// out, and one for its outcome. Each line names the
// hash of the one before it, so that a line which was changed or taken out shows
// ([Read]). Nothing in it tells of a person: an id that may do so stands there as a
// digest.
package audit
