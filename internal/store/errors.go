package store

import (
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/internal/roster"
)

var (
	// ErrNotFound is [roster.ErrNotFound].
	ErrNotFound = roster.ErrNotFound
	// ErrExists is [roster.ErrExists].
	ErrExists = roster.ErrExists
	// ErrLocked says that another process uses the state directory. The error
	// is a [*LockedError].
	ErrLocked = errors.New("state directory is in use")
	// ErrSealed says that a sealed value cannot be opened: it was changed,
	// moved or cut, or was sealed with another key.
	ErrSealed = errors.New("sealed value cannot be opened")
	// ErrSchema says that the database has a layout that this program does not
	// know.
	ErrSchema = errors.New("unknown schema of the database")
	// ErrDamaged says that the database, or a part of it, is not what was
	// stored.
	ErrDamaged = errors.New("database is damaged")
	// ErrFull says that as many records wait as may.
	ErrFull = roster.ErrFull
	// ErrOwner says that root was about to use the state of another user, who
	// could not read what root leaves there.
	ErrOwner = errors.New("state belongs to another user")
	// ErrMoved says that the database was moved away or replaced while it was
	// open. Nothing is written until it is put back.
	ErrMoved = errors.New("database was moved")
)

// LockedError names the process that uses a state directory.
type LockedError struct {
	// Dir is the state directory.
	Dir string
	// PID is the process id of the holder, 0 when it is not known.
	PID int
}

// Error names the directory and the holder, and says what to do.
func (e *LockedError) Error() string {
	holder := "another process"
	if e.PID > 0 {
		holder = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("state directory %s is in use by %s: stop it first, or set another state_dir", e.Dir, holder)
}

// Is makes the error match [ErrLocked].
func (e *LockedError) Is(target error) bool { return target == ErrLocked }
