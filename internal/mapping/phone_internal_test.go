package mapping

import (
	"fmt"
	"math/bits"
	"regexp/syntax"
	"slices"
	"strconv"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"
)

// The short way asks the library once for an exchange. That is right only while
// no pattern of the library looks at the last four digits.
func TestNoPatternForCountryCodeOneLooksAtTheLine(t *testing.T) {
	t.Parallel()
	collection, err := phonenumbers.MetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	regions := 0
	for _, m := range collection.GetMetadata() {
		if m.GetCountryCode() != 1 {
			continue
		}
		regions++
		for _, desc := range []*phonenumbers.PhoneNumberDesc{
			m.GetGeneralDesc(), m.GetFixedLine(), m.GetMobile(), m.GetTollFree(), m.GetPremiumRate(), m.GetSharedCost(),
			m.GetPersonalNumber(), m.GetVoip(), m.GetPager(), m.GetUan(), m.GetVoicemail(), m.GetNoInternationalDialling(),
		} {
			pattern := desc.GetNationalNumberPattern()
			if pattern == "" || pattern == "NA" {
				continue
			}
			if !tenDigitTails(t, pattern) {
				t.Errorf("%s: %s looks at the last four digits", m.GetId(), pattern)
			}
		}
	}
	if regions < 20 {
		t.Errorf("only %d regions have country code 1", regions)
	}
}

// tenDigitTails reports whether every text of ten digits that the pattern
// matches has its last four digits free. It expands the pattern to sequences of
// digit sets and looks at those of ten.
func tenDigitTails(t *testing.T, pattern string) bool {
	t.Helper()
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	for _, sequence := range expand(t, re.Simplify()) {
		if len(sequence) != nanpDigits || looksAtLine(areaOf(sequence)) {
			continue
		}
		for _, set := range sequence[nanpDigits-lineDigits:] {
			if set != allDigits {
				return false
			}
		}
	}
	return true
}

// digitSet has a bit for each digit.
type digitSet uint16

const allDigits digitSet = 1<<10 - 1

// areaOf returns the area code of a sequence, or nothing where it is not one.
func areaOf(sequence []digitSet) string {
	area := ""
	for _, set := range sequence[:3] {
		if bits.OnesCount16(uint16(set)) != 1 {
			return ""
		}
		area += strconv.Itoa(bits.TrailingZeros16(uint16(set)))
	}
	return area
}

func expand(t *testing.T, re *syntax.Regexp) [][]digitSet {
	t.Helper()
	switch re.Op {
	case syntax.OpEmptyMatch:
		return [][]digitSet{{}}
	case syntax.OpLiteral:
		var sequence []digitSet
		for _, r := range re.Rune {
			sequence = append(sequence, 1<<(r-'0'))
		}
		return [][]digitSet{sequence}
	case syntax.OpCharClass:
		var set digitSet
		for i := 0; i < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				set |= 1 << (r - '0')
			}
		}
		return [][]digitSet{{set}}
	case syntax.OpCapture:
		return expand(t, re.Sub[0])
	case syntax.OpQuest:
		return append(expand(t, re.Sub[0]), []digitSet{})
	case syntax.OpAlternate:
		var all [][]digitSet
		for _, sub := range re.Sub {
			all = append(all, expand(t, sub)...)
		}
		return all
	case syntax.OpConcat:
		all := [][]digitSet{{}}
		for _, sub := range re.Sub {
			var longer [][]digitSet
			for _, head := range all {
				for _, tail := range expand(t, sub) {
					longer = append(longer, append(slices.Clone(head), tail...))
				}
			}
			all = longer
		}
		return all
	default:
		t.Fatalf("pattern element %v is not known to this test", re.Op)
		return nil
	}
}

func TestTheShortWayEqualsTheLibrary(t *testing.T) {
	t.Parallel()
	book := phoneBook{}
	regions := []string{"CA", "US", "GB", "IL", "AU", "JM", "BS", "DE", "ZZ", ""}
	rapid.Check(t, func(t *rapid.T) {
		region := rapid.SampledFrom(regions).Draw(t, "region")
		var s string
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			s = rapid.StringMatching(`\+?[0-9 ().-]{5,20}`).Draw(t, "signs")
		case 1:
			s = rapid.StringMatching(`[ (]?[2-9][0-9]{2}[). -]{0,2}[2-9][0-9]{2}[. -]?[0-9]{4}`).Draw(t, "national")
		case 2:
			s = rapid.StringMatching(`\+?1[ .-]?\(?[2-9][0-9]{2}\)?[ .-]?[0-9]{3}[ .-]?[0-9]{4}`).Draw(t, "with code")
		default:
			s = rapid.StringMatching(`[+]?[0-9]{7,13}( ?(x|ext) ?[0-9]{1,4})?`).Draw(t, "plain")
		}
		if got, want := book.normalize(s, region), parsePhone(s, region); got != want {
			t.Fatalf("%q in %q: %q, the library says %q", s, region, got, want)
		}
	})
}

func FuzzTheShortWayEqualsTheLibrary(f *testing.F) {
	for _, s := range []string{"(416) 555-0123", "+1 416 555 0123", "14165550123", "0114165550123", "416-555-0123 x5", "+4165550123", ")416(5550123"} {
		for _, region := range []string{"CA", "GB"} {
			f.Add(s, region)
		}
	}
	f.Fuzz(func(t *testing.T, s, region string) {
		book := phoneBook{}
		if got, want := book.normalize(s, region), parsePhone(s, region); got != want {
			t.Errorf("%q in %q: %q, the library says %q", s, region, got, want)
		}
	})
}

func TestEveryAreaCodeEqualsTheLibrary(t *testing.T) {
	t.Parallel()
	book := phoneBook{}
	for area := 200; area < 1000; area++ {
		s := fmt.Sprintf("%03d%03d%04d", area, (area*37)%1000, area*7%10000)
		if got, want := book.normalize(s, "US"), parsePhone(s, "US"); got != want {
			t.Fatalf("%s: %q, the library says %q", s, got, want)
		}
	}
}
