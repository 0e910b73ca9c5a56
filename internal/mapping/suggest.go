package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// alike are words by which systems call the same field of a person, each list led by
// the name that targets most often use.
func alike() [][]string {
	return [][]string{
		{"first_name", "first", "given_name", "forename", "fname"},
		{"last_name", "last", "surname", "family_name", "lname"},
		{"email", "mail", "e_mail", "email_address"},
		{"mobile", "cell", "cell_phone", "mobile_phone", "phone", "phone_number", "telephone", "tel"},
		{"birthdate", "birthday", "date_of_birth", "dob", "born"},
		{"address1", "address", "street", "street_address"},
		{"zip", "zipcode", "zip_code", "postcode", "postal_code"},
		{"state", "province", "region"},
		{"notes", "note", "comment", "comments", "remarks"},
		{"gender", "sex"},
		{"owner", "owner_id", "staff_id", "salesperson"},
		{"lead_source", "lead_source_id", "referral_source"},
	}
}

// tidying are the methods that a suggested field gets, by its name.
func tidying() []struct {
	names  *regexp.Regexp
	method string
} {
	return []struct {
		names  *regexp.Regexp
		method string
	}{
		{regexp.MustCompile(`first_?name|last_?name|(?i)^city$`), ":title()"},
		{regexp.MustCompile(`(?i)e_?mail`), ":email()"},
		{regexp.MustCompile(`(?i)phone|mobile|^tel`), ":phone()"},
		{regexp.MustCompile(`(?i)birth|_date$|^date_|trial_(start|end)`), `:date("YYYY-MM-DD")`},
		{regexp.MustCompile(`(?i)^country$`), ":country()"},
		{regexp.MustCompile(`(?i)(^|_)id$|^owner$|^lead_source$`), ""},
		{regexp.MustCompile(``), ":trim()"},
	}
}

// Suggest writes a plan to begin a script with: each target field is filled from the
// source field of the same or of a similar name. What has no counterpart stands there
// as a comment. It is for a person to go on with, and right by no means.
func Suggest(source, target []EditorField) []byte {
	matched, used := matchFields(source, target)
	var b strings.Builder
	b.WriteString("-- A start, made by the names of the fields alone: look at each line.\nreturn mapping{\n")
	var open []EditorField
	for _, field := range target {
		name, ok := matched[field.Name]
		if !ok {
			open = append(open, field)
			continue
		}
		fmt.Fprintf(&b, "  %s = %s%s,\n", luaKey(field.Name), luaField(name), methodFor(field.Name))
	}
	b.WriteString("}\n")
	if len(open) > 0 {
		b.WriteString("\n-- Fields of the target for which no field of the source was found:\n")
		for _, field := range open {
			b.WriteString(strings.TrimRight("--   "+comment(field.Name)+"  "+comment(field.Doc), " ") + "\n")
		}
	}
	var left []string
	for _, field := range source {
		if !used[field.Name] {
			left = append(left, comment(field.Name))
		}
	}
	if len(left) > 0 {
		b.WriteString("\n-- Fields of the source that are not used: " + strings.Join(left, ", ") + "\n")
	}
	return []byte(b.String())
}

// matchFields gives each target field the source field that is nearest by its name.
// No source field is taken twice; the nearer pairs go first.
func matchFields(source, target []EditorField) (matched map[string]string, used map[string]bool) {
	type pair struct {
		target, source string
		distance       int
	}
	var pairs []pair
	for _, t := range target {
		for _, s := range source {
			if d, ok := nameDistance(t.Name, s.Name); ok {
				pairs = append(pairs, pair{t.Name, s.Name, d})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return a.distance - b.distance })
	matched, used = map[string]string{}, map[string]bool{}
	for _, p := range pairs {
		if _, done := matched[p.target]; !done && !used[p.source] {
			matched[p.target], used[p.source] = p.source, true
		}
	}
	return matched, used
}

// nameDistance is how far a name is from another, where they may mean the same: 0 but
// for case and separators, then mistyped, then other words for it.
func nameDistance(target, source string) (int, bool) {
	a, b := bareName(target), bareName(source)
	if a == "custom" || a == "customfields" {
		return 0, false // they hold fields, which have to be picked
	}
	if a == b {
		return 0, true
	}
	if n := edits(a, b); n == 1 && min(len(a), len(b)) > 3 {
		return 1, true
	}
	for _, words := range alike() {
		in := func(name string) int {
			return slices.IndexFunc(words, func(word string) bool { return bareName(word) == name })
		}
		if x, y := in(a), in(b); x >= 0 && y >= 0 {
			return 2 + max(x, y), true
		}
	}
	return 0, false
}

func methodFor(name string) string {
	for _, t := range tidying() {
		if t.names.MatchString(name) {
			return t.method
		}
	}
	return ""
}

var luaName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// isLuaName reports whether a name can stand in a script without quotes.
func isLuaName(name string) bool {
	return luaName.MatchString(name) && !slices.Contains(strings.Fields(
		"and break do else elseif end false for function goto if in local nil not or repeat return then true until while"), name)
}

func luaKey(name string) string {
	if isLuaName(name) {
		return name
	}
	return "[" + luaText(name) + "]"
}

func luaField(name string) string {
	if isLuaName(name) {
		return "source." + name
	}
	return "source[" + luaText(name) + "]"
}

// luaText is a text in quotes, with every byte that is not plain as a number.
func luaText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, "\\%03d", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// comment is a text that stays on its line.
func comment(s string) string { return strings.Join(strings.Fields(s), " ") }
