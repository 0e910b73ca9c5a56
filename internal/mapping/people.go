package mapping

import (
	"net/mail"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

const (
	maxEmail      = 254
	maxEmailLocal = 64
	maxLabel      = 63
)

// normalizeEmail returns an address with its domain in small ASCII letters, or
// nothing for what is no address. The part before the @ stays as it is: only
// its own system knows whether case counts there.
func normalizeEmail(s string) string {
	s = trim(s)
	if len(s) > 2*maxEmail {
		return ""
	}
	if isPlainEmail(s) {
		domain := s[strings.IndexByte(s, '@')+1:]
		if lower := strings.ToLower(domain); lower != domain {
			return strings.TrimSuffix(s, domain) + lower
		}
		return s
	}
	return parseEmail(s)
}

// emailKey is what two spellings of an address have in common. Strictly the
// part before the @ could differ by case; no provider has two such people.
func emailKey(s string) string { return lowerText(normalizeEmail(s)) }

// parseEmail is the whole rule; isPlainEmail decides the common form faster.
func parseEmail(s string) string {
	parsed, err := mail.ParseAddress(s)
	if err != nil {
		return ""
	}
	at := strings.LastIndexByte(parsed.Address, '@')
	if at < 1 || at > maxEmailLocal {
		return ""
	}
	local := parsed.Address[:at]
	if strings.ContainsFunc(local, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`"(),:;<>@[\]`, r) }) {
		return ""
	}
	domain, err := idna.Lookup.ToASCII(parsed.Address[at+1:])
	if err != nil || !isDomain(domain) || at+1+len(domain) > maxEmail {
		return ""
	}
	return local + "@" + strings.ToLower(domain)
}

// isPlainEmail reports whether s is an address of the common ASCII form, so
// that parseEmail would only lower its domain.
func isPlainEmail(s string) bool {
	at := strings.IndexByte(s, '@')
	if at < 1 || at > maxEmailLocal || len(s) > maxEmail {
		return false
	}
	dot := true
	for i := range at {
		c := s[i]
		switch {
		case c == '.':
			if dot {
				return false
			}
			dot = true
		case isAlnum(c) || strings.IndexByte("_-+", c) >= 0:
			dot = false
		default:
			return false
		}
	}
	return !dot && isDomain(s[at+1:]) && !strings.Contains(s[at:], "--")
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// isDomain reports whether s is a host name of at least two labels whose last
// begins with a letter.
func isDomain(s string) bool {
	labels, start := 0, 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if !isAlnum(s[i]) && s[i] != '-' {
				return false
			}
			continue
		}
		label := s[start:i]
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		labels++
		if i == len(s) {
			return labels > 1 && len(label) > 1 && label[0] > '9'
		}
		start = i + 1
	}
	return false
}

// parsedDate returns a date as YYYY-MM-DD when it has one of the given layouts,
// tried in order; without a layout it must have that form already. A layout is
// never guessed: 3/4/2026 is March in one country and April in another.
func parsedDate(e *engine, args []value) value {
	s, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	s = trim(s)
	if len(args) < 2 {
		return textValue(dateIn(s, time.DateOnly))
	}
	found := ""
	for i, arg := range args[1:] {
		declared, _ := arg.asText()
		layout, ok := e.layout(declared)
		if !ok {
			return badArgument(i+1, "layout: one is made of YYYY YY MMMM MMM MM M DD D HH mm ss and signs")
		}
		if found == "" && s != "" {
			found = dateIn(s, layout)
		}
	}
	return textValue(found)
}

// dateYear is the year of what parsedDate returns.
func dateYear(e *engine, args []value) value {
	parsed := parsedDate(e, args)
	if parsed.kind != kindText {
		return parsed
	}
	year, err := strconv.Atoi(parsed.text[:len("YYYY")])
	if err != nil {
		return value{}
	}
	return numberValue(float64(year))
}

func dateIn(s, layout string) string {
	if date, ok := plainDate(s, layout); ok {
		return date
	}
	return parseDateIn(s, layout)
}

// parseDateIn is the whole rule; plainDate decides the common layouts faster.
func parseDateIn(s, layout string) string {
	t, err := time.Parse(layout, s)
	if err != nil || t.Year() < 1 {
		return ""
	}
	return t.Format(time.DateOnly)
}

// layout translates an argument like "DD/MM/YYYY" once for a state.
func (e *engine) layout(declared string) (string, bool) {
	if layout, ok := e.layouts[declared]; ok {
		return layout, true
	}
	layout, ok := goLayout(declared)
	if ok && len(e.layouts) < maxLayouts {
		e.layouts[declared] = layout
	}
	return layout, ok
}

// maxLayouts bounds the layouts kept: a script that computes them cannot fill
// the memory.
const maxLayouts = 64

// goLayout translates a layout. Every letter must belong to one of the words,
// but for the T between date and time; digits have no place in a layout.
func goLayout(declared string) (string, bool) {
	words := []struct{ word, layout string }{
		{"YYYY", "2006"},
		{"YY", "06"},
		{"MMMM", "January"},
		{"MMM", "Jan"},
		{"MM", "01"},
		{"M", "1"},
		{"DD", "02"},
		{"D", "2"},
		{"HH", "15"},
		{"mm", "04"},
		{"ss", "05"},
	}
	var b strings.Builder
scan:
	for rest := declared; rest != ""; {
		for _, w := range words {
			if after, ok := strings.CutPrefix(rest, w.word); ok {
				b.WriteString(w.layout)
				rest = after
				continue scan
			}
		}
		if isAlnum(rest[0]) && rest[0] != 'T' || rest[0] == '_' {
			return "", false
		}
		b.WriteByte(rest[0])
		rest = rest[1:]
	}
	return b.String(), strings.Contains(declared, "YY") && strings.Contains(declared, "M") && strings.Contains(declared, "D")
}
