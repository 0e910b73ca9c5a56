package mapping

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// Patterns that cost much more on some texts than on others end with an error
// that says what to do, and the records before and after are mapped.
func TestAPatternThatTakesTooLongFailsItsRecordOnly(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]string{
		"string.find":   `("a"):rep(20000):find(".-.-.-.-b")`,
		"string.match":  `(("x"):rep(100) .. (" "):rep(20000) .. "x"):match("^%s*(.-)%s*$")`,
		"string.gmatch": `("a"):rep(20000):gmatch("[%w.]+@[%w.]+%.%a+")()`,
		"string.gsub":   `((" "):rep(20000) .. "x"):gsub("%s+$", "")`,
	} {
		source := "function map(r) if r.bad then " + strings.Replace("local _ = CALL", "CALL", call, 1) + " end return { first_name = r.name } end"
		e := newTestEngine(t, source)
		for _, in := range []string{`{"name": "Ann"}`, `{"name": "Ann", "bad": true}`, `{"name": "Ann"}`} {
			got, _ := mapIn(t, e, in)
			want := `{"first_name":"Ann","external_id":"1"}`
			if strings.Contains(in, "bad") {
				if text := "x.lua:1: " + name + tooManySteps; got.Reason != text || got.Line != 1 {
					t.Errorf("%s: %q, want %q", name, got.Reason, text)
				}
			} else if string(got.Data) != want {
				t.Errorf("%s: %s (%s)", name, got.Data, got.Reason)
			}
		}
	}
}

func TestTheStepsOfARecordHaveAnEndToo(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, `function map(r)
		if r.bad then
			while true do pcall(string.find, ("a"):rep(20000), ".-.-.-.-b"); string.find("a", "a-b") end
		end
		return { first_name = ("x"):match(".") }
	end`)
	e.patterns.perRecord = recordSteps / 4
	got, _ := mapIn(t, e, `{"bad": true}`)
	if want := "x.lua:3: string.find" + tooManyRecordSteps; got.Reason != want {
		t.Errorf("%q, want %q", got.Reason, want)
	}
	if got, _ := mapIn(t, e, `{}`); string(got.Data) != `{"first_name":"x","external_id":"1"}` {
		t.Errorf("the next record is %s (%s)", got.Data, got.Reason)
	}
}

// Lua's trims and word counts cost a text's length times a constant, so they
// work on a text of any length.
func TestAnOrdinaryPatternHasStepsForALongText(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		`long:match("^%s*(.-)%s*$")`, `long:gsub("%s+", " ")`, `long:gsub("^%s+", "")`, `long:find("@example", 1, true)`, `long:gsub("%a", {w = "v"})`,
		`(function() local n = 0; for _ in long:gmatch("%a+") do n = n + 1 end return n end)()`,
	} {
		e := newTestEngine(t, `function map(r) local long = ("word "):rep(50000); local _ = `+call+` return { first_name = "x" } end`)
		if got, _ := mapIn(t, e, `{}`); got.Reason != "" {
			t.Errorf("%s: %s", call, got.Reason)
		}
	}
}

func TestAReplacementThatGrowsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		`("x"):rep(100000):gsub(".", ("y"):rep(100000))`, `("x"):rep(100000):gsub(".", "%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0")`,
		`("x"):rep(2000):gsub(".", function() return ("y"):rep(100000) end)`,
	} {
		e := newTestEngine(t, "function map() local _ = "+call+" end")
		if got, _ := mapIn(t, e, `{}`); got.Reason != "x.lua:1: the text would be longer than 1 MiB" {
			t.Errorf("%s: %q", call, got.Reason)
		}
	}
}

func TestCompiledPatternsAreKeptAndBounded(t *testing.T) {
	t.Parallel()
	var c patternCache
	first := c.get("%a+")
	for i := range 10 * maxCachedPatterns {
		c.get(fmt.Sprint(i))
		if c.get("%a+") != first {
			t.Fatalf("compiled again after %d others", i)
		}
	}
	if len(c.young) > maxCachedPatterns || len(c.old) > maxCachedPatterns {
		t.Errorf("%d and %d patterns are kept", len(c.young), len(c.old))
	}
	long := strings.Repeat("x", maxCachedBytes+1)
	if first, second := c.get(long), c.get(long); first == second {
		t.Error("a pattern of that length is kept")
	}
}

func TestAFailedMatchAllocatesNothing(t *testing.T) {
	m := matcher{perRecord: recordSteps}
	for _, text := range []string{"^(%d+)-(%d+)$", "(%a+)@(%a+)", "%s+$", "x.-y", "%b()", "%f[%d]%d"} {
		p := m.cache.get(text)
		run := func() {
			m.newRecord()
			m.begin("no such thing in here")
			if start, _, err := m.find(m.cache.get(text), "no such thing in here", 0); start >= 0 || err != nil {
				t.Errorf("%s: found at %d, %v", text, start, err)
			}
		}
		run()
		if n := testing.AllocsPerRun(10, run); n != 0 {
			t.Errorf("%s: %.0f allocations", text, n)
		}
		if m.cache.get(text) != p {
			t.Errorf("%s was compiled again", text)
		}
	}
}

// FuzzPatternsAgreeWithTheEnginesOwn compares with the engine's own matcher
// where that one follows Lua: see agrees.
func FuzzPatternsAgreeWithTheEnginesOwn(f *testing.F) {
	for _, p := range []string{"(%w+) (%w+)", "^%s*(.-)%s*$", "()l()", "[^a-c]+", "%b()", "(.)%1", "a*b-c?", "%u%l*", "$", "[]x]+"} {
		f.Add("hello (World) ccab", p, 1)
		f.Add("", p, -1)
	}
	theirs, ours := lua.NewState(lua.Options{SkipOpenLibs: true}), lua.NewState(lua.Options{SkipOpenLibs: true})
	f.Cleanup(theirs.Close)
	f.Cleanup(ours.Close)
	for _, l := range []*lua.LState{theirs, ours} {
		lua.OpenBase(l)
		lua.OpenString(l)
	}
	e := &engine{lua: ours}
	e.openPatterns(ours.GetGlobal("string").(*lua.LTable))
	f.Fuzz(func(t *testing.T, subject, text string, init int) {
		if len(subject) > 24 || len(text) > 12 || !agrees(text) || init > len(subject)+1 {
			return
		}
		e.patterns.newRecord()
		for _, call := range []string{"find", "match", "gsub", "gmatch"} {
			if call == "gmatch" && strings.HasPrefix(text, "^") {
				continue
			}
			if here, there := callString(ours, call, subject, text, init), callString(theirs, call, subject, text, init); here != there {
				t.Errorf("string.%s(%q, %q, %d): %s, the engine's own says %s", call, subject, text, init, here, there)
			}
		}
	})
}

// agrees reports whether the engine's own matcher is Lua's on a pattern. It is
// not where something is malformed, which it reports when it compiles, nor with
// %f, zero bytes, an empty pattern, a class or several hyphens in a set with a
// hyphen, and references to positions.
func agrees(text string) bool {
	p := compilePattern(text)
	for _, n := range p.nodes {
		if n.op == opFault || n.op == opFrontier || n.op == opReference && p.positions != 0 {
			return false
		}
	}
	if strings.Contains(text, "[") && strings.Contains(text, "-") && (strings.Contains(text, "%") || strings.Count(text, "-") > 1) {
		return false
	}
	return text != "" && text != "^" && !strings.Contains(text, "\x00") && p.unclosed == 0
}

func callString(l *lua.LState, name, subject, text string, init int) string {
	library, _ := l.GetGlobal("string").(*lua.LTable)
	top := l.GetTop()
	defer l.SetTop(top)
	args := []lua.LValue{lua.LString(subject), lua.LString(text)}
	switch name {
	case "gsub":
		args = append(args, lua.LString("<%0>"))
	case "find", "match":
		args = append(args, lua.LNumber(init))
	}
	if err := l.CallByParam(lua.P{Fn: library.RawGetString(name), NRet: lua.MultRet, Protect: true}, args...); err != nil {
		if _, ok := errors.AsType[*lua.ApiError](err); !ok {
			return err.Error()
		}
		return "error"
	}
	if name == "gmatch" {
		return iterate(l, top)
	}
	return shown(l, top)
}

// iterate shows what an iterator, which lies above top with its state, returns.
func iterate(l *lua.LState, top int) string {
	var b strings.Builder
	iterator, state := l.Get(top+1), l.Get(top+2)
	for range 30 {
		l.SetTop(top)
		l.Push(iterator)
		l.Push(state)
		if err := l.PCall(1, lua.MultRet, nil); err != nil {
			return "error"
		}
		// The engine's own iterator returns its state first.
		if l.GetTop() > top && l.Get(top+1) == state && state != lua.LNil {
			l.Remove(top + 1)
		}
		if l.GetTop() == top || l.Get(top+1) == lua.LNil {
			break
		}
		b.WriteString(shown(l, top) + ";")
	}
	return b.String()
}

// shown shows what lies above top. No result and nil are the same.
func shown(l *lua.LState, top int) string {
	var b strings.Builder
	for i := top + 1; i <= l.GetTop(); i++ {
		fmt.Fprintf(&b, "%q ", l.Get(i).String())
	}
	if b.String() == `"nil" ` {
		return ""
	}
	return b.String()
}
