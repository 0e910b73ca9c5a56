package mapping

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestTheLibraryReadsWhatPeopleWrite(t *testing.T) {
	t.Parallel()
	const null = "nil"
	for call, want := range map[string]string{
		`text.fold("  ÉLODIE  Straße ")`: "elodie strasse", `text.fold("ＡＢ")`: "ab", `text.fold("Łódź")`: "lodz", `text.fold("O’Neil")`: "o'neil", `text.fold("한국")`: "한국",
		`text.fold("")`: null, `text.slug("Gold & Plus!")`: "gold-plus", `text.slug("O'Neil")`: "oneil", `text.slug("--")`: null,
		`text.truncate("abcdef", 3)`: "abc", `text.truncate("äöü", 2)`: "äö", `text.truncate("ab cd", 3)`: "ab", `text.truncate("e\204\129x", 1)`: null,
		`text.replace("a.b.c", ".", "-")`: "a-b-c", `text.replace("abc", "b")`: "ac", `text.replace("x", "x", "")`: null, `text.replace("x", "", "y")`: "x",
		`text.part("a, b ,c", ",", 2)`: "b", `text.part("a,b,c", ",", -1)`: "c", `text.part("a,b", ",", 3)`: null, `text.part("a,b", ",", -3)`: null, `text.part(" a  b ", "", 2)`: "b",
		`address.part("1 Main St, Apt 2\nToronto;; ON", 1)`: "1 Main St", `address.part("1 Main St, Apt 2\r\nToronto;; ON ", -1)`: "ON", `address.part("1 Main St, Toronto", 3)`: null,
		`address.part("1 Main St, Toronto", -3)`: null, `address.part(nil, 1)`: null, `address.part(" , ", 1)`: null, `lists.join(address.parts("1 Main  St, , Toronto"), "|")`: "1 Main St|Toronto",
		`lists.count(address.parts(""))`:  "0",
		`email.key(" Ann.B@Example.COM")`: "ann.b@example.com", `email.key("nobody")`: null,
		`phone.extension("416-555-0123 ext. 12")`: "12", `phone.extension("416-555-0123")`: null, `phone.national("+14165550123 x9")`: "(416) 555-0123",
		`phone.national("020 7946 0018", "GB")`: "020 7946 0018", `date.year("31/12/1990", "DD/MM/YYYY")`: "1990", `date.year("x")`: null,
		`name.first("Ann Ek")`: "Ann", `name.last("Ann Ek")`: "Ek", `name.first("Ek, Ann Mary")`: "Ann Mary", `name.last("Ek, Ann Mary")`: "Ek",
		`name.first("Mary Ann Smith")`: "Mary Ann Smith", `name.last("Mary Ann Smith")`: null, `name.first("Jan van der Berg")`: "Jan", `name.last("Jan van der Berg")`: "van der Berg",
		`name.last("MARIA DE LA CRUZ")`: "DE LA CRUZ", `name.last("Ahmed bin Khalid")`: "bin Khalid", `name.first("Ana Maria de la Cruz")`: "Ana Maria", `name.first("John Q. Public")`: "John Q.",
		`name.last("John Q. Public")`: "Public", `name.last("John Smith Jr.")`: "Smith Jr.", `name.last("John Smith, Jr.")`: "Smith, Jr.", `name.first("Dr. Ann Ek")`: "Ann",
		`name.first("Ann & Bob Ek")`: "Ann & Bob Ek", `name.last("Ann and Bob Ek")`: null, `name.first("Cher")`: "Cher", `name.last("Cher")`: null, `name.first("Van Morrison")`: "Van",
		`name.last("A, B, C")`: null, `name.first("")`: null, `name.first("Ann E.")`: "Ann E.",
		`country.code("ca")`: "CA", `country.code("CAN")`: "CA", `country.code(" Kanada ")`: "CA", `country.code("U.S.A.")`: "US", `country.code("the Netherlands")`: "NL",
		`country.code("Österreich")`: "AT", `country.code("OSTERREICH")`: "AT", `country.code("Trinidad and Tobago")`: "TT", `country.code("日本")`: "JP", `country.code("Nowhere")`: null,
		`country.code("England")`: "GB", `country.code("uk")`: "GB", `country.code("XX")`: null, `country.name("de")`: "Germany", `country.name("Deutschland")`: "Germany",
		`state.code("Ontario")`: "ON", `state.code("québec")`: "QC", `state.code("ON", "CA")`: "ON", `state.code("CA-ON")`: "ON", `state.code("New York", "US")`: "NY", `state.code("N.Y.", "USA")`: "NY",
		`state.code("Kent", "GB")`: null, `state.code("Ontario", "US")`: null, `state.code("WA", "AU")`: "WA", `state.code("Île-du-Prince-Édouard")`: "PE", `state.code("CA", "US")`: "CA",
		`money.parse("$1,234.50")`: "1234.50", `money.parse("1.234,50 €")`: "1234.50", `money.parse("1,234")`: null, `money.parse("1,234", ".")`: "1234", `money.parse("1,234", ",")`: "1.234",
		`money.parse("12,5")`: "12.5", `money.parse("CA$ 1 234,50")`: "1234.50", `money.parse("(12.00)")`: "-12.00", `money.parse("-0.00")`: "0.00", `money.parse("12.50-")`: "-12.50", `money.parse("-$5")`: "-5",
		`money.parse("1,23,456.00")`: "123456.00", `money.parse("1'234.50 CHF")`: "1234.50", `money.parse("12.5.3")`: null, `money.parse("1e5")`: null, `money.parse("12 CR")`: null, `money.parse("0.125")`: "0.125",
		`money.parse("--5")`: null, `money.parse("1.234.567")`: "1234567", `money.parse("9007199254740993.10")`: "9007199254740993.10", `money.parse("007")`: "7", `money.parse("5.")`: null, `money.parse(".5")`: "0.5",
		`money.add("0.10", "0.20")`: "0.30", `money.add("1", nil, "2.5")`: "3.5", `money.add(nil, "")`: null, `money.add("1", "x")`: null, `money.sub("1", "2.50")`: "-1.50", `money.round("2.345", 2)`: "2.35",
		`money.round("-2.345", 2)`: "-2.35", `money.round("2", 2)`: "2.00", `money.round("0.4", 0)`: "0", `money.cents("12.5")`: "1250", `money.cents("12.505")`: null, `money.cents("12.500")`: "1250", `money.compare("1.0", "1")`: "0", `money.compare("-1", "1")`: "-1",
		`lists.join(lists.split("a; b;;c", ";"), "|")`: "a|b|c", `lists.first(lists.split("  ", ","))`: null, `lists.first(lists.split("a,b", ","))`: "a", `lists.count("x")`: "1", `lists.count(nil)`: "0",
		`lists.contains(lists.split("Gold, Vip", ","), "VIP")`: "true", `lists.contains({1, 2}, 2)`: "true", `lists.contains(nil, "x")`: "false",
		`lists.pick({{label = "Locker", value = "12"}}, "label", "locker")`: "12", `lists.pick({{k = "a", v = "b"}}, "k", "a", "v")`: "b", `lists.pick("x", "k", "a")`: null, `get({a = {b = {"x", "y"}}}, "a", "b", 2)`: "y", `get("x", "a")`: null,
		`re.match("M-123", "^M-\\d+$")`: "true", `re.match(nil, "^$")`: "false", `re.find("id: 42!", "(\\d+)")`: "42", `re.find("abc", "b.")`: "bc", `re.find("x", "y")`: null, `re.replace("a  b", "\\s+", "-")`: "a-b", `re.replace("ab", "(a)(b)", "$2$1")`: "ba",
	} {
		e := newTestEngine(t, "function map() return { first_name = tostring("+call+") } end")
		got, _ := mapIn(t, e, `{}`)
		if record := fmt.Sprintf(`{"first_name":%q,"external_id":"1"}`, want); string(got.Data) != record {
			t.Errorf("%s: %s (%s), want %s", call, got.Data, got.Reason, record)
		}
	}
}

func TestConstantsOfAPlanAreCheckedWhenItIsLoaded(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		`source.a:re_find("(")`:                                  "re.find: the second argument is no RE2 pattern of a usable size",
		`source.a:re_match("((a{100}){10}){5}")`:                 "no RE2 pattern of a usable size",
		`source.a:re_match("` + strings.Repeat("a", 1025) + `")`: "no RE2 pattern of a usable size",
		`source.a:truncate(0)`:                                   "text.truncate: the second argument is no whole number above 0",
		`source.a:part(",", 1.5)`:                                "text.part: the third argument is no whole number that is not 0",
		`source.a:address_part(0)`:                               "address.part: the second argument is no whole number that is not 0",
		`source.a:money():round(10)`:                             "money.round: the second argument is no whole number from 0 to 9",
	} {
		e, err := newEngine(t.Context(), sampleScript("return mapping{ x = "+field+" }"), Context{}, newTestEngine(t, "function map() end").target)
		if err == nil {
			e.close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", field, err, want)
		}
	}
}

func TestEveryNameOfACountryMeansOneCountry(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, "function map() end")
	lines := 0
	for line := range strings.Lines(countryTable) {
		lines++
		fields := strings.Split(strings.TrimSpace(line), "|")
		for _, name := range fields {
			if got := e.findCountry(name); got != fields[0] {
				t.Errorf("%s is %s, and in the line of %s", name, got, fields[0])
			}
		}
	}
	if lines != 250 {
		t.Errorf("%d countries, want the 249 of ISO 3166-1 and Kosovo", lines)
	}
}

func TestAFoldedTextStaysAsItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		if once := fold(s); fold(once) != once || fold(strings.ToUpper(once)) != fold(strings.ToUpper(fold(strings.ToUpper(once)))) {
			t.Fatalf("%q is folded to %q, and that to %q", s, once, fold(once))
		}
	})
}

func TestASplitNameLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := collapse(rapid.StringMatching(`[A-Z][a-z]{1,5}( ([A-Z][a-z]{0,5}\.?|van|de|la)){0,5}`).Draw(t, "name"))
		first, last := splitName(s)
		if joined := strings.TrimSpace(first + " " + last); joined != s && dropTitle(s) != joined {
			t.Fatalf("%q became %q and %q", s, first, last)
		}
	})
}

func TestAmountsAddUpExactly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Range(-1e15, 1e15).Draw(t, "a"), rapid.Int64Range(-1e15, 1e15).Draw(t, "b")
		text := func(n int64) string { return money(n) }
		sum := addedMoney(nil, []value{textValue(text(a)), textValue(text(b))})
		if sum.text != text(a+b) {
			t.Fatalf("%s + %s = %s, want %s", text(a), text(b), sum.text, text(a+b))
		}
		if back := parseMoney(text(a), ""); back != text(a) {
			t.Fatalf("%s was read as %q", text(a), back)
		}
	})
}

// money writes cents as an amount.
func money(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

// FuzzLibrary gives every function hostile arguments. None may panic, and what
// comes out is bounded.
func FuzzLibrary(f *testing.F) {
	for _, s := range []string{"", " ", "Ann Ek", "\xff\xfe", strings.Repeat("ﷺ", 50), "1,234.50", "+1 416 555 0123 x9", "(a+)+$", "a\x00b", "İıſ", strings.Repeat("9", 400)} {
		f.Add(s, ",", "2")
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		e := newTestEngine(t, "function map() end")
		for _, fn := range functions() {
			for _, args := range [][]value{nil, {textValue(a)}, {textValue(a), textValue(b)}, {textValue(a), textValue(b), textValue(c)}, {{kind: kindNull}, numberValue(2), boolValue(true)}} {
				got := fn.fn(e, args)
				if limit := 64*(len(a)+len(b)+len(c)) + 1024 + len(a)*len(b) + len(a)*len(c); len(got.text) > limit {
					t.Errorf("%s(%q, %q, %q) has %d bytes", fn.fullName(), a, b, c, len(got.text))
				}
				if got.kind == kindText && utf8.ValidString(a+b+c) && !utf8.ValidString(got.text) {
					t.Errorf("%s(%q, %q, %q) is no UTF-8: %q", fn.fullName(), a, b, c, got.text)
				}
			}
		}
	})
}

// benchArguments are an ordinary value for a function, and what it takes beside.
func benchArguments(f function) []value {
	sample := map[string][]string{
		"email": {" Ann.B@Example.COM"}, "phone": {"(416) 555-0123"}, "date": {"31/12/1990", "DD/MM/YYYY"}, "country": {"Deutschland"}, "state": {"Ontario", "CA"},
		"money": {"1234.50", "2"}, "name": {"Jan van der Berg"}, "re": {"Member M-1234", `M-(\d+)`, "$1"}, "lists": {"gold, vip, plus", ","}, "": {"12", "13"},
		"address": {"1 Main St, Toronto", "Toronto", "M5V 2T6"}, "text": {"ANNE-MARIE O'NEIL", "-", "2"},
	}
	texts := sample[f.table]
	args := make([]value, len(texts))
	for i, text := range texts {
		args[i] = textValue(text)
	}
	switch {
	case f.name == "truncate", f.name == "round", f.fullName() == "address.part":
		return []value{args[0], numberValue(2)}
	case f.fullName() == "money.parse", f.table == "lists" && f.name != "split":
		return args[:1]
	case f.name == "lookup":
		return []value{textValue("cities.csv"), textValue("Toronto")}
	}
	return args
}

func libraryEngine(tb testing.TB) *engine {
	tb.Helper()
	e, err := newEngine(tb.Context(), sampleScript("function map() end"), Context{Country: "CA"}, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.close)
	return e
}

// BenchmarkLibrary measures each function on an ordinary value.
func BenchmarkLibrary(b *testing.B) {
	e := libraryEngine(b)
	for _, f := range functions() {
		args := benchArguments(f)
		b.Run(f.fullName(), func(b *testing.B) {
			b.ReportAllocs()
			f.fn(e, args)
			before := CPUTime(b)
			for b.Loop() {
				f.fn(e, args)
			}
			b.ReportMetric(float64((CPUTime(b)-before).Nanoseconds())/float64(b.N), "CPU-ns/op")
		})
	}
}

// A function of the library allocates for the text that it makes, and little
// beside. Those that need more are listed, so that none comes to it unseen.
func TestAFunctionOfTheLibraryCostsFewAllocations(t *testing.T) {
	const usual = 3
	most := map[string]float64{
		"name.first": 6, "name.last": 6, "country.code": 8, "state.code": 4, "address.parts": 12, "lists.split": 11, "re.replace": 8,
		"money.parse": 18, "money.add": 32, "money.sub": 23, "money.round": 12, "money.cents": 11, "money.compare": 16,
		// What the numbering plans' own library takes.
		"phone.national": 170,
	}
	e := libraryEngine(t)
	for _, f := range functions() {
		args, limit := benchArguments(f), most[f.fullName()]
		if limit == 0 {
			limit = usual
		}
		f.fn(e, args)
		// The race detector drops what pools keep at random: the best of a few counts.
		got := testing.AllocsPerRun(20, func() { f.fn(e, args) })
		for try := 0; got > limit && try < 10; try++ {
			got = min(got, testing.AllocsPerRun(20, func() { f.fn(e, args) }))
		}
		if got > limit {
			t.Errorf("%s: %.0f allocations, want at most %.0f", f.fullName(), got, limit)
		}
	}
}
