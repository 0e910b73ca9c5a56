package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// The exit codes. Those from 64 on are the BSD ones, whose names systemd
// prints. 2 is never used: a Go program that crashes exits with it.
const (
	exitOK          = 0
	exitFailure     = 1
	exitRejected    = 3 // finished, with records left behind
	exitChanges     = 3 // planned, with something to do, where that was asked for
	exitBlocked     = 4 // stopped by a guard
	exitUsage       = 64
	exitData        = 65 // data is damaged
	exitUnavailable = 69
	exitTryLater    = 75
	exitAuth        = 77
	exitConfig      = 78
)

// usageError is a fault in how the command was called.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// endError carries the exit code of a command that has said all there is to say.
type endError struct{ code int }

func (e *endError) Error() string { return fmt.Sprintf("exit %d", e.code) }

// exitCode says how the process ends for an error.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*endError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*dataError](err); ok {
		return exitData
	}
	if _, ok := errors.AsType[*config.Faults](err); ok {
		return exitConfig
	}
	if _, ok := errors.AsType[*mapping.ScriptError](err); ok {
		return exitConfig
	}
	if f, ok := errors.AsType[*roster.Fault](err); ok {
		return faultCode(f)
	}
	if e, ok := errors.AsType[*sdk.Error](err); ok {
		return faultCode(&roster.Fault{Code: "adapter." + string(e.Code)})
	}
	if p, ok := errors.AsType[*admin.Problem](err); ok {
		return problemCode(p)
	}
	switch {
	case errors.Is(err, admin.ErrUnreachable):
		return exitUnavailable
	case errors.Is(err, admin.ErrDenied):
		return exitAuth
	case errors.Is(err, store.ErrLocked), errors.Is(err, roster.ErrRunning), errors.Is(err, roster.ErrStopping):
		return exitTryLater
	}
	return exitFailure
}

// problemCode is the exit code of the daemon's refusal.
func problemCode(p *admin.Problem) int {
	switch {
	case p.Status == http.StatusUnauthorized:
		return exitAuth
	case errors.Is(p, roster.ErrRunning), errors.Is(p, roster.ErrStopping):
		return exitTryLater
	case errors.Is(p, roster.ErrInvalid):
		return exitUsage
	}
	return faultCode(&roster.Fault{Code: p.Code})
}

// faultCode is the exit code of a fault by its stable code.
func faultCode(f *roster.Fault) int {
	switch f.Code {
	case "adapter." + string(sdk.CodeAuth), "export.refused." + string(sdk.CodeAuth):
		return exitAuth
	case "adapter." + string(sdk.CodeUnavailable), "adapter.parked":
		return exitUnavailable
	case "adapter." + string(sdk.CodeConfig), "export.refused." + string(sdk.CodeConfig), "adapter.not_installed", "adapter.protocol", "adapter.pin", "mapping.script", "job.type", codeInbound, codeSocket:
		return exitConfig
	case codeReloadFaults, codeReloadRestart, "backup.format":
		return exitConfig
	case store.CodeOwner:
		return exitAuth
	case "backup.damaged", admin.CodeAuditDamaged:
		return exitData
	case store.CodeDamaged, store.CodeKey, store.CodeSchema:
		// Starting again does not help: a service manager should not try.
		return exitConfig
	case "job.running", admin.CodeAuditUnwritable:
		return exitTryLater
	case codeBlocked:
		return exitBlocked
	}
	return exitFailure
}

// codeBlocked is the code of a run that a guard has stopped.
const codeBlocked = "guard.limit"

// stateCode is the exit code for how a run ended.
func stateCode(run roster.Run) int {
	switch run.State {
	case roster.RunOK, roster.RunPlanned:
		return exitOK
	case roster.RunPartial:
		return exitRejected
	case roster.RunBlocked:
		return exitBlocked
	default:
		if run.Fault != nil {
			return faultCode(run.Fault)
		}
		return exitFailure
	}
}
