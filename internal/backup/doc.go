// Package backup writes the state of a daemon into one file and reads it back.
//
// The file is a tar archive, compressed with gzip:
//
//	rosterd.db             the database as it was at one moment
//	changesets/RUN.cs      the change sets of runs that were not over, sealed
//	served/SESSION.notes   what sessions had served beside the database
//	manifest.json          [Manifest]: what the others are, with their checksums
//
// The manifest comes last, so that an archive that is cut has none. The master key
// is not in it, nor is the secret of the export address: whoever finds a backup
// can read neither values of records nor change sets. Ids of records are in clear.
package backup
