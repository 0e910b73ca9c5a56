// Package alerts tells people when something begins to need them, and when it is
// well again.
//
// A [Watch] looks again and again at how everything stands, as [Condition]s, and
// keeps for each receiver and each thing what it was told last. Only a change is
// told, and what stays bad is said once more after some time. What is told and
// has to be told is stored, so that a restart neither repeats nor forgets it; a
// message may arrive twice where the daemon ends between its sending and that,
// and then bears the same id.
//
// Messages hold names of the configuration, counts, codes and commands, and
// nothing of a record.
package alerts
