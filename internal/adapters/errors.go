package adapters

import "errors"

// The errors that this package adds to those of the adapters. Each is wrapped
// in an [sdk.Error].
var (
	// ErrNotInstalled: the directory of adapters has no such program.
	ErrNotInstalled = errors.New("adapter is not installed")
	// ErrProtocol: the program speaks another version of the protocol.
	ErrProtocol = errors.New("adapter speaks another protocol version")
	// ErrStart: the program could not be started or did not get ready.
	ErrStart = errors.New("adapter did not start")
	// ErrCrashed: the program ended by itself or was killed because it did not
	// answer.
	ErrCrashed = errors.New("adapter ended")
	// ErrPin: the program is not the one that the file of pins names.
	ErrPin = errors.New("adapter is not accepted")
	// ErrParked: the program ended too often and is not started again.
	ErrParked = errors.New("adapter is parked")
	// ErrPrivate: a connection's settings name files of the daemon itself.
	ErrPrivate = errors.New("adapters get no access to the files of rosterd")
	// ErrAbility: the connection lacks the ability that was called.
	ErrAbility = errors.New("connection lacks the ability")
	// ErrReadOnly: a call that writes was made over a connection that was opened
	// read-only.
	ErrReadOnly = errors.New("connection was opened read-only: nothing may be written over it")
	// ErrClosed: the host or the connection was closed.
	ErrClosed = errors.New("closed")
)
