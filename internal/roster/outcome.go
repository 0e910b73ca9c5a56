package roster

// Outcome is what a target made of a client that it was served. A greater one
// outweighs a lesser: events come repeated and in any order, a client that is
// sent twice is told of twice, and what was done once is not undone by a later
// try that found nothing to do or failed.
type Outcome byte

// The outcomes, the weightiest last.
const (
	// OutcomeUnknown: the target has not told.
	OutcomeUnknown Outcome = iota
	// OutcomeFailed: the target could not import the client.
	OutcomeFailed
	// OutcomeKept: the target had the client and left it as it was, which
	// inTandem calls skipped.
	OutcomeKept
	// OutcomeUpdated: the target had the client and overwrote it.
	OutcomeUpdated
	// OutcomeCreated: the target did not have the client.
	OutcomeCreated
)

// OutcomeCounts counts clients by what a target made of them.
type OutcomeCounts struct {
	Created int `json:"created"`
	Updated int `json:"updated"`
	Kept    int `json:"kept"`
	Failed  int `json:"failed"`
}

// Add counts n clients. Those of which nothing is known are not counted.
func (c *OutcomeCounts) Add(o Outcome, n int) {
	switch o {
	case OutcomeCreated:
		c.Created += n
	case OutcomeUpdated:
		c.Updated += n
	case OutcomeKept:
		c.Kept += n
	case OutcomeFailed:
		c.Failed += n
	case OutcomeUnknown:
	}
}

// Sum is the number of clients counted.
func (c OutcomeCounts) Sum() int { return c.Created + c.Updated + c.Kept + c.Failed }

// OutcomeRecord is what changes together when a target tells what became of
// the clients of a session.
type OutcomeRecord struct {
	Session Session
	// Run is the session's run. Its ID is empty where that is not there any
	// more.
	Run Run
	// Clients are the outcomes of the session's own clients, by their place.
	Clients []Outcome
	// Refused are records to put into the quarantine, Settled those to take out
	// of it, named by Job, Run, Kind and Record.
	Refused, Settled []Quarantined
}

// SessionPage is what came of one page of a session, cut as the target asked
// for it.
type SessionPage struct {
	// Page counts from 1.
	Page    int `json:"page"`
	Clients int `json:"clients"`
	Served  int `json:"served"`
	// Outcome is nil until the target has told of the session.
	Outcome *OutcomeCounts `json:"outcome"`
	// Unknown are the served clients that the target has not told of.
	Unknown int `json:"unknown"`
}

// SessionReport is a session with what came of each page.
type SessionReport struct {
	Session
	// Pages is empty before the first page was asked for.
	Pages []SessionPage `json:"pages"`
}

// Report cuts what became of a session's clients into the session's pages.
// Clients holds the outcomes by place; it may be shorter than the session.
func (s Session) Report(clients []Outcome) SessionReport {
	report := SessionReport{Session: s, Pages: []SessionPage{}}
	if s.PerPage <= 0 {
		return report
	}
	for from := 0; from < s.Clients(); from += s.PerPage {
		to := min(from+s.PerPage, s.Clients())
		page := SessionPage{Page: from/s.PerPage + 1, Clients: to - from}
		var counts OutcomeCounts
		for _, r := range s.Served {
			first, last := max(r.From, from), min(r.To, to)
			if first >= last {
				continue
			}
			page.Served += last - first
			counts.AddAll(clients, Range{From: first, To: last})
		}
		page.Unknown = page.Served - counts.Sum()
		if s.Outcome != nil {
			page.Outcome = &counts
		}
		report.Pages = append(report.Pages, page)
	}
	return report
}

// AddAll counts the clients of a range. Places behind the end are unknown.
func (c *OutcomeCounts) AddAll(clients []Outcome, r Range) {
	for _, o := range clients[min(r.From, len(clients)):min(r.To, len(clients))] {
		c.Add(o, 1)
	}
}
