// Package recordlog keeps what became of every record: what the log of an
// integration shows, a line a record, with its level. Records that are as they
// were are not in it.
//
// It is files that are only appended to, in the folder log of the state
// directory, named by the day in UTC and a number:
//
//	2026-11-29-00001.rlog
//
// A file is a sequence of blocks, one for each batch of records whose outcomes
// were stored together; numbers are little-endian:
//
//	"rlog", form (1 byte), length of the sealed part, number of the block in its
//	file (32 bits each), time (64 bits, nanoseconds), number of lines that were lost
//	before it, entries at each of the three levels (32 bits each), run, job and
//	connection (each led by its length in one byte), CRC-32 of all this
//	the entries, sealed
//
// What stands in clear names no record, so that a reader passes over blocks without
// opening them. The entries are sealed, because the id of a record may be an e-mail
// address, and bound to the name of the file and to what stands in clear.
//
// Nothing is synced to the disk, and nothing that goes wrong here ends a run:
// a power cut may cost the latest lines, a full disk costs lines, which are
// counted. A block that a crash has cut is passed over: every life of the daemon
// begins a file of its own.
package recordlog
