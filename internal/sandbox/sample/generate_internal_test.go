package sample

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write members.csv anew")

func TestTheSampleIsWhatItsGeneratorWrites(t *testing.T) {
	want := generate()
	if *update {
		if err := os.WriteFile("members.csv", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(Members, want) {
		t.Fatal("members.csv is not what its generator writes: run go test ./internal/sandbox/sample -update")
	}
}

func TestTheExpectedCountsAddUp(t *testing.T) {
	want := Expected()
	quarantined := 0
	for _, n := range want.Codes {
		quarantined += n
	}
	if quarantined != want.Quarantined {
		t.Errorf("the codes make %d quarantined records, expected are %d", quarantined, want.Quarantined)
	}
	if sum := want.Frozen + want.Skipped + want.Quarantined; sum != want.Read {
		t.Errorf("frozen, skipped and quarantined make %d, expected to be read are %d", sum, want.Read)
	}
}

func TestEveryEmailAddressIsOfAnExampleDomain(t *testing.T) {
	addresses := regexp.MustCompile(`[^\s,"]*@[^\s,"]*`).FindAll(Members, -1)
	if len(addresses) < 800 {
		t.Fatalf("found %d addresses", len(addresses))
	}
	wanted := regexp.MustCompile(`^(?i)[a-z0-9.]+@example\.(com|org|net)$`)
	for _, a := range addresses {
		if !wanted.Match(a) {
			t.Errorf("%s is not an address at example.com, .org or .net", a)
		}
	}
}

// flaw is what is wrong with a record beyond the untidiness of all of them.
type flaw int

const (
	none flaw = iota
	noFirstName
	blankFirstName
	duplicateNumber
	unknownClub
	deleted
	test
	tooFewValues
	tooManyValues
	strayQuote
	openQuote
	quotedBreak
	emptyLineBefore
)

// flaws are the records that have one, by their place in the file.
func flaws() map[int]flaw {
	at := map[int]flaw{
		97: tooFewValues, 455: tooManyValues, 611: strayQuote, 733: openQuote,
		230: quotedBreak, 802: quotedBreak, 120: emptyLineBefore, 640: emptyLineBefore,
	}
	spread := func(f flaw, places ...int) {
		for _, i := range places {
			at[i] = f
		}
	}
	spread(noFirstName, 14, 88, 171, 263, 349, 402, 518, 590, 707, 951)
	spread(blankFirstName, 312, 866)
	spread(duplicateNumber, 205, 371, 543, 778, 990)
	spread(unknownClub, 333, 820)
	spread(deleted, 31, 104, 159, 222, 287, 340, 426, 487, 555, 634, 699, 761, 843, 917)
	spread(test, 1, 250, 500, 750, 888, 999)
	return at
}

func generate() []byte {
	g := generator{rng: rand.New(rand.NewPCG(20, 26))}
	var out strings.Builder
	out.WriteString("member_no,club_no,first,last,e_mail,mobile,home_phone,street,city,zip,joined,status,birthdate\r\n")
	at := flaws()
	for i := range 1000 {
		out.WriteString(g.line(i, at[i]))
	}
	return []byte(out.String())
}

type generator struct {
	rng *rand.Rand
	// last is the e-mail of the member before, which families share.
	last   string
	phones int
}

func (g *generator) line(i int, f flaw) string {
	m := g.member(i)
	switch f {
	case noFirstName:
		m.first = ""
	case blankFirstName:
		m.first = "  "
	case duplicateNumber:
		m.number = number(i - 7)
	case unknownClub:
		m.club = "9"
	case deleted:
		m.status = "deleted"
	case test:
		m.first, m.last, m.status = "TEST", "TEST", "test"
	case quotedBreak:
		m.street = "c/o Front Desk\r\n" + m.street
	default: // the line is flawed, not the member
	}
	values := m.values()
	for j, v := range values {
		values[j] = quoted(v)
	}
	line := strings.Join(values, ",") + "\r\n"
	switch f {
	case tooFewValues:
		line = strings.Join(values[:9], ",") + "\r\n"
	case tooManyValues:
		line = strings.Join(values[:8], ",") + ", Rear entrance," + strings.Join(values[8:], ",") + "\r\n"
	case strayQuote:
		values[2] = `"` + m.first + ` "Sunny""`
		line = strings.Join(values, ",") + "\r\n"
	case openQuote:
		values[3] = `"` + m.last
		line = strings.Join(values, ",") + "\r\n"
	case emptyLineBefore:
		line = "\r\n" + line
	default: // the member is flawed, not the line
	}
	return line
}

func quoted(v string) string {
	if strings.ContainsAny(v, "\",\n") {
		return `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
	}
	return v
}

type member struct {
	number, club, first, last, email, mobile, home, street, city, zip, joined, status, birthdate string
}

func (m member) values() []string {
	return []string{
		m.number, m.club, m.first, m.last, m.email, m.mobile, m.home, m.street, m.city, m.zip, m.joined, m.status, m.birthdate,
	}
}

func number(i int) string { return fmt.Sprintf("M%05d", 10001+i*3) }

func (g *generator) member(i int) member {
	first, last := g.pick(firstNames()), g.pick(lastNames())
	m := member{
		number: number(i), club: g.pick([]string{"1", "1", "1", "2", "2"}),
		first: first, last: last, email: g.email(i, first, last),
		mobile: g.phone(), street: g.street(), status: "active",
		joined:    g.day(time.Date(2012, 1, 1, 0, 0, 0, 0, time.UTC), 14*365),
		birthdate: g.day(time.Date(1945, 1, 1, 0, 0, 0, 0, time.UTC), 62*365),
	}
	town := g.pick(towns())
	m.city, m.zip, _ = strings.Cut(town, "|")
	m.zip += fmt.Sprintf(" %d%c%d", g.rng.IntN(10), "ABCEGHJKLMNPRSTVWXYZ"[g.rng.IntN(20)], g.rng.IntN(10))
	if g.one(3) {
		m.home = g.phone()
	}
	if g.one(9) {
		m.mobile = ""
	}
	if g.one(6) {
		m.status = "inactive"
	}
	if g.one(10) {
		m.birthdate = ""
	}
	g.untidy(&m)
	return m
}

// untidy writes values the way that years of front-desk staff do.
func (g *generator) untidy(m *member) {
	switch {
	case g.one(4):
		m.first, m.last = strings.ToUpper(m.first), strings.ToUpper(m.last)
	case g.one(12):
		m.first, m.last = strings.ToLower(m.first), strings.ToLower(m.last)
	}
	if g.one(15) {
		m.last += " "
	}
	if g.one(20) {
		m.first = " " + m.first
	}
	if g.one(7) {
		m.city = strings.ToUpper(m.city)
	}
	if g.one(8) {
		m.zip = strings.ToLower(strings.ReplaceAll(m.zip, " ", ""))
	}
}

func (g *generator) email(i int, first, last string) string {
	switch {
	case i > 0 && g.last != "" && g.one(25):
		return g.last // a family's
	case g.one(14):
		return ""
	}
	g.last = plain(first) + "." + plain(last) + fmt.Sprintf("%d@", i) +
		g.pick([]string{"example.com", "example.org", "example.net"})
	email := g.last
	switch {
	case g.one(9):
		email = strings.ToUpper(email)
	case g.one(15):
		email = " " + email + " "
	}
	return email
}

// plain returns the letters of a name as an e-mail address has them.
func plain(name string) string {
	accents := strings.NewReplacer("á", "a", "ä", "a", "â", "a", "ç", "c", "é", "e", "è", "e", "ë", "e", "í", "i", "ï", "i", "î", "i", "ñ", "n", "ó", "o",
		"ö", "o", "ô", "o", "ø", "o", "ú", "u", "ü", "u")
	return strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return -1
		}
		return r
	}, accents.Replace(strings.ToLower(name)))
}

// phone returns a Canadian number of the range that is reserved for fiction, in
// one of five notations.
func (g *generator) phone() string {
	area, line := g.pick(areas()), 100+g.rng.IntN(100)
	g.phones++
	switch g.phones % 5 {
	case 0:
		return fmt.Sprintf("(%s) 555-%04d", area, line)
	case 1:
		return fmt.Sprintf("%s.555.%04d", area, line)
	case 2:
		return fmt.Sprintf("+1 %s 555 %04d", area, line)
	case 3:
		return fmt.Sprintf("%s555%04d", area, line)
	}
	return fmt.Sprintf("1-%s-555-%04d", area, line)
}

func (g *generator) street() string {
	s := fmt.Sprintf("%d %s", 1+g.rng.IntN(2400), g.pick(streets()))
	switch {
	case g.one(12):
		s += fmt.Sprintf(", Apt %d", 1+g.rng.IntN(1800))
	case g.one(40):
		s += ` "The Mill"`
	}
	return s
}

func (g *generator) day(from time.Time, days int) string {
	return from.AddDate(0, 0, g.rng.IntN(days)).Format(time.DateOnly)
}

// one is true once in n times.
func (g *generator) one(n int) bool { return g.rng.IntN(n) == 0 }

func (g *generator) pick(from []string) string { return from[g.rng.IntN(len(from))] }

func firstNames() []string {
	return strings.Split("Ann,Zoë,Noah,Chloé,Liam,Olivia,Émile,Mia,Lucas,Emma,René,Amélie,Jack,Sofia,Benoît,Grace,Oliver,Hélène,"+
		"Ethan,Maya,François,Ruby,Leo,Nora,Jean-Luc,Ava,Max,Isla,Björn,Priya,Omar,Fatima,Wei,Mei,Diego,Lucía,Søren,Aoife,Siobhán,"+
		"Tomás,Ingrid,Kwame,Amara,Yusuf,Leila,Anaïs,Mary Jane,Theo,Hannah,Samuel", ",")
}

func lastNames() []string {
	return strings.Split("Smith,Tremblay,Nguyen,Singh,O'Neill,MacDonald,Gagnon,Côté,Müller,García,Núñez,Roy,Brown,Lavoie,Bouchard,"+
		"Lévesque,Chan,Patel,McKenzie,Fortin,Gélinas,Hébert,Wilson,Martin,Taylor,Campbell,Ouellet,Pelletier,Bélanger,Larsen,Sørensen,"+
		"Kowalski,Novák,D'Amico,van der Berg,St. Pierre,Ó Briain,Okafor,Mensah,Haddad,Rossi,Silva,Dubois,Beauchamp-Roy,Lefebvre", ",")
}

func towns() []string {
	return strings.Split("Toronto|M5V,Toronto|M4C,Toronto|M6P,Mississauga|L5B,Etobicoke|M9A,Montréal|H2X,Vancouver|V6B,Ottawa|K1P,Scarborough|M1P,Brampton|L6Y", ",")
}

func streets() []string {
	return strings.Split("King St W,Queen Street East,Bloor St.,rue Saint-Denis,Dundas St W,Yonge Street,Spadina Ave,Chemin de la Côte,"+
		"Lake Shore Blvd,Maple Crescent,Elm Grove,St. Clair Avenue", ",")
}

func areas() []string {
	return strings.Split("416,647,437,905,289,604,778,514,438,613,343", ",")
}
