package adapters_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	benchRows    = 500
	benchColumns = 17
)

func benchPage(rows int) (*sdk.Page, error) {
	columns := make([]string, benchColumns)
	for i := range columns {
		columns[i] = "column_" + strconv.Itoa(i)
	}
	b := sdk.NewPageBuilder(sdk.KindMember, columns)
	for i := range rows {
		b.Add("m-"+strconv.Itoa(i+1), "1", "line 2")
		for range benchColumns {
			b.String("a value of a field")
		}
	}
	return b.Page(sdk.Cursor("500"), false)
}

// BenchmarkRead reads pages of 500 records of 17 columns from an adapter's
// process and touches every value: the cost of the way between the processes,
// since the adapter packs its page once. cpu-µs/record is what both use.
func BenchmarkRead(b *testing.B) {
	h := newHost(b, nil, "fake")
	pid := valuesOf(open(b, h, connection("fake", "")))[0]
	c := open(b, h, connection("fake", "bench"))
	req := sdk.ReadRequest{Kind: sdk.KindMember, Limit: benchRows}
	before := cpu(b, pid)
	bytes := 0
	for b.Loop() {
		page, err := c.Read(b.Context(), req)
		if err != nil {
			b.Fatal(err)
		}
		for i := range page.Rows {
			row := page.Row(i)
			for col := range benchColumns {
				bytes += len(row.Cell(col))
			}
		}
	}
	spent := cpu(b, pid) - before
	records := float64(b.N * benchRows)
	b.ReportMetric(float64(spent.Microseconds())/records, "cpu-µs/record")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/records, "µs/record")
	if bytes == 0 {
		b.Fatal("no values")
	}
}

// BenchmarkWrite sends creates of 300 bytes of data to an adapter's process,
// which gives each an id: the cost of the way between the processes and back.
func BenchmarkWrite(b *testing.B) {
	for _, batch := range []int{500, 2000} {
		b.Run(strconv.Itoa(batch), func(b *testing.B) {
			h := newHost(b, nil, "fake")
			c := open(b, h, connection("fake", ""))
			pid := valuesOf(c)[0]
			req := sdk.WriteRequest{Kind: sdk.KindMember, Operations: make([]sdk.Operation, batch)}
			data := []byte(`{"first_name":"` + strings.Repeat("a", 300-len(`{"first_name":""}`)) + `"}`)
			for i := range req.Operations {
				key := fmt.Sprintf("acme/gym/member/%06d", i)
				req.Operations[i] = sdk.Operation{Op: sdk.OpCreate, Key: key, Marker: "abcdefghijklmnopqrstuvwx", Attempt: 1, Club: "12", Data: data}
			}
			before := cpu(b, pid)
			for b.Loop() {
				if res, err := c.Write(b.Context(), req); err != nil || res.Results[batch-1].Outcome != sdk.OutcomeOK {
					b.Fatal(res, err)
				}
			}
			spent := cpu(b, pid) - before
			records := float64(b.N * batch)
			b.ReportMetric(float64(spent.Microseconds())/records, "cpu-µs/record")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/records, "µs/record")
		})
	}
}

// BenchmarkStart starts an adapter, opens a connection and makes one call: the
// keeper, the check of the program and its confinement included.
func BenchmarkStart(b *testing.B) {
	dir := programs(b, "fake")
	for b.Loop() {
		h, err := adapters.NewHost(adapters.Options{Dir: dir, RuntimeDir: filepath.Join(dir, "run")})
		if err != nil {
			b.Fatal(err)
		}
		valuesOf(open(b, h, connection("fake", "")))
		b.StopTimer()
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// cpu is the processor time of this process and the one with the id.
func cpu(b *testing.B, pid string) time.Duration {
	b.Helper()
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		b.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		b.Fatal(err)
	}
	const tick = 10 * time.Millisecond
	return time.Duration(own.Utime.Nano()+own.Stime.Nano()) + time.Duration(user+system)*tick
}
