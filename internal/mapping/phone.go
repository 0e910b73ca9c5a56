package mapping

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
	lua "github.com/yuin/gopher-lua"
)

// phoneBook normalises phone numbers for one state.
type phoneBook struct{}

func newPhoneBook() phoneBook { return phoneBook{} }

// phoneE164 returns a phone number as +, country code and digits, or nothing
// for what is no valid number. A number without a country code belongs to the
// given country, else to the record's club's, else to the account's.
func phoneE164(e *engine, l *lua.LState) int {
	s := e.argument(l, 1)
	if s == "" {
		return pushText(l, "")
	}
	region := strings.ToUpper(trim(e.argument(l, 2)))
	if region == "" {
		region = e.club.Country
	}
	if region == "" {
		region = e.context.Country
	}
	return pushText(l, e.phones.normalize(s, region))
}

func (p *phoneBook) normalize(s, region string) string { return parsePhone(s, region) }

// parsePhone asks the library. An extension is left out: the form has no place
// for it.
func parsePhone(s, region string) string {
	number, err := phonenumbers.Parse(s, region)
	if err != nil || !phonenumbers.IsValidNumber(number) {
		return ""
	}
	return phonenumbers.Format(number, phonenumbers.E164)
}
