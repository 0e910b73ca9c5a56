package roster_test

import (
	"slices"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
)

func TestAddressesAreFoundInWhateverTheyStandIn(t *testing.T) {
	for text, want := range map[string][]string{
		`{"email":"Ann.B@Example.com","x":1}`:         {"ann.b@example.com"},
		"7,Ann,ann@example.com,active\n":              {"ann@example.com"},
		"Ann <ann@example.com>; bo@example.org.":      {"ann@example.com", "bo@example.org"},
		"'o'brien@example.ie'":                        {"o'brien@example.ie"},
		`["a+b@example.com","jürgen@bücher.example"]`: {"a+b@example.com", "jürgen@bücher.example"},
		"mailto:ann@example.com?subject=x":            {"ann@example.com"},
		"@nobody and nobody@ and a @ b":               nil,
		"":                                            nil,
	} {
		var got []string
		roster.Addresses([]byte(text), func(a string) bool { got = append(got, a); return true })
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	n := 0
	roster.Addresses([]byte("a@b.c d@e.f"), func(string) bool { n++; return false })
	if n != 1 {
		t.Errorf("it went on %d times", n)
	}
}

func TestAnAddressIsComparedWithoutCaseAndSpace(t *testing.T) {
	for text, want := range map[string]string{
		" Ann@Example.COM\n": "ann@example.com", "ann": "", "@b": "", "a@": "", "a@b@c": "", "a b@c.d": "", `"a"@b.c`: "",
	} {
		if got := roster.NormalEmail(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
