package mapping

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// nameFunctions split a name that the source has in one field.
func nameFunctions() []function {
	return []function{
		{"name", "first", "first_name", "s", "text", "the given names in a whole name; the whole name where that is not certain", onText(func(s string) string {
			first, _ := splitName(s)
			return first
		})},
		{"name", "last", "last_name", "s", "text", "the family name in a whole name; nil where that is not certain", onText(func(s string) string {
			_, last := splitName(s)
			return last
		})},
	}
}

// maxNameWords bounds the words of a name that is split.
const maxNameWords = 8

// splitName splits a whole name where it is certain where the family name
// begins: "Last, First", two words, an initial in the middle, a particle (van,
// de la, bin). Everything else is left whole as the first name, so that nothing
// is lost and nobody gets a family name that is a second given name.
func splitName(s string) (first, last string) {
	s = collapse(norm.NFC.String(s))
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsDigit(r) || strings.ContainsRune("&/+()[]@\"", r) }) {
		return s, ""
	}
	family, given, comma := strings.Cut(s, ",")
	family, given = trim(family), trim(given)
	switch {
	case !comma:
		return splitWords(s)
	case strings.Contains(given, ","):
		return s, ""
	case isSuffix(given):
		if first, last = splitWords(family); last != "" {
			return first, last + ", " + given
		}
		return s, ""
	case given == "":
		return splitWords(family)
	case family == "":
		return given, ""
	}
	return dropTitle(given), family
}

// splitWords splits a name that is written given names first.
func splitWords(s string) (first, last string) {
	words := strings.Fields(dropTitle(s))
	suffix := ""
	if n := len(words); n > 2 && isSuffix(words[n-1]) {
		suffix = " " + words[n-1]
		words = words[:n-1]
	}
	n := len(words)
	at := 0
	switch {
	case n < 2 || n > maxNameWords || slices.ContainsFunc(words, isLink):
	case n == 2 && !isInitial(words[1]):
		at = 1
	case n == 2:
	default:
		at = familyAt(words)
	}
	if at == 0 {
		return s, ""
	}
	return strings.Join(words[:at], " "), strings.Join(words[at:], " ") + suffix
}

// familyAt returns where the family name of three words or more begins, or
// zero.
func familyAt(words []string) int {
	n := len(words)
	for i := 1; i < n-1; i++ {
		if isParticle(strings.ToLower(words[i])) {
			return i
		}
	}
	for _, word := range words[1 : n-1] {
		if !isInitial(word) {
			return 0
		}
	}
	if isInitial(words[n-1]) {
		return 0
	}
	return n - 1
}

// isInitial reports whether a word is a letter, with or without a full stop.
func isInitial(word string) bool {
	runes := []rune(strings.TrimSuffix(word, "."))
	return len(runes) == 1 && unicode.IsUpper(runes[0])
}

// isLink reports whether a word joins two people.
func isLink(word string) bool {
	return slices.Contains([]string{"and", "und", "et", "y", "e", "en", "og", "och", "or"}, strings.ToLower(word))
}

// isSuffix reports whether a word stands behind a family name.
func isSuffix(word string) bool {
	word = strings.ToLower(strings.ReplaceAll(word, ".", ""))
	return slices.Contains([]string{"jr", "sr", "ii", "iii", "iv", "phd", "md", "esq"}, word)
}

// dropTitle leaves out a form of address before a name.
func dropTitle(s string) string {
	word, rest, more := strings.Cut(s, " ")
	title := strings.ToLower(strings.TrimSuffix(word, "."))
	if more && slices.Contains([]string{"mr", "mrs", "ms", "miss", "mx", "dr", "prof"}, title) {
		return rest
	}
	return s
}
