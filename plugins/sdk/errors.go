package sdk

import (
	"context"
	"errors"
	"time"
)

// Class is what rosterd does about an error. It crosses the process boundary
// as a code, never as text.
type Class string

// The classes of error.
const (
	// ClassRetry: the same call may succeed later.
	ClassRetry Class = "retry"
	// ClassReject: one record is refused; the others go on.
	ClassReject Class = "reject"
	// ClassFail: the run ends and a person is told.
	ClassFail Class = "fail"
)

// Code says in one stable word what is wrong, so that rosterd can choose its
// exit code and its hint.
type Code string

// The codes.
const (
	// CodeConfig: the connection's settings or the outside system's set-up
	// have to be changed.
	CodeConfig Code = "config"
	// CodeAuth: the credentials are refused.
	CodeAuth Code = "auth"
	// CodeUnavailable: the outside system cannot be reached or is overloaded.
	CodeUnavailable Code = "unavailable"
	// CodeQuota: a quota of the outside system is used up for some time.
	CodeQuota Code = "quota"
	// CodeChanged: what is being read changed or vanished under the reader.
	CodeChanged Code = "changed"
	// CodeData: what the outside system sent cannot be understood.
	CodeData Code = "data"
	// CodeInternal: a fault of the adapter.
	CodeInternal Code = "internal"
)

// Error is an error that an adapter returns across the process boundary. Its
// text says what happened and where, and holds neither secrets nor personal
// data.
type Error struct {
	Class Class
	Code  Code
	// After is how long to wait before the call is made again; used by
	// [ClassRetry], zero where the outside system named no time.
	After time.Duration
	// Err says what happened.
	Err error
}

// Error returns the text of the wrapped error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// Retry says that the call may succeed when it is made again after a while.
func Retry(after time.Duration, err error) *Error {
	return &Error{Class: ClassRetry, Code: CodeUnavailable, After: after, Err: err}
}

// Reject says that one record is refused.
func Reject(err error) *Error { return &Error{Class: ClassReject, Code: CodeData, Err: err} }

// Fail says that the run cannot go on.
func Fail(code Code, err error) *Error { return &Error{Class: ClassFail, Code: code, Err: err} }

// AsError returns err as an [Error]. A deadline that passed is [ClassRetry];
// every other error that an adapter did not classify is [ClassFail] with
// [CodeInternal]. It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return &Error{Class: e.Class, Code: e.Code, After: e.After, Err: err}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Retry(0, err)
	}
	return Fail(CodeInternal, err)
}
