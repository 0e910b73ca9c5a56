package mapping_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// A script that needs too much memory is stopped by its limit, well before its
// time is over, however it takes the memory.
func TestTheMemoryLimitStopsARecordBeforeItsDeadline(t *testing.T) {
	t.Parallel()
	const bombs = `
	local bombs = {
		concat = function() local s = ("x"):rep(1048576); while true do s = s .. s end end,
		many = function() local t = {}; for i = 1, 1e9 do t[i] = ("x"):rep(1048576) .. i end end,
	}
	function map(record)
		if record.trouble then bombs[record.trouble]() end
		return { first_name = record.name }
	end`
	opts := options(1)
	opts.RecordDeadline = 10 * time.Second
	pool := mapping.NewPool(opts)
	defer func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}()
	m, err := pool.Load(t.Context(), mapping.Script{Name: "bombs.lua", Source: []byte(bombs)}, account(), roster.ImportTarget(sdk.KindMember))
	if err != nil {
		t.Fatal(err)
	}
	for _, bomb := range []string{"concat", "many"} {
		begin := time.Now()
		mapped := mapOne(t, m, people(t, 3, map[int]string{1: bomb}))
		t.Logf("%s: %s", bomb, time.Since(begin).Round(time.Millisecond))
		bad := mapped.Records[1]
		if bad.Code != roster.CodeMapStopped || !strings.Contains(bad.Reason, "192 MiB of memory") {
			t.Errorf("%s: code %q, reason %q", bomb, bad.Code, bad.Reason)
		}
		for _, i := range []int{0, 2} {
			if mapped.Records[i].Verdict != roster.VerdictMapped {
				t.Errorf("%s: record %d is %+v", bomb, i, mapped.Records[i])
			}
		}
	}
}
