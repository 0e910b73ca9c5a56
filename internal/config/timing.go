package config

import (
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

const (
	// defaultRuns are so few that the daemon stays small, and so many that a slow
	// system does not hold up the others.
	defaultRuns = 4
	// defaultUsers keeps two jobs from sharing the rate limit of a system, and the
	// two directions between two systems apart.
	defaultUsers = 1
)

// The bounds of what a job says of its due times.
const (
	minAge    = time.Minute
	maxAge    = 366 * 24 * time.Hour
	maxJitter = 24 * time.Hour
)

func (l *loader) timing(v value) roster.Timing {
	return roster.Timing{
		SkipMissed: v.get("misfire").textOr("run_once") == "skip",
		MaxAge:     l.duration(v.get("max_age"), 0, minAge, maxAge),
		QueueOne:   v.get("overlap").textOr("forbid") == "queue_one",
		Jitter:     l.duration(v.get("jitter"), 0, 0, maxJitter),
	}
}

// The bounds of how long what is over is kept: a day at least, so that a person sees what
// has happened overnight.
const (
	defaultRetention = 90 * 24 * time.Hour
	leastRetention   = 24 * time.Hour
	mostRetention    = 100 * 366 * 24 * time.Hour
	defaultKeep      = 50
	// defaultPersonal is how long what is of people is kept beside their links.
	defaultPersonal = 365 * 24 * time.Hour
)

// How long and how large the record log is kept: a month at the rate of a large
// chain.
const (
	defaultLog    = 30 * 24 * time.Hour
	defaultLogMiB = 1024
)

func (l *loader) retention(v value) Retention {
	return Retention{
		Runs: l.duration(v.get("runs"), defaultRetention, leastRetention, mostRetention), Keep: v.get("keep").intOr(defaultKeep),
		Log:        l.duration(v.get("log"), defaultLog, leastRetention, mostRetention),
		LogBytes:   int64(v.get("log_mib").intOr(defaultLogMiB)) << 20,
		Quarantine: l.duration(v.get("quarantine"), defaultPersonal, leastRetention, mostRetention),
		History:    l.duration(v.get("history"), defaultPersonal, leastRetention, mostRetention),
		Gone:       l.duration(v.get("gone"), 0, leastRetention, mostRetention),
	}
}
