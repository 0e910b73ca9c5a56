package roster

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Subject is a record of an outside system that is a person's.
type Subject struct {
	// Connection is the ref of the system's connection.
	Connection string   `json:"connection"`
	Kind       sdk.Kind `json:"kind"`
	ID         string   `json:"id"`
}

// Person says who is meant where somebody wants to know or to be forgotten: by
// records, by e-mail addresses, or by both.
type Person struct {
	// Account is the key of the account in which the person is looked for.
	Account string
	// Subjects are records of the person. What is linked to them is theirs, too.
	Subjects []Subject
	// Emails are addresses as [NormalEmail] writes them.
	Emails []string
	// Sources are the refs of the connections that the account's jobs read, by job.
	Sources map[string]string
}

// Holding is what is stored of a person.
type Holding struct {
	// Subjects are those that were given and those that were found.
	Subjects []Subject `json:"subjects"`
	Held     []Held    `json:"held"`
}

// Held is one thing that is stored of a person.
type Held struct {
	// Where names the part of the state.
	Where HeldWhere `json:"where"`
	// Job, Run and Session are those that it belongs to, From and To the refs of the
	// connections that it is between.
	Job     string `json:"job,omitempty"`
	Run     string `json:"run,omitempty"`
	Session string `json:"session,omitempty"`
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
	// Kind, Record and Target name the record in the source and at the target.
	Kind   sdk.Kind `json:"kind,omitempty"`
	Record string   `json:"record,omitempty"`
	Target string   `json:"target,omitempty"`
	// Entry is the id under which other commands show it.
	Entry string `json:"entry,omitempty"`
	// State says more of what it is, in one word.
	State string     `json:"state,omitempty"`
	At    *time.Time `json:"at,omitempty"`
	// Until says when it ends by itself.
	Until string `json:"until,omitempty"`
	// Data is what is stored, as JSON; nil where there is no more than the above.
	Data json.RawMessage `json:"data,omitempty"`
}

// HeldWhere is a part of the state that may hold something of a person.
type HeldWhere string

// The parts.
const (
	HeldLink       HeldWhere = "link"
	HeldHistory    HeldWhere = "link_history"
	HeldReference  HeldWhere = "open_reference"
	HeldIntent     HeldWhere = "intent"
	HeldParked     HeldWhere = "parked"
	HeldQuarantine HeldWhere = "quarantine"
	HeldInbound    HeldWhere = "inbound"
	HeldSession    HeldWhere = "session"
	HeldChange     HeldWhere = "change_set"
	HeldLog        HeldWhere = "record_log"
	HeldTombstone  HeldWhere = "tombstone"
)

// Tombstone says that a person was erased, without saying who: what it knows them
// by are keyed hashes.
type Tombstone struct {
	ID string `json:"id"`
	// Account is the key of the account in which they are left out.
	Account string    `json:"account"`
	At      time.Time `json:"at"`
	// By says who asked for it, Reason why, in their words, which name nobody.
	By     string `json:"by"`
	Reason string `json:"reason"`
	// Records and Emails count the records and the addresses that are left out.
	Records int `json:"records"`
	Emails  int `json:"emails"`
}

// NormalEmail is an e-mail address as addresses are compared: without white space
// around it and without letter case. It is empty for what is none.
func NormalEmail(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	local, domain, ok := strings.Cut(text, "@")
	if !ok || local == "" || domain == "" || strings.ContainsAny(text, " \t\r\n\"<>,;") || strings.Contains(domain, "@") {
		return ""
	}
	return text
}

// Addresses calls visit with each e-mail address that a text holds, as
// [NormalEmail] writes it, until visit has seen enough.
func Addresses(text []byte, visit func(address string) (more bool)) {
	for at := 0; ; {
		next := bytes.IndexByte(text[at:], '@')
		if next < 0 {
			return
		}
		at += next
		start, end := at, at+1
		for start > 0 && (ofDomain(text[start-1]) || strings.IndexByte("!#$%&'*+/=?^_`{|}~", text[start-1]) >= 0) {
			start--
		}
		for end < len(text) && ofDomain(text[end]) {
			end++
		}
		found := bytes.Trim(text[start:end], "'.")
		if address := NormalEmail(string(found)); address != "" && !visit(address) {
			return
		}
		at++
	}
}

// ofDomain reports whether a byte may stand behind the @ of an address; before it
// some more may.
func ofDomain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c >= utf8.RuneSelf
}
