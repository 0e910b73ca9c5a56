package alerts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// Condition is how one facet of a subject stands.
type Condition struct {
	// Subject is what it is about: account/job, the name of an adapter, or the
	// state directory. Facet is what of it.
	Subject, Facet string
	// State is what is wrong, in one word of the configuration's alerts.on; empty
	// where all is well.
	State string
	// Account is the account of a job; empty for what belongs to none.
	Account string
	// Summary says in one line how it stands, also where all is well.
	Summary string
	// Command is what shows more or sets it right.
	Command string
}

// Receiver is somebody who is told.
type Receiver struct {
	Name string
	// Type is email or webhook.
	Type string
	// On are the states that it is told of, Account is the account whose jobs it is
	// told of; empty for everything.
	On      []string
	Account string
	Sender  Sender
}

// wants returns the state of a condition as the receiver sees it: empty for one
// that it is not told of.
func (r Receiver) wants(c Condition) string {
	if slices.Contains(r.On, c.State) {
		return c.State
	}
	return ""
}

// hears reports whether the receiver is told of a condition's subject at all.
func (r Receiver) hears(c Condition) bool { return r.Account == "" || r.Account == c.Account }

// Sender takes messages to a receiver. It serves concurrent calls.
type Sender interface {
	// Send returns nil when the message was taken. Its error is a *roster.Fault and
	// holds neither addresses of people nor secrets. It wraps [ErrUnsure] where the
	// message may have been taken all the same.
	Send(ctx context.Context, m Message) error
}

// ErrUnsure says that nobody knows whether a message was taken: the answer was lost.
var ErrUnsure = errors.New("whether it was taken is not known")

// unsure is a fault that leaves open whether the message was taken. It is told like
// any other.
type unsure struct{ fault *roster.Fault }

// Error returns the text of the fault.
func (u unsure) Error() string { return u.fault.Error() }

// Unwrap returns the fault and [ErrUnsure].
func (u unsure) Unwrap() []error { return []error{u.fault, ErrUnsure} }

// Message is what a receiver is told at one time.
type Message struct {
	// ID is the same whenever the same is sent again.
	ID string
	At time.Time
	// Origin is where the daemon is reached from outside, so that messages of
	// several can be told apart.
	Origin string
	// Test says that it is only a trial, with no items.
	Test  bool
	Items []Item
}

// Item is one change in a message.
type Item struct {
	ID string
	Condition
	// Since is when it was noticed.
	Since time.Time
	// Again says that the receiver was told the same before.
	Again bool
}

// title is the subject of an e-mail, and the first line of everything.
func (m Message) title() string {
	if m.Test {
		return "rosterd: this is a test"
	}
	if len(m.Items) == 1 {
		return "rosterd: " + m.Items[0].title()
	}
	bad := 0
	for _, item := range m.Items {
		if item.State != "" {
			bad++
		}
	}
	var parts []string
	if bad > 0 {
		parts = append(parts, fmt.Sprintf("%d need a person", bad))
	}
	if well := len(m.Items) - bad; well > 0 {
		parts = append(parts, fmt.Sprintf("%d are well again", well))
	}
	return "rosterd: " + strings.Join(parts, ", ")
}

func (i Item) title() string {
	switch {
	case i.State == "":
		return i.Subject + " is well again"
	case i.Again:
		return i.Subject + " is still " + words(i.State)
	default:
		return i.Subject + " is " + words(i.State)
	}
}

// words is a state as it stands in a sentence.
func words(state string) string {
	switch state {
	case "parked":
		return "waiting for a person"
	case "adapter_parked":
		return "parked"
	case "disk":
		return "out of room"
	default:
		return state
	}
}

// text is the message for people.
func (m Message) text() string {
	var b strings.Builder
	if m.Test {
		b.WriteString("This is a test of the alerts of rosterd. Nothing is wrong.\n")
	}
	for _, item := range m.Items {
		fmt.Fprintf(&b, "%s\n  %s\n", item.title(), item.Summary)
		if item.State != "" {
			fmt.Fprintf(&b, "  since %s\n", item.Since.UTC().Format(time.RFC3339))
		}
		if item.Command != "" {
			fmt.Fprintf(&b, "  %s\n", item.Command)
		}
		b.WriteString("\n")
	}
	if m.Origin != "" {
		fmt.Fprintf(&b, "This is the rosterd at %s .\n", m.Origin)
	}
	return b.String()
}

// idOf names the message of some items.
func idOf(items []Item) string {
	ids := make([]string, len(items))
	for i, item := range items {
		ids[i] = item.ID
	}
	slices.Sort(ids)
	sum := sha256.Sum256([]byte(strings.Join(ids, " ")))
	return "msg_" + hex.EncodeToString(sum[:12])
}
