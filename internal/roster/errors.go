package roster

import "errors"

// The errors by which packages tell one another what kind of thing went wrong.
// They are wrapped with what was being done and found with [errors.Is]; the
// operator's API answers each with its own status.
var (
	// ErrNotFound: there is no such run, session, job or quarantined record.
	ErrNotFound = errors.New("not found")
	// ErrExists: what was to be created is there already.
	ErrExists = errors.New("exists already")
	// ErrRunning: the job is running and runs once at a time. [RunningError]
	// names the run.
	ErrRunning = errors.New("the job is running")
	// ErrInvalid: an argument cannot be what is meant.
	ErrInvalid = errors.New("invalid")
	// ErrConflict: the thing is in a state that does not allow what was asked,
	// as a run that is over cannot be cancelled.
	ErrConflict = errors.New("its state does not allow it")
	// ErrFull: as many wait already as may.
	ErrFull = errors.New("too many wait already")
	// ErrErased: the record is of a person who was erased, and is not taken again.
	ErrErased = errors.New("the person was erased at their wish")
	// ErrStopping: the daemon is ending and takes on nothing more.
	ErrStopping = errors.New("the daemon is stopping")
)

// RunningError says which run keeps a job from being started. It is
// [ErrRunning] to [errors.Is].
type RunningError struct {
	// Job is account/job.
	Job string
	// Run is the id of the run that is not over.
	Run string
}

// Error names the job and the run.
func (e *RunningError) Error() string { return "job " + e.Job + " is running as run " + e.Run }

// Unwrap returns [ErrRunning].
func (e *RunningError) Unwrap() error { return ErrRunning }
