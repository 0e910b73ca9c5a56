package roster

import "time"

// Pause says that a job is not started by its schedule until a person resumes
// it.
type Pause struct {
	// Since is when it was paused, By who did it: a user of the operating system,
	// or the holder of a token.
	Since time.Time `json:"since"`
	By    string    `json:"by"`
	// Reason is why, in the words of who did it. It is not stored in clear.
	Reason string `json:"reason"`
}
