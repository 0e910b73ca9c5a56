package mapping

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// trim cuts white space of every script from both ends, with the invisible
// characters that come with copied text.
func trim(s string) string {
	if s != "" && isPlain(s[0]) && isPlain(s[len(s)-1]) {
		return s
	}
	return strings.TrimFunc(s, isBlankRune)
}

func isPlain(c byte) bool { return c > ' ' && c < 0x7f }

func isBlankRune(r rune) bool {
	switch r {
	case '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff', '\u00ad':
		return true
	}
	return unicode.IsSpace(r) || unicode.IsControl(r)
}

// collapse trims and makes every run of white space one space.
func collapse(s string) string {
	clean := true
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c >= 0x7f || c == ' ' && (i == 0 || i == len(s)-1 || s[i+1] == ' ') {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, isBlankRune), " ")
}

func lowerText(s string) string { return strings.ToLower(norm.NFC.String(trim(s))) }

func upperText(s string) string { return strings.ToUpper(norm.NFC.String(trim(s))) }

// digits keeps the decimal digits, those of other scripts as the usual ones.
func digits(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b = append(b, byte(r))
		case r >= utf8.RuneSelf && unicode.IsDigit(r):
			b = append(b, digitValue(r))
		}
	}
	return string(b)
}

// digitValue finds a digit's value: the digits of a script stand in a row of
// ten that begins with its zero.
func digitValue(r rune) byte {
	value := byte('0')
	for unicode.IsDigit(r-1) && value < '9' {
		r--
		value++
	}
	return value
}

// titleName writes a name that is all upper or all lower case with capitals at
// the beginning of its parts. A name with both is left as its owner wrote it:
// McDonald, O'Neil, van der Berg, deShawn.
func titleName(s string) string {
	s = collapse(norm.NFC.String(s))
	if isMixed(s) {
		return s
	}
	var buffer [64]byte
	b := buffer[:0]
	for rest, more := s, true; more; {
		var word string
		first := len(b) == 0
		word, rest, more = strings.Cut(rest, " ")
		b = appendTitle(b, word, first, !more)
		if more {
			b = append(b, ' ')
		}
	}
	return string(b)
}

// isMixed reports whether a name has small letters and, beyond the first letter
// of a single capital, large ones.
func isMixed(s string) bool {
	upper, lower := false, false
	for _, r := range s {
		upper = upper || unicode.IsUpper(r)
		lower = lower || unicode.IsLower(r)
	}
	return upper && lower
}

// appendTitle appends a word of a name.
func appendTitle(b []byte, word string, first, last bool) []byte {
	lower := strings.ToLower(word)
	switch {
	case !last && isParticle(lower):
		return append(b, lower...)
	case !first && (lower == "ii" || lower == "iii" || lower == "iv"):
		return append(b, strings.ToUpper(word)...)
	}
	start := true
	for i, r := range lower {
		if start && unicode.IsLetter(r) {
			r = unicode.ToTitle(r)
		}
		b = utf8.AppendRune(b, r)
		start = startsPart(lower, i, r)
	}
	return b
}

// startsPart reports whether a capital follows r, which stands at i: behind a
// hyphen or a full stop, behind the apostrophe of O'Neil but not of John's, and
// behind the Mc of McDonald.
func startsPart(lower string, i int, r rune) bool {
	rest := lower[i+utf8.RuneLen(r):]
	switch r {
	case '-', '.', '/', '(', '\u2010', '\u2011':
		return true
	case '\'', '\u2019':
		return utf8.RuneCountInString(rest) > 1
	case 'c':
		return i == 1 && lower[0] == 'm' && len(rest) > 1
	}
	return false
}

// isParticle names the words that stand before a family name in small letters.
func isParticle(lower string) bool {
	switch lower {
	case "van", "von", "der", "den", "de", "del", "della", "di", "da", "dos", "du", "la", "le", "bin", "ibn", "bint":
		return true
	}
	return false
}

// joinParts joins the parts of an address with commas, each tidied and without
// a comma of its own at the end; a part that repeats the one before is left
// out.
func joinParts(parts []string) string {
	var buffer [128]byte
	b, before := buffer[:0], ""
	for _, part := range parts {
		part = strings.Trim(collapse(part), ", ")
		if part == "" || part == before {
			continue
		}
		if before != "" {
			b = append(b, ", "...)
		}
		b = append(b, part...)
		before = part
	}
	return string(b)
}
