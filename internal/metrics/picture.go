package metrics

import "time"

// Picture is how the daemon stands at one moment.
type Picture struct {
	Jobs     []Job
	Adapters []Adapter
	// Inbound counts the records that are kept of each connection that other systems
	// push to.
	Inbound map[string]int
	// Sessions counts the import sessions that are not over, by state.
	Sessions map[string]int
	// StoreBytes is the size of the database's file.
	StoreBytes int64
	// DiskFree and DiskSize are the bytes of the disk that the state is on: those
	// that the daemon may still use, and all.
	DiskFree, DiskSize uint64
}

// Job is how a job stands. Times are zero where there is none.
type Job struct {
	// Ref is account/job.
	Ref string
	// LastSuccess is when a run last ended with every record delivered, and
	// LastDelivered when one last ended that delivered at all.
	LastSuccess, LastDelivered time.Time
	// LastDuration is how long the last run took that came to a verdict.
	LastDuration time.Duration
	// LastState is how it ended; empty where there was none.
	LastState string
	// Lag is for how long a due time is not met by a run that delivered, and Stale
	// says that it is so for more than one due time.
	Lag   time.Duration
	Stale bool
	// Paused says that a person has paused the job.
	Paused bool
	// Again is when a job goes on whose quota is used up.
	Again time.Time
	// Quarantine counts the refused records by code.
	Quarantine map[string]int
	// Parked are creates that wait for a person, Unknown those that were sent and
	// are proven neither done nor not done, with when the oldest was sent.
	Parked, Unknown             int
	OldestParked, OldestUnknown time.Time
}

// Adapter is how an adapter fares.
type Adapter struct {
	Name            string
	Running, Parked bool
	// Restarts counts its unwanted ends.
	Restarts int
	// Requests counts the calls by how they ended.
	Requests map[string]int
}
