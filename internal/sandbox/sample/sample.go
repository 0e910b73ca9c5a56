// Package sample holds the files that quickstart imports: the member list of a
// gym that does not exist, as untidy as real ones are. Its telephone numbers
// are those reserved for fiction (555-01xx), its e-mail addresses end in the
// domains reserved for examples.
package sample

import _ "embed"

// Members is a CSV file of 1,000 members of the two clubs "1" and "2", with the
// columns member_no, club_no, first, last, e_mail, mobile, home_phone, street,
// city, zip, joined, status and birthdate. Member numbers identify a member
// within the file.
//
//go:embed members.csv
var Members []byte

// Counts are what an import of a file gives.
type Counts struct {
	// Read = Frozen + Skipped + Quarantined.
	Read, Frozen, Skipped, Quarantined int
	// Codes breaks Quarantined down by the code of the cause.
	Codes map[string]int
}

// Expected returns the counts that [Members] gives when it is mapped by
// scripts/gym_to_intandem.lua for an account in Canada with the clubs "1" and
// "2".
func Expected() Counts {
	return Counts{
		Read: 1000, Frozen: 957, Skipped: 20, Quarantined: 23,
		Codes: map[string]int{
			"read.rejected":        4,  // two ragged rows, a stray quote, a quote that is never closed
			"map.unknown_club":     2,  // members of a club "9"
			"freeze.missing_field": 12, // without a first name
			"freeze.duplicate_id":  5,  // member numbers that were there before
		},
	}
}
