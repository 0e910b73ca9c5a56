package club

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Seed makes the records of a CRM for [Options].Records: n prospects with owners
// and lead sources, spread over the clubs ([DefaultClubs] if none are named),
// with the staff and the lead sources that they name. The same arguments give
// the same records. Ids begin with a club's id, so that two platforms with other
// clubs have other ids.
//
// Nobody of them exists: telephone numbers are those reserved for fiction,
// e-mail addresses end in the domains reserved for examples. Some are as untidy
// as real ones.
func Seed(n int, clubs ...Club) []Record {
	if len(clubs) == 0 {
		clubs = DefaultClubs()
	}
	g := newGenerator(clubs)
	records := append(g.staff(), g.leadSources(5)...)
	for i := range n {
		records = append(records, g.prospect(i+1))
	}
	return records
}

// SeedTarget makes what a club-management system has before the first sync: the
// staff of [Seed], their addresses written in capitals and the last of each club
// missing, and two of the five lead sources.
func SeedTarget(clubs ...Club) []Record {
	if len(clubs) == 0 {
		clubs = DefaultClubs()
	}
	g := newGenerator(clubs)
	var records []Record
	for i, r := range g.staff() {
		if i%staffPerClub == staffPerClub-1 {
			continue
		}
		r.Fields[fieldEmail] = strings.ToUpper(r.Fields[fieldEmail])
		records = append(records, r)
	}
	return append(records, g.leadSources(2)...)
}

// staffPerClub is the number of staff members of a club.
const staffPerClub = 3

// generator makes sample records.
type generator struct {
	clubs  []Club
	random *rand.Rand
	begin  time.Time
}

func newGenerator(clubs []Club) *generator {
	return &generator{
		clubs: clubs, random: rand.New(rand.NewPCG(0x636c7562, 1)), begin: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC),
	}
}

func (g *generator) record(k Kind, id string, minute int, fields map[string]string) Record {
	at := g.begin.Add(time.Duration(minute) * time.Minute)
	return Record{ID: id, Kind: k, Fields: fields, Created: at, Updated: at, By: "seed"}
}

func (g *generator) staff() []Record {
	names := [...]string{"Carla Romero", "Devon Clarke", "Ingrid Sorensen", "Tariq Aziz", "Mei Lin", "Hugo Bernard"}
	var out []Record
	for c, club := range g.clubs {
		for i := range staffPerClub {
			first, last, _ := strings.Cut(names[(c*staffPerClub+i)%len(names)], " ")
			out = append(out, g.record(Staff, fmt.Sprintf("%s-S%d", club.ID, i+1), 0, map[string]string{
				fieldClub: club.ID, fieldFirst: first, fieldLast: last, fieldStatus: active,
				fieldEmail: fmt.Sprintf("%s.%s@example.com", strings.ToLower(first), strings.ToLower(last)),
			}))
		}
	}
	return out
}

func (g *generator) leadSources(n int) []Record {
	names := [...]string{"Web Site", "Walk-In", "Referral", "Facebook", "Open Day"}
	var out []Record
	for i, name := range names[:n] {
		club := g.clubs[0]
		out = append(out, g.record(LeadSource, fmt.Sprintf("%s-L%d", club.ID, i+1), 0, map[string]string{
			fieldClub: club.ID, fieldName: name, fieldStatus: active,
		}))
	}
	return out
}

// prospect makes the n-th prospect, whose e-mail address and mobile number no
// other has among the first 10,000.
func (g *generator) prospect(n int) Record {
	first := pickOf(g, "Ann", "Boris", "Chloé", "Diego", "Elif", "Farah", "George", "Hana", "Igor", "Jamal", "Katarzyna", "Liam", "Noor", "Zoë")
	last := pickOf(g, "Adeyemi", "Brown", "Chen", "Dubois", "Evans", "Ferrari", "García", "Hughes", "Ito", "Jansen", "Kowalski", "McKay", "O'Neill")
	club := g.clubs[g.random.IntN(len(g.clubs))]
	domain := pickOf(g, "example.com", "example.org", "example.net")
	mobile := fmt.Sprintf("+1 %d 555 01%02d", 204+n/100%700, n%100)
	fields := map[string]string{
		fieldClub: club.ID, fieldFirst: first, fieldLast: last, fieldStatus: active, fieldType: "prospect",
		fieldEmail: "prospect" + strconv.Itoa(n) + "@" + domain, "mobile": mobile,
		"city": pickOf(g, "Toronto", "Vancouver", "Montréal", "Halifax"), "country": "CA",
		fieldOwner:      fmt.Sprintf("%s-S%d", club.ID, 1+g.random.IntN(staffPerClub)),
		fieldLeadSource: fmt.Sprintf("%s-L%d", g.clubs[0].ID, 1+g.random.IntN(5)),
	}
	switch g.random.IntN(8) {
	case 0:
		fields[fieldLast] = strings.ToUpper(last)
	case 1:
		fields[fieldFirst] = " " + strings.ToLower(first)
	case 2:
		fields["mobile"] = digits(mobile)
	case 3:
		delete(fields, fieldEmail)
	case 4:
		day := g.begin.AddDate(0, 0, g.random.IntN(90))
		fields["trial_start"], fields["trial_end"] = day.Format(time.DateOnly), day.AddDate(0, 0, 7).Format(time.DateOnly)
	case 5:
		delete(fields, fieldOwner)
	case 6:
		fields["birthdate"] = fmt.Sprintf("%d-%02d-%02d", 1950+g.random.IntN(55), 1+g.random.IntN(12), 1+g.random.IntN(28))
	}
	return g.record(Prospect, fmt.Sprintf("%s-P%d", club.ID, n), n, fields)
}

func pickOf(g *generator, values ...string) string { return values[g.random.IntN(len(values))] }
