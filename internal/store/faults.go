package store

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/rosterd/rosterd/internal/roster"
)

// The codes of the faults of a state directory.
const (
	CodeDamaged  = "state.damaged"
	CodeDiskFull = "state.disk_full"
	CodeReadOnly = "state.read_only"
	CodeKey      = "state.key"
	CodeSchema   = "state.schema"
	CodeMoved    = "state.moved"
	CodeOwner    = "state.owner"
	CodeErased   = "state.tombstones"
)

// remedy is what a person can do about an error.
type remedy struct {
	is         error
	code, hint string
}

func remedies() []remedy {
	const goesOn = "; the daemon goes on by itself, and a job whose run has failed can be started again"
	return []remedy{
		{ErrDamaged, CodeDamaged, "stop rosterd, move the file away and put a backup in its place; " +
			"without a backup start with no file: runs, sessions and the quarantine are then forgotten, and imports read everything again"},
		{ErrSealed, CodeKey, "put the master key back that the state is sealed with, after `rosterd state rotate-key` the new one: master.key there, or what keys.master names"},
		{ErrSchema, CodeSchema, "install the rosterd that wrote it, or a later one"},
		{ErrMoved, CodeMoved, "put the file back where it was" + goesOn},
		{syscall.ENOSPC, CodeDiskFull, "make room on the disk of state_dir" + goesOn},
		{syscall.EDQUOT, CodeDiskFull, "raise the quota on the disk of state_dir" + goesOn},
		{ErrOwner, CodeOwner, "run the command as that user: `sudo -u USER rosterd ...`"},
		{fs.ErrPermission, CodeOwner, "run the command as the user of the daemon: `sudo -u rosterd rosterd ...`; " +
			"if it is the daemon that may not, give it its files back: `chown -R rosterd: STATE_DIR`"},
		{syscall.EROFS, CodeReadOnly, "mount the disk of state_dir writable" + goesOn},
	}
}

// explainedError is an error with the fault that it means.
type explainedError struct {
	error

	fault *roster.Fault
}

// Unwrap returns the error and its fault.
func (e *explainedError) Unwrap() []error { return []error{e.error, e.fault} }

// Explain adds the [*roster.Fault] to an error of the state directory that
// tells a person what to do. Other errors, and nil, it returns as they are.
func Explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*roster.Fault](err); ok {
		return err
	}
	for _, r := range remedies() {
		if errors.Is(err, r.is) {
			return explainAs(err, r.code, r.hint)
		}
	}
	return err
}

func explainAs(err error, code, hint string) error {
	return &explainedError{err, &roster.Fault{Code: code, Message: err.Error(), Hint: hint}}
}

// ExplainTombstones says what can be done about a copy of the tombstones that is of
// no use.
func ExplainTombstones(err error) error {
	return explainAs(err, CodeErased, "put the file back from where you keep it; without it move it away: who was erased behind the last backup is then not known")
}
