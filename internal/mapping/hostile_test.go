package mapping_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// hostileScript does harm on the records that ask for it.
const hostileScript = `
local function spin() while true do end end
local troubles = {
	loop = spin,
	pcall = function() while true do pcall(spin) end end,
	rep = function() return string.rep("x", 1e11) end,
	concat = function() local s = "xxxxxxxx"; while true do s = s .. s end end,
	pattern = function() return ("a"):rep(20000):find(".-.-.-.-b") end,
	sparse = function() local t = {}; t[67108863] = 1; for i = 1, 1e9 do t[i] = {i} end end,
	recurse = function() local function f() return 1 + f() end; return f() end,
	insert = function() table.insert({}, 60000000, 1) end,
	error = function() error({secret = true}) end,
}
function map(record)
	if record.trouble then troubles[record.trouble]() end
	return { first_name = record.name }
end`

func TestAHostileRecordCostsOnlyItself(t *testing.T) {
	t.Parallel()
	stopped := map[string]string{
		"loop": roster.CodeMapStopped, "pcall": roster.CodeMapStopped, "concat": roster.CodeMapStopped,
		"pattern": roster.CodeMapError, "sparse": roster.CodeMapStopped,
		"rep": roster.CodeMapError, "recurse": roster.CodeMapError, "error": roster.CodeMapError,
	}
	pool := newPool(t, 1)
	m := load(t, pool, hostileScript)
	for trouble, code := range stopped {
		start := time.Now()
		mapped := mapOne(t, m, people(t, 10, map[int]string{4: trouble}))
		t.Logf("%s: %s, %s", trouble, time.Since(start).Round(time.Millisecond), mapped.Records[4].Reason)
		if len(mapped.Records) != 10 {
			t.Fatalf("%s: %d records", trouble, len(mapped.Records))
		}
		for i, r := range mapped.Records {
			want := roster.VerdictMapped
			if i == 4 {
				want = roster.VerdictRejected
			}
			if r.Row != i || r.Verdict != want || r.ID != fmt.Sprintf("m-%d", i) {
				t.Errorf("%s: record %d is %+v", trouble, i, r)
			}
		}
		if bad := mapped.Records[4]; bad.Code != code || bad.Reason == "" || len(bad.Payload) == 0 {
			t.Errorf("%s: code %q, reason %q, want code %q", trouble, bad.Code, bad.Reason, code)
		}
	}
}
