package mapping

import (
	"log/slog"
	"runtime"
	"time"
)

// Defaults of [Options].
const (
	DefaultRecordDeadline = time.Second
	DefaultMemoryLimit    = 256 << 20
	maxDefaultWorkers     = 4
)

// Options say how workers are run.
type Options struct {
	// Command is the program and the arguments of a worker process. It has to
	// end in [Worker], with file 3 as its progress file.
	Command []string
	// Workers is the largest number of worker processes of one [Mapping]; zero
	// is one for each processor, at most 4.
	Workers int
	// RecordDeadline is how long a script may take for one record; zero is
	// [DefaultRecordDeadline].
	RecordDeadline time.Duration
	// MemoryLimit is how many bytes a worker may allocate beyond what its
	// process needs to run; zero is [DefaultMemoryLimit].
	MemoryLimit int64
	// Logger tells of workers that ended; it never receives personal data.
	// Nil discards.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = min(runtime.NumCPU(), maxDefaultWorkers)
	}
	if o.RecordDeadline <= 0 {
		o.RecordDeadline = DefaultRecordDeadline
	}
	if o.MemoryLimit <= 0 {
		o.MemoryLimit = DefaultMemoryLimit
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Script is a mapping script as it stands in its file.
type Script struct {
	// Name is the script's path for messages ("scripts/gym.lua").
	Name   string
	Source []byte
	// Dir is scripts_dir as it stands in messages, Modules are the sources of
	// all modules that the script requires, by their paths below Dir with
	// forward slashes ("lib/phones.lua"). [ReadScript] fills these.
	Dir     string
	Modules map[string][]byte
	// Tables are the CSV files that the script and its modules look into, by
	// the names that stand in the calls of lookup.
	Tables map[string][]byte
	// counter counts what the script's cases run; nil but for those.
	counter *counter
}

// Context is what a script is told beside the record.
type Context struct {
	// Account and Job are the keys of the configuration.
	Account, Job string
	// Country is an ISO 3166-1 alpha-2 code, the region of phone numbers where
	// the club has none; Timezone is an IANA zone.
	Country, Timezone string
	// Clubs are the account's clubs by their id in the source system.
	Clubs map[string]Club
	// ClubsRequired says that a record of a club that is not in Clubs is
	// rejected. An account without clubs leaves it false.
	ClubsRequired bool
}

// Club is one location as a script sees it.
type Club struct {
	// Key is the account's own key of the club.
	Key string `json:"key"`
	// Name is the club's name for people.
	Name string `json:"name,omitempty"`
	// Country and Timezone are the account's unless the club has its own.
	Country  string `json:"country,omitempty"`
	Timezone string `json:"timezone,omitempty"`
}
