package mapping

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// BenchSource is an ordinary mapping: ten fields with every kind of helper.
const BenchSource = `
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

// BenchPlan is the same mapping as a plan.
const BenchPlan = `
return mapping{
	first_name = source.first:title(),
	last_name = source.last:title(),
	email = source.e_mail:email(),
	phone = first(source.mobile:phone(), source.home_phone:phone()),
	address = address.join(source.street, source.city, source.zip),
	joined = source.joined:date("DD/MM/YYYY"),
	birthdate = source.birthdate:date(),
	status = source.status:lower(),
	member_no = source.member_no:trim(),
	club = source.club,
}`

// BenchFields moves ten fields as they are, so that what is measured is how a
// plan reads them; BenchProxy is the same as a function.
const BenchFields = `
return mapping{
	first_name = source.first, last_name = source.last, email = source.e_mail, phone = source.mobile, address = source.street,
	joined = source.joined, birthdate = source.birthdate, status = source.status, member_no = source.member_no, club = source.club,
}`

// BenchProxy reads its ten fields through the record.
const BenchProxy = `
function map(record)
	return {
		first_name = record.first, last_name = record.last, email = record.e_mail, phone = record.mobile, address = record.street,
		joined = record.joined, birthdate = record.birthdate, status = record.status, member_no = record.member_no, club = record.club,
	}
end`

// BenchHop does next to nothing, so that what is measured is the way to a worker
// and back.
const BenchHop = `return mapping{ first_name = source.first }`

// BenchPage is a page of n members with 16 columns, typed as untidily as people
// type. Their phones stand in five notations.
func BenchPage(tb testing.TB, n, seed int) *sdk.Page {
	tb.Helper()
	b := sdk.NewPageBuilder(sdk.KindMember, []string{
		"member_no", "club_no", "first", "last", "e_mail", "mobile", "home_phone", "street", "city", "zip",
		"joined", "status", "birthdate", "notes", "plan", "balance",
	})
	areas := []int{416, 647, 437, 905, 289, 519}
	formats := []string{"(%d) %03d-%04d", "%d-%03d-%04d", "%d.%03d.%04d", "+1 %d %03d %04d", "%d%03d%04d"}
	for i := range n {
		k := seed*n + i
		id := fmt.Sprintf("M-%07d", k)
		b.Add(id, "1", fmt.Sprintf("line %d", k+2))
		phone := fmt.Sprintf(formats[k%5], areas[k%6], 200+(k*7919)%700, (k*104729)%10000)
		for _, v := range []string{
			id, "1", "ANNE-MARIE", fmt.Sprintf("O'NEIL%c", 'A'+k%26), fmt.Sprintf(" Anne.%d@Example.COM", k), phone, "",
			fmt.Sprintf("%d MAIN ST", k%900+1), "Toronto", "M5V 2T6", "03/04/2024", "ACTIVE", "1990-07-15", "", "gold", "12.50",
		} {
			b.String(v)
		}
	}
	page, err := b.Page(nil, false)
	if err != nil {
		tb.Fatal(err)
	}
	return page
}

func benchEngine(tb testing.TB, source string) *engine {
	tb.Helper()
	c := Context{Country: "CA", Clubs: map[string]Club{"1": {Key: "downtown", Country: "CA"}}, ClubsRequired: true}
	e, err := newEngine(tb.Context(), Script{Name: "bench.lua", Source: []byte(source)}, c, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.close)
	return e
}

// BenchmarkEngine measures scripts without the process boundary.
func BenchmarkEngine(b *testing.B) {
	for name, source := range map[string]string{
		"function": BenchSource, "plan": BenchPlan, "fields-function": BenchProxy, "fields-plan": BenchFields, "hop": BenchHop,
	} {
		b.Run(name, func(b *testing.B) {
			e, page := benchEngine(b, source), BenchPage(b, 500, 1)
			b.ReportAllocs()
			before := CPUTime(b)
			for b.Loop() {
				e.mapPage(page, rowSet{to: page.Rows}, func(int) {})
			}
			b.ReportMetric(float64((CPUTime(b)-before).Microseconds())/float64(b.N*page.Rows), "CPU-µs/record")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*page.Rows), "µs/record")
		})
	}
}

// BenchmarkPhoneLibrary measures what the short way saves.
func BenchmarkPhoneLibrary(b *testing.B) {
	for b.Loop() {
		parsePhone("(416) 555-0123", "CA")
	}
}

// CPUTime is the processor time of this process and of the workers that it has
// waited for.
func CPUTime(tb testing.TB) time.Duration {
	tb.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if err := syscall.Getrusage(who, &usage); err != nil {
			tb.Fatal(err)
		}
		sum += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	return sum
}
