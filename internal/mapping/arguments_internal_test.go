package mapping

import (
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
)

// Arguments far beyond any text or table give a result or an error at once,
// and neither ends the process.
func TestHugeArgumentsEndSoon(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		`("x"):sub(0 / 0, 1 / 0)`, `("x"):sub(-1e308, 1e308)`, `("x"):byte(-1e308, 1e308)`, `("x"):byte(0 / 0)`, `string.char(-1, 1e300, 0 / 0)`,
		`("x"):rep(-1e300)`, `("x"):rep(1e300)`, `(""):rep(1e300)`, `("x"):find("x", -1e308)`, `("x"):gsub("x", "y", 1e308)`, `("x"):gsub("x", "y", 0 / 0)`,
		`select(-1e300, 1)`, `select(1e300, 1)`, `select(0 / 0, 1)`, `unpack({}, -1e308, 1e308)`, `unpack({}, 1, 2 ^ 53)`, `unpack({}, 2 ^ 53, 2 ^ 53 + 4)`,
		`table.concat({}, "", 1, 1e300)`, `table.concat({}, "", -2 ^ 53, 2 ^ 53)`, `table.insert({}, -1e300, 1)`, `table.insert({}, 1e300, 1)`,
		`table.remove({}, 1e300)`, `table.remove({}, -1e300)`, `table.maxn({ [2 ^ 53] = 1 })`, `math.ldexp(1, 1e300)`, `math.fmod(1, 0)`,
		`string.format("%c%d%x", 1e300, 0 / 0, -1 / 0)`, `string.format("%99.99f", 1e308)`, `string.format(("%99d"):rep(200), 1)`, `string.format("%*d", 1e9, 1)`,
		`string.format("%[1]999999d", 1)`, `string.format("%.999999999f", 1)`, `tonumber("z", 99)`, `tonumber("1", 0 / 0)`, `tonumber(("9"):rep(100000))`,
		`tostring(setmetatable({}, { __tostring = 1 }))`, `setmetatable({}, { __index = 1 }).x`, `#setmetatable({}, { __len = 1 })`, `next({}, 1)`, `ipairs()`,
	} {
		e := newTestEngine(t, `function map() local x = `+call+` return { first_name = "x" } end`)
		got, _ := mapIn(t, e, `{}`)
		if got.Verdict != roster.VerdictMapped && (got.Code != roster.CodeMapError || strings.Contains(got.Reason, "runtime error")) {
			t.Errorf("%s: %s %s", call, got.Code, got.Reason)
		}
	}
}
