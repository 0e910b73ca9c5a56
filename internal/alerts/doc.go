// Package alerts tells people when something begins to need them, and when it is
// well again.
//
// A [Watch] looks again and again at how everything stands, as [Condition]s, and
// keeps for each receiver and each thing what it was told last. Only a change is
// told, and what stays bad is said once more after some time. What is told and
// has to be told is stored, so that a restart neither repeats nor forgets it.
//
// Every change is told at least once, its end as well as its beginning. That a
// message is about to leave is stored before it does: where the daemon dies before
// it has stored the answer, or the answer is lost, the message is sent again with
// the same id, and where things stand otherwise by then, that is told, although the
// receiver may have heard nothing of what it takes back.
//
// Messages hold names of the configuration, counts, codes and commands, and
// nothing of a record.
package alerts
