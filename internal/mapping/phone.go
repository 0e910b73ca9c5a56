package mapping

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// parsePhone asks the library. An extension is left out: the form has no place
// for it.
func parsePhone(s, region string) string {
	number, err := phonenumbers.Parse(s, region)
	if err != nil || !phonenumbers.IsValidNumber(number) {
		return ""
	}
	return phonenumbers.Format(number, phonenumbers.E164)
}

const (
	// nanpDigits is the length of a number in the plan that the countries with
	// code 1 share: area code, exchange, and four digits of the line.
	nanpDigits = 10
	lineDigits = 4
	// exchanges is the number of area codes with their exchanges.
	exchanges = 1_000_000
	// maxPlainPhone bounds what the short way looks at.
	maxPlainPhone = 32
)

// phoneBook normalises phone numbers for one state. The library takes some
// 25 µs for a number, more than everything else that a record costs, so the
// book has a short way for numbers with country code 1 that are written with
// digits and usual signs. Whether such a number is valid depends on its area
// code and exchange only, so the book asks the library once for each of them.
// Two tests hold it to the library's results: one reads that property off the
// library's own patterns, one compares results.
type phoneBook struct {
	// known and valid are sets of area codes with exchanges, made on first use.
	known, valid []uint64
}

func (p *phoneBook) normalize(s, region string) string {
	if digits, ok := nanpNumber(s, region); ok {
		if p.isValid(digits) {
			return "+1" + string(digits[:])
		}
		return ""
	}
	return parsePhone(s, region)
}

// national writes a number as people in its own country do.
func (p *phoneBook) national(s, region string) string {
	number, err := phonenumbers.Parse(s, region)
	if err != nil || !phonenumbers.IsValidNumber(number) {
		return ""
	}
	number.Extension = nil
	return phonenumbers.Format(number, phonenumbers.NATIONAL)
}

// extension returns the extension of a number. A text of digits and usual signs
// has none.
func (p *phoneBook) extension(s, region string) string {
	if strings.Trim(s, "+0123456789 -.()") == "" {
		return ""
	}
	number, err := phonenumbers.Parse(s, region)
	if err != nil || !phonenumbers.IsValidNumber(number) {
		return ""
	}
	return number.GetExtension()
}

// isValid reports whether the library takes the exchange of a number.
func (p *phoneBook) isValid(digits [nanpDigits]byte) bool {
	if p.known == nil {
		p.known, p.valid = make([]uint64, exchanges/64), make([]uint64, exchanges/64)
	}
	exchange := 0
	for _, c := range digits[:nanpDigits-lineDigits] {
		exchange = exchange*10 + int(c-'0')
	}
	word, bit := exchange/64, uint64(1)<<(exchange%64)
	if p.known[word]&bit == 0 {
		p.known[word] |= bit
		if parsePhone("+1"+string(digits[:]), "US") != "" {
			p.valid[word] |= bit
		}
	}
	return p.valid[word]&bit != 0
}

// nanpNumber returns the ten digits of a number with country code 1, and false
// for everything whose reading needs the library: another country, letters, an
// extension, another length. An area code begins with 2 to 9, so ten digits
// hold neither the country code nor a prefix to dial abroad.
func nanpNumber(s, region string) (number [nanpDigits]byte, ok bool) {
	plus := strings.HasPrefix(s, "+")
	digits, n := plainDigits(strings.TrimPrefix(s, "+"))
	switch {
	case n == nanpDigits+1 && digits[0] == '1' && (plus || isNANP(region)):
		number = [nanpDigits]byte(digits[1:])
	case n == nanpDigits && !plus && isNANP(region):
		number = [nanpDigits]byte(digits[:])
	}
	return number, number[0] >= '2' && !looksAtLine(string(number[:3]))
}

// plainDigits returns the digits of a text of digits and usual signs, and their
// number; that is zero for another text and for more digits than there can be.
func plainDigits(s string) (digits [nanpDigits + 1]byte, n int) {
	if len(s) > maxPlainPhone {
		return digits, 0
	}
	for i := range len(s) {
		switch c := s[i]; c {
		case ' ', '-', '.', '(', ')':
		default:
			if c < '0' || c > '9' || n == len(digits) {
				return digits, 0
			}
			digits[n] = c
			n++
		}
	}
	return digits, n
}

// looksAtLine names the area codes (Barbados, Jamaica) whose exchanges are
// divided further.
func looksAtLine(area string) bool { return area == "246" || area == "876" }

// isNANP reports whether numbers of a region have country code 1 and its
// plain national form. The islands that share the code have local forms of
// their own, which are left to the library.
func isNANP(region string) bool { return region == "CA" || region == "US" }
