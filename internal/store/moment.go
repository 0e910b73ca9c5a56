package store

import "github.com/rosterd/rosterd/internal/roster"

// Moment is what a copy of the database goes with.
type Moment struct {
	Schema  int
	Key     KeyID
	Install string
	// Runs are those whose change set may be needed: they are not over, or wait to
	// be approved.
	Runs []roster.Run
	// Notes are the files of what sessions have served, by their name.
	Notes map[string][]byte
}
