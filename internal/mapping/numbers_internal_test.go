package mapping

import (
	"fmt"
	"testing"
)

// A cell such as 010 is ten, wherever a script makes a number of it.
func TestATextIsADecimalNumberOrNone(t *testing.T) {
	t.Parallel()
	for call, want := range map[string]string{
		`"010" + 0`: "10", `0 + "010"`: "10", `"010" * "2"`: "20", `" 7 " - 1`: "6", `"1e3" / 4`: "250", `"7" % 4`: "3", `"-7" % 4`: "1", `"2" ^ 3`: "8", `-"010"`: "-10",
		`tonumber("010")`: "10", `tonumber("1e3")`: "1000", `tonumber("0x10")`: "16", `tonumber("ff", 16)`: "255", `tonumber("1_000")`: "nil", `tonumber("nan")`: "nil", `tonumber("inf")`: "nil",
		`tonumber("")`: "nil", `tonumber(nil)`: "nil", `tonumber("12.50")`: "12.5", `tonumber("99999999999999999999")`: "1e+20", `tonumber("1e999")`: "nil", `tonumber(8)`: "8",
		`math.floor("010.5")`: "10", `math.max("010", 9)`: "10", `string.rep("x", "03")`: "xxx", `("abcdefghijk"):sub("010")`: "jk", `("abc"):byte("01")`: "97",
		`string.format("%04d", "012")`: "0012", `string.format("%s %5.1f%%", "012", "010")`: "012  10.0%", `string.format("%d", 12)`: "12",
		`lt("010", 9)`: "false", `lt("1_0", 11)`: "false", `gt("inf", 1)`: "false",
	} {
		e := newTestEngine(t, "function map() return { first_name = tostring("+call+") } end")
		got, _ := mapIn(t, e, `{}`)
		if record := fmt.Sprintf(`{"first_name":%q,"external_id":"1"}`, want); string(got.Data) != record {
			t.Errorf("%s: %s (%s), want %s", call, got.Data, got.Reason, record)
		}
	}
	for call, want := range map[string]string{
		`"0x10" + 1`: "x.lua:1: cannot perform add operation between string and number", `"x" - 1`: "x.lua:1: cannot perform sub operation between string and number",
		`"1" + nil`: "x.lua:1: cannot perform add operation between string and nil", `null * "2"`: "x.lua:1: cannot perform mul operation between null and string",
		`-"x"`: "x.lua:1: cannot perform unm operation between string and string", `math.floor("x")`: "x.lua:1: bad argument #1 to floor (number expected, got string)",
	} {
		e := newTestEngine(t, "function map() return { first_name = tostring("+call+") } end")
		if got, _ := mapIn(t, e, `{}`); got.Reason != want {
			t.Errorf("%s: %q, want %q", call, got.Reason, want)
		}
	}
}

func TestATextBeforeAFieldOfAPlanCalculates(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, `return mapping{ first_name = "A", x = "2" * source.a }`)
	got, _ := mapIn(t, e, `{"a": "010"}`)
	if string(got.Data) != `{"first_name":"A","x":20,"external_id":"1"}` {
		t.Errorf("%s (%s)", got.Data, got.Reason)
	}
}
