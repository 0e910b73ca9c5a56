package mapping

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// moreTextFunctions are the functions of text that cut, replace and compare.
func moreTextFunctions() []function {
	return []function{
		{"text", "fold", "fold", "s", "text", "a key to compare by: small letters, no accents, single spaces", onText(fold)},
		{"text", "slug", "slug", "s", "text", "\"Gold & Plus\" as gold-plus", onText(slug)},
		{"text", "truncate", "truncate", "s, n", "text", "at most n characters, none cut in two", truncated},
		{"text", "replace", "replace", "s, from, to", "text", "every from replaced by to, letter by letter", replaced},
		{"text", "part", "part", "s, sep, n", "text", "part n between separators; -1 is the last, and \"\" separates at white space", partOf},
	}
}

// fold returns what two spellings of one name have in common.
func fold(s string) string {
	s = collapse(s)
	if isASCII(s) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(norm.NFKC.String(s))) {
		switch {
		case r >= '\u0300' && r <= '\u036f': // the accents, which stand behind their letters
		case r < utf8.RuneSelf:
			b.WriteByte(byte(r))
		default:
			writeLetter(&b, r)
		}
	}
	return collapse(norm.NFC.String(b.String()))
}

// writeLetter writes a letter without what is a part of it, as its neighbours
// in Europe write it.
func writeLetter(b *strings.Builder, r rune) {
	switch r {
	case 'ß':
		b.WriteString("ss")
	case 'æ':
		b.WriteString("ae")
	case 'œ':
		b.WriteString("oe")
	case 'þ':
		b.WriteString("th")
	case 'ø':
		b.WriteByte('o')
	case 'ł':
		b.WriteByte('l')
	case 'đ', 'ð':
		b.WriteByte('d')
	case 'ı':
		b.WriteByte('i')
	case '\u2018', '\u2019':
		b.WriteByte('\'')
	case '\u2010', '\u2011':
		b.WriteByte('-')
	default:
		b.WriteRune(r)
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// slug keeps the letters and digits of every script, with single hyphens.
func slug(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range fold(s) {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
			gap = gap || r != '\''
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(r)
		gap = false
	}
	return b.String()
}

// maxCharacters is the largest n of text.truncate.
const maxCharacters = 1 << 20

func truncated(_ *engine, args []value) value {
	text, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	n, ok := wholeArgument(args, 1)
	if !ok || n < 1 || n > maxCharacters {
		return badArgument(1, "whole number above 0")
	}
	return textValue(truncate(trim(text), n))
}

// truncate cuts behind n runes, and before a letter whose accent would be cut
// off.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	end, count := 0, 0
	for i, r := range s {
		if !unicode.IsMark(r) && r != '\u200d' {
			end = i
		}
		if count == n {
			return strings.TrimRightFunc(s[:end], isBlankRune)
		}
		count++
	}
	return s
}

func replaced(_ *engine, args []value) value {
	text, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	from, ok := argument(args, 1).asText()
	if !ok {
		return badArgument(1, "text")
	}
	to, ok := argument(args, 2).asText()
	if !ok {
		return badArgument(2, "text")
	}
	if from == "" {
		return textValue(text)
	}
	if len(to) > len(from) && len(text)+strings.Count(text, from)*(len(to)-len(from)) > maxTextBytes {
		return badArgument(0, "text short enough: the result would have more than 1 MiB")
	}
	return textValue(strings.ReplaceAll(text, from, to))
}

// partOf is one of the parts of a text, trimmed.
func partOf(_ *engine, args []value) value {
	text, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	sep, ok := argument(args, 1).asText()
	if !ok {
		return badArgument(1, "text")
	}
	n, ok := wholeArgument(args, 2)
	if !ok || n == 0 {
		return badArgument(2, "whole number that is not 0")
	}
	if sep = trim(sep); sep == "" {
		text, sep = collapse(text), " "
	}
	if n < 0 {
		n += strings.Count(text, sep) + 2
	}
	for i := 1; i < n; i++ {
		if _, text, ok = strings.Cut(text, sep); !ok {
			return value{}
		}
	}
	if n < 1 {
		return value{}
	}
	part, _, _ := strings.Cut(text, sep)
	return textValue(trim(part))
}
