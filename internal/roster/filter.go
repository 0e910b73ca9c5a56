package roster

// RunFilter selects runs. Its zero value selects all of them; the latest come
// first.
type RunFilter struct {
	// Job is account/job; empty for every job.
	Job string
	// State lists the states wanted; empty for every state.
	State []RunState
	// Limit is the largest number wanted; 0 for no limit.
	Limit int
}

// SessionFilter selects sessions. Its zero value selects all of them; the
// latest come first.
type SessionFilter struct {
	// Run is a run's id; empty for every run.
	Run string
	// Business is the target's business; empty for every business.
	Business string
	// Open selects only sessions that are not over.
	Open bool
	// Awaiting selects only sessions whose clients are still known by their
	// ids, so that the target may tell what became of them.
	Awaiting bool
	// Limit is the largest number wanted; 0 for no limit.
	Limit int
}

// QuarantineFilter selects quarantined records. Its zero value selects all of
// them, in the order of their ids.
type QuarantineFilter struct {
	// Job is account/job; empty for every job.
	Job string
	// Run is the run that refused the record last; empty for every run.
	Run string
	// Code is the cause; empty for every cause.
	Code string
	// Limit is the largest number wanted; 0 for no limit.
	Limit int
	// After is the id behind which to begin; empty for the beginning.
	After string
}

// QuarantineGroup counts the quarantined records of one cause.
type QuarantineGroup struct {
	Stage  Stage  `json:"stage"`
	Code   string `json:"code"`
	Reason string `json:"reason"`
	// Count is the number of records.
	Count int `json:"count"`
	// Example is the id of one of them.
	Example string `json:"example,omitempty"`
}
