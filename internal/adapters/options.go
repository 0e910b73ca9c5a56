package adapters

import (
	"log/slog"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Options configure a [Host]. Zero values take the documented defaults.
type Options struct {
	// Dir holds the adapter programs; a program's file name is its adapter's
	// name.
	Dir string
	// RuntimeDir is a private directory for sockets, made with mode 0700 where
	// it is missing. Its absolute path has at most [MaxRuntimeDir] bytes. No
	// other host uses it at the same time.
	RuntimeDir string
	// WorkDir is the folder that adapters run in, so that relative paths in
	// their settings count from it; the caller's own by default.
	WorkDir string
	// Keeper is the command of a keeper's process, which is [Keep]: this
	// program with [KeeperCommand] by default.
	Keeper []string
	// Lock is the file of pins, see [ReadLock]. Where it exists, only the
	// programs in it are started. Empty for none.
	Lock string
	// Private are the daemon's own files and folders: a connection whose
	// settings name one of them, or a folder around or below it, is refused.
	Private []string
	// Connections, where it is not nil, returns the configured connections of
	// an adapter that described itself so. One process serves them all, and is
	// let through to what all their settings name from the start.
	Connections func(sdk.Info) []roster.Connection
	// Logger receives what happens to adapters and what they log themselves.
	Logger *slog.Logger
	// Now is the clock, time.Now by default.
	Now func() time.Time

	// StartTimeout bounds a start until the adapter has described itself: 10 s.
	StartTimeout time.Duration
	// OpenTimeout bounds the opening of a connection: 30 s.
	OpenTimeout time.Duration
	// CallTimeout bounds every other call: 2 min.
	CallTimeout time.Duration
	// PingTimeout bounds the question whether an adapter that did not answer
	// is alive: 2 s.
	PingTimeout time.Duration
	// StopTimeout is how long a stopped adapter may take to end by itself, and
	// how long a killed one is waited for: 2 s.
	StopTimeout time.Duration
	// Pause is the first pause before an adapter is started again; it doubles
	// with every end in a row up to [MaxPause]. The first end has none: 250 ms.
	Pause time.Duration
	// Budget is how many unwanted ends within BudgetWindow park an adapter: 5
	// within 10 min.
	Budget       int
	BudgetWindow time.Duration
}

// MaxPause bounds the pause before an adapter is started again.
const MaxPause = time.Minute

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // The one place where the clock of a host comes from.
	}
	if len(o.Keeper) == 0 {
		o.Keeper = []string{"/proc/self/exe", KeeperCommand}
	}
	if o.Budget <= 0 {
		o.Budget = 5
	}
	for _, d := range []struct {
		value *time.Duration
		is    time.Duration
	}{
		{&o.StartTimeout, 10 * time.Second},
		{&o.OpenTimeout, 30 * time.Second},
		{&o.CallTimeout, 2 * time.Minute},
		{&o.PingTimeout, 2 * time.Second},
		{&o.StopTimeout, 2 * time.Second},
		{&o.Pause, 250 * time.Millisecond},
		{&o.BudgetWindow, 10 * time.Minute},
	} {
		if *d.value <= 0 {
			*d.value = d.is
		}
	}
	return o
}
