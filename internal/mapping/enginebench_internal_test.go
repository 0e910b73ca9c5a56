package mapping

import (
	"fmt"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const benchSource = `
function map(record, context)
	return {
		first_name = text.title(record.first),
		last_name = text.title(record.last),
		email = email.normalize(record.e_mail),
		phone = phone.e164(record.mobile) or phone.e164(record.home_phone),
		address = address.join(record.street, record.city, record.zip),
		joined = date.parse(record.joined, "DD/MM/YYYY"),
		birthdate = date.parse(record.birthdate),
		status = text.lower(record.status),
		member_no = text.trim(record.member_no),
		club = record.club,
	}
end`

func benchEngine(t testing.TB) (*engine, *sdk.Page) {
	t.Helper()
	c := Context{Country: "CA", Clubs: map[string]Club{"1": {Key: "downtown", Country: "CA"}}, ClubsRequired: true}
	e, err := newEngine(t.Context(), Script{Name: "bench.lua", Source: []byte(benchSource)}, c, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		t.Fatal(err)
	}
	b := sdk.NewPageBuilder(sdk.KindMember, []string{
		"member_no", "club_no", "first", "last", "e_mail", "mobile", "home_phone", "street", "city", "zip",
		"joined", "status", "birthdate", "notes", "plan", "balance",
	})
	for i := range 500 {
		id := fmt.Sprintf("M-%07d", i)
		b.Add(id, "1", fmt.Sprintf("line %d", i+2))
		for _, v := range []string{
			id, "1", "ANNE-MARIE", "O'NEIL", fmt.Sprintf(" Anne.%d@Example.COM", i), fmt.Sprintf("(416) 555-%04d", i), "",
			fmt.Sprintf("%d MAIN ST", i), "Toronto", "M5V 2T6", "03/04/2024", "ACTIVE", "1990-07-15", "", "gold", "12.50",
		} {
			b.String(v)
		}
	}
	page, err := b.Page(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return e, page
}
