package mapping

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestHelpersTidyWhatPeopleType(t *testing.T) {
	t.Parallel()
	const null = "nil"
	for call, want := range map[string]string{
		`text.trim("\194\160 Ann\t ")`: "Ann", `text.trim("  ")`: null, `text.trim(nil)`: null, `text.trim(null)`: null, `text.trim(12)`: "12",
		`text.title("JANE")`: "Jane", `text.title("jane doe")`: "Jane Doe", `text.title("McDonald")`: "McDonald", `text.title("MCDONALD")`: "McDonald",
		`text.title("O'NEIL")`: "O'Neil", `text.title("o’neil")`: "O’Neil", `text.title("JOHN'S")`: "John's", `text.title("van der Berg")`: "van der Berg",
		`text.title("VAN DER BERG")`: "van der Berg", `text.title("LE")`: "Le", `text.title("ANNE-MARIE")`: "Anne-Marie", `text.title("J.R. SMITH")`: "J.R. Smith",
		`text.title("HENRY III")`: "Henry III", `text.title("deShawn")`: "deShawn", `text.title("ÉLODIE  ÅSTRÖM")`: "Élodie Åström", `text.title("ǆ")`: "ǅ",
		`text.lower("ÀB")`: "àb", `text.upper("éa")`: "ÉA", `text.digits("(416) ٥٥٥")`: "416555", `text.digits("x")`: null,
		`text.join(" ", "a", nil, "", null, " b ")`: "a b", `text.join(",")`: null,
		`email.normalize(" Ann.B+x@Example.COM ")`: "Ann.B+x@example.com", `email.normalize("Ann <ann@x.org>")`: "ann@x.org",
		`email.normalize("ann@bücher.example")`: "ann@xn--bcher-kva.example", `email.normalize("ann@localhost")`: null, `email.normalize("a@b@c.org")`: null,
		`email.normalize("ann")`: null, `email.normalize("ann@x..org")`: null, `email.normalize("ann@[127.0.0.1]")`: null, `email.normalize(".a@x.org")`: null,
		`email.normalize("ann@1.2.3.4")`: null, `email.normalize("a\nb@x.org")`: null,
		`phone.e164("(416) 555-0123")`: "+14165550123", `phone.e164("07911 123456", "GB")`: "+447911123456", `phone.e164("07911 123456", "gb")`: "+447911123456",
		`phone.e164("123")`: null, `phone.e164("416-555-0123 ext 4")`: "+14165550123", `phone.e164("+44 7911 123456")`: "+447911123456",
		`date.parse("2026-02-28")`: "2026-02-28", `date.parse("2026-02-30")`: null, `date.parse("31/12/2026", "DD/MM/YYYY")`: "2026-12-31",
		`date.parse("12/31/2026", "DD/MM/YYYY", "MM/DD/YYYY")`: "2026-12-31", `date.parse("3 Mar 99", "D MMM YY")`: "1999-03-03",
		`date.parse("March 3, 2026", "MMMM D, YYYY")`: "2026-03-03", `date.parse("2026-03-03T10:20:30", "YYYY-MM-DDTHH:mm:ss")`: "2026-03-03",
		`date.parse("x", "YYYY-MM-DD")`: null, `date.parse("")`: null,
		`address.join(" 1 Main  St, ", nil, "Toronto", "Toronto", "M5V 2T6")`: "1 Main St, Toronto, M5V 2T6", `address.join("", " , ")`: null,
	} {
		e := newTestEngine(t, "function map() return { first_name = tostring("+call+") } end")
		got, _ := mapIn(t, e, `{}`)
		if record := fmt.Sprintf(`{"first_name":%q,"external_id":"1"}`, want); string(got.Data) != record {
			t.Errorf("%s: %s (%s), want %s", call, got.Data, got.Reason, record)
		}
	}
}

func TestTheFastWayOfAnAddressEqualsTheWholeRule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[a-zA-Z0-9._+-]{1,12}@[a-zA-Z0-9.-]{1,12}\.[a-zA-Z0-9-]{1,5}`).Draw(t, "address")
		if !isPlainEmail(s) {
			return
		}
		if got, want := normalizeEmail(s), parseEmail(s); got != want {
			t.Fatalf("%q: %q, the whole rule says %q", s, got, want)
		}
	})
}

func TestAMixedCaseNameIsLeftAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[A-Z][a-z]{1,8}([ '-][A-Za-z]{1,8}){0,2}`).Draw(t, "name")
		if got := titleName(s); got != s {
			t.Fatalf("%q became %q", s, got)
		}
		if got := titleName(strings.ToUpper(s)); !strings.EqualFold(got, s) {
			t.Fatalf("%q became %q", strings.ToUpper(s), got)
		}
	})
}
