package roster

// RunFilter selects runs. The zero filter selects every run.
type RunFilter struct {
	// Job is the ref of a job; empty for all jobs.
	Job string
	// State lists the wanted states; empty for all states.
	State []RunState
	// Limit is the largest number of runs returned; 0 is no limit.
	Limit int
}

// SessionFilter selects sessions. The zero filter selects every session.
type SessionFilter struct {
	// Run is the id of a run; empty for all runs.
	Run string
	// Business is a business of the target; empty for all businesses.
	Business string
	// Open selects only sessions that are not over.
	Open bool
	// Limit is the largest number of sessions returned; 0 is no limit.
	Limit int
}

// QuarantineFilter selects quarantined records. The zero filter selects all.
type QuarantineFilter struct {
	// Job is the ref of a job; empty for all jobs.
	Job string
	// Run is the id of a run; empty for all runs. Without it a record that
	// several runs refused is returned once, as the last of them left it.
	Run string
	// Code is one cause; empty for all causes.
	Code string
	// Limit is the largest number of entries returned; 0 is no limit.
	Limit int
	// After is the id of the last entry of the answer before; entries are
	// ordered by id.
	After string
}

// QuarantineGroup counts the quarantined records of one cause.
type QuarantineGroup struct {
	Stage  Stage  `json:"stage"`
	Code   string `json:"code"`
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}
