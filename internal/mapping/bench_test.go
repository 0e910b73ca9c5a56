package mapping_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// benchScript is an ordinary mapping: ten fields with every kind of helper.
const benchScript = `
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

// members is a page of n members with 16 columns, typed as untidily as people
// type. Their phones stand in five notations.
func members(t testing.TB, n, seed int) *sdk.Page {
	t.Helper()
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
		t.Fatal(err)
	}
	return page
}

// BenchmarkWorkers measures pages of 500 records through the process boundary.
func BenchmarkWorkers(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			m := load(b, newPool(b, workers), benchScript)
			pages := make([]*sdk.Page, 64)
			for i := range pages {
				pages[i] = members(b, 500, i)
			}
			work := make(chan int)
			var wait sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range workers {
				wait.Go(func() {
					for i := range work {
						if _, err := m.Map(context.Background(), pages[i%len(pages)]); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for i := range b.N {
				work <- i
			}
			close(work)
			wait.Wait()
			records := float64(b.N) * 500
			b.ReportMetric(records/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/records, "µs/record")
		})
	}
}

var _ = roster.VerdictMapped
var _ mapping.Options
