package turnup

import (
	"maps"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Club is a club of a system.
type Club struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Club is the key of the account's club that has the id; empty where none has.
	Club string `json:"club,omitempty"`
}

// Clubs says of the clubs of a system which of the account's they are, by the ids
// that those have there, and which of the account's the system does not have.
func Clubs(ids map[string]string, there []sdk.Club) (found []Club, missing []string) {
	keys := map[string]string{}
	for key, id := range ids {
		keys[id] = key
	}
	for _, club := range there {
		found = append(found, Club{ID: club.ID, Name: club.Name, Club: keys[club.ID]})
		delete(keys, club.ID)
	}
	return found, slices.Sorted(maps.Values(keys))
}

// Verdict says whether a staff member would be linked, and why not.
type Verdict string

// The verdicts.
const (
	Links   Verdict = "links"
	NoEmail Verdict = "no_email"
	// NoneThere says that the other system has nobody with the e-mail address, and
	// Several that one of the two has it more than once: nobody is taken then.
	NoneThere Verdict = "none"
	Several   Verdict = "several"
)

// StaffMember is a staff member of one system, and who that is in another. An e-mail
// address is personal and not in it.
type StaffMember struct {
	ID string `json:"id"`
	// Other is the id in the other system; empty unless the two would be linked.
	Other   string  `json:"other,omitempty"`
	Verdict Verdict `json:"verdict"`
}

// Staff says of the staff of one system whom each would be linked with in another:
// by e-mail address, without regard to case, as a sync does it.
func Staff(from, to []sdk.Staff) []StaffMember {
	there, here := map[string][]string{}, map[string]int{}
	for _, s := range to {
		if !s.Inactive { // nobody is linked with one who can own nothing
			there[fold(s.Email)] = append(there[fold(s.Email)], s.ID)
		}
	}
	for _, s := range from {
		here[fold(s.Email)]++
	}
	members := make([]StaffMember, len(from))
	for i, s := range from {
		m := StaffMember{ID: s.ID, Verdict: Links}
		email := fold(s.Email)
		found := there[email]
		switch {
		case email == "":
			m.Verdict = NoEmail
		case len(found) == 0:
			m.Verdict = NoneThere
		case len(found) > 1 || here[email] > 1:
			m.Verdict = Several
		default:
			m.Other = found[0]
		}
		members[i] = m
	}
	return members
}

func fold(email string) string { return strings.ToLower(strings.Join(strings.Fields(email), " ")) }
