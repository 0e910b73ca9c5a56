package roster

import "time"

// Alert is what one receiver of alerts was told of one thing that can need a
// person, and what it has to be told yet. It holds names of the configuration
// and counts, and nothing of a record.
type Alert struct {
	// Receiver is the receiver's name.
	Receiver string `json:"receiver"`
	// Subject is what it is about: account/job, the name of an adapter, or the
	// state directory. Facet is what of it, since a job may fail and have creates
	// parked at the same time.
	Subject string `json:"subject"`
	Facet   string `json:"facet"`
	// Told is the state that the receiver was told last, at Sent; empty for the
	// good state.
	Told string    `json:"told,omitempty"`
	Sent time.Time `json:"sent,omitzero"`
	// Unsure says that the receiver may have been told something else after that,
	// of which it is not known whether it took it. Next tells it how it stands.
	Unsure bool `json:"unsure,omitempty"`
	// Next is what is to be told; nil where there is nothing.
	Next *AlertMessage `json:"next,omitempty"`
}

// AlertMessage is a message that a receiver has not taken yet.
type AlertMessage struct {
	// ID stays the same over every try.
	ID string `json:"id"`
	// State is what the message tells; empty says that all is well again.
	State string `json:"state,omitempty"`
	// Since is when it was noticed.
	Since time.Time `json:"since"`
	// Tries counts the tries that failed.
	Tries int `json:"tries,omitempty"`
	// Begun says that the receiver may have taken it: a try of which nothing proves
	// the contrary was begun.
	Begun bool `json:"begun,omitempty"`
}

// Key names an alert among all.
func (a Alert) Key() string { return a.Receiver + " " + a.Facet + " " + a.Subject }
