package mapping

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// showSource makes one line of what a call returned or raised. Of an error only
// what is about the pattern is shown: arguments are described in other words.
const showSource = `
local function quote(v)
	if type(v) ~= "string" then return tostring(v) end
	return '"' .. v:gsub("[^%w%p ]", function(c) return "\\" .. c:byte() end) .. '"'
end
local function show(ok, ...)
	if not ok then
		local text = tostring((...))
		for _, known in ipairs{"capture", "pattern", "replacement"} do
			if text:find(known, 1, true) then return "error: " .. text:gsub("^[^:]*:%d+: ", "") end
		end
		return "error"
	end
	local parts = {}
	for i = 1, select("#", ...) do parts[i] = quote((select(i, ...))) end
	return table.concat(parts, " ")
end
local find, match, gsub = string.find, string.match, string.gsub
local function all(s, p)
	local found, n = {}, 0
	for a, b, c in string.gmatch(s, p) do
		n = n + 1
		found[n] = quote(a) .. "," .. quote(b) .. "," .. quote(c)
	end
	return n, table.concat(found, ";")
end
local results = {}
local function call(fn, ...) results[#results + 1] = show(pcall(fn, ...)) end
`

// patternCalls are calls worth a look: each corner of Lua's patterns.
func patternCalls() []string {
	calls := strings.Split(strings.TrimSpace(fixedCalls), "\n")
	subjects := []string{`""`, `"a"`, `"hello world"`, `"  two  words "`, `"key = value"`, `"f(a(b)c)d)"`, `"THE (quick) fox"`, `"x\0y"`, `"aaa"`, `"2026-02-28"`}
	patterns := []string{
		`""`, `"."`, `".-"`, `".*"`, `"%s*$"`, `"^%s*(.-)%s*$"`, `"(%w+)"`, `"(%w+)%s*=%s*(%w+)"`, `"%b()"`, `"()a()"`, `"%f[%a]%a+"`, `"(a*(.)%w(%s*))"`,
		`"^a"`, `"a$"`, `"[^%s]+"`, `"[a-c%d]"`, `"(%d+)-(%d+)-(%d+)"`, `"%z"`, `"l?l"`,
	}
	for i, s := range subjects {
		for k, p := range patterns {
			fn := []string{"find", "match", "all", "gsub"}[(i+k)%4]
			if fn == "gsub" {
				p += `, "<%0>"`
			}
			calls = append(calls, fmt.Sprintf("%s, %s, %s", fn, s, p))
		}
	}
	return calls
}

const fixedCalls = `
find, "hello", "l+"
find, "hello", "xyz"
find, "hello", "l", 4
find, "hello", "l", -2
find, "hello", "", 10
find, "hello", "", 6
find, "hello", "h", -100
find, "a.b", ".", 1, true
find, "a.b", ".", 2, true
find, "a+b", "+", 1, true
find, "a)b", ")"
find, "a]b", "]"
find, "a\0b", "a\0b"
find, "a\0bc", "\0b"
find, "hello", "(l)(l)(o)"
find, "hello", "()ll()"
find, 12345, 34
find, "hello", "l", "3"
find, "hello", "l", 3.9
find, "hello", "l", nil, true
find, "hello", "l", 0/0
find, "hello", "l", -1e300
find, "hello"
find, nil, "x"
find, "hello", "l", {}
match, "hello", "^(h)(.-)(o)$"
match, "hello", ".", 3
match, "hello", ".", 99
match, "hello", "()", 99
match, "hello", "^l", 3
match, "key=val", "(%w+)=(%w+)"
match, "abcabc", "(abc)%1"
match, "abcabd", "(abc)%1"
match, "abc", "()%1"
match, "abab", "((a)(b))%1"
match, "x", "%0"
match, "x", "%1"
match, "x", "(x%1)"
match, "xx", "(x)%2"
match, "x", "(x"
match, "x", "x)"
match, "x", "((x)"
match, "x", "%"
match, "x", "x%"
match, "x", "y%"
match, "x", "[x"
match, "x", "y[x"
match, "x", "[]"
match, "x", "[^]"
match, "]", "[]]"
match, "a", "[^]]"
match, "-", "[a-]"
match, "-", "[-a]"
match, "b", "[a-b-z]"
match, "-", "[a-b-z]"
match, "y", "[a-b-z]"
match, "%", "[%%]"
match, "]", "[%]]"
match, "-", "[%a-z]"
match, "q", "[%a-z]"
match, "5", "[^%d]"
match, "^", "[%^]"
match, "^", "[x^]"
match, "a^b", "a^b"
match, "a$b", "a$b"
match, "a$", "a%$"
match, "a$", "(a$)"
match, "*a", "*a"
match, "**", "**"
match, "a**", "a***"
match, "+", "+"
match, "-", "^-"
match, "?", "?"
match, "()", "%(%)"
match, "f(a(b)c) d", "%b()"
match, "f(a(b)c d", "%b()"
match, "xaax", "%bxx"
match, "x", "%b"
match, "x", "%bx"
match, "THE (quick) fox", "%f[%a]%a+%f[%A]"
match, "x", "%f[%z]"
find, "THE (quick) fox", "%f[%a]%a+%f[%A]", 5
match, "x", "%fx"
match, "x", "%f"
match, "abc", "a-c"
match, "aaab", "a-b"
match, "aaab", "^a-$"
match, "aXb", "%u"
match, "aXb", "%U+"
match, "\127\1", "%c+"
match, "é", "%a"
match, "é", "%A+"
match, "1aF g", "%x+"
match, "!?", "%p+"
match, "\t\n\v\f\r ", "%s+"
match, "a\0b", "%z"
match, "a\0b", "%Z+"
match, "a\0b", "a.b"
match, "a\0b", "a\0b"
match, "q", "%q"
match, "Q", "%Q"
match, "g", "%g"
match, "hello world", "%w+ %w+"
match, "hello", ".-l"
match, "hello", ".-(l+).*"
match, "0123456789", "(((((((((.)))))))))"
match, ("x"):rep(40), ("(x)"):rep(32)
match, ("x"):rep(40), ("(x)"):rep(33)
match, ("x"):rep(40), ("()"):rep(33)
match, "x", ("a?"):rep(20)
match, ("a"):rep(12), ("a?"):rep(12) .. ("a"):rep(12)
all, "one two three", "%a+"
all, "a=1, b=2", "(%w+)=(%w+)"
all, "abc", ""
all, "abc", "x*"
all, "abc", "()"
all, "^a^a", "^a"
all, "aaa", "^a"
all, "^^", "^*"
all, "x", "("
all, "x"
gsub, "hello world", "o", "0"
gsub, "hello world", "o", "0", 1
gsub, "hello world", "o", "0", 0
gsub, "hello world", "o", "0", -1
gsub, "hello world", "(%w+)", "<%1>"
gsub, "hello world", "%w+", "%0 %0", 1
gsub, "hello world", "%w+", "%1"
gsub, "hello", "(h)(e)", "%2%1"
gsub, "hello", "h", "%%"
gsub, "hello", "h", "%x"
gsub, "hello", "h", "%"
gsub, "hello", "h", "%2"
gsub, "hello", "(h", "x"
gsub, "hello", "(h", "%1"
gsub, "hello", "", "-"
gsub, "hello", "l*", "x"
gsub, "abc", "%w*", "x"
gsub, "abc", "$", "x"
gsub, "abc", "^", "x"
gsub, "aaa", "^a", "x"
gsub, "hello", "()", "%1"
gsub, "hello", "()l", "%1"
gsub, "abc", "b", 7
gsub, "abc", "b", true
gsub, "abc", "b", nil
gsub, "abc", "b"
gsub, "abc", "%w", {a = "1", b = 2, c = false}
gsub, "abc", "%w", {a = {}}
gsub, "abc", "()%w", {"x", "y"}
gsub, "abc", "(%w)(%w)", {a = "1"}
gsub, "abc", "%w", setmetatable({}, {__index = function(t, k) return k .. k end})
gsub, "abc", "%w", function(c) return c:upper() end
gsub, "abc", "%w", function(c) if c == "b" then return false end return c .. c end
gsub, "abc", "(%w)(%w)", function(a, b, c) return b .. a .. tostring(c) end
gsub, "abc", "()", function(p) return p end
gsub, "abc", "%w", function() return {} end
gsub, "abc", "%w", function() error("stop", 0) end
gsub, "a1b2", "%a", function(c) return (c:gsub("a", "x")) .. (c:match("(b)") or "") end
gsub, "abc def", "%f[%w]%w+", function(w) return "<" .. w .. ">" end
gsub, "  trim me  ", "^%s*(.-)%s*$", "%1"
gsub, "a\0b\0c", "%z", "."
gsub, "abc", "b", "%0\0%0"
gsub, 12321, 2, "x"
gsub, "abc", "a", "b", "1"
gsub, ("x"):rep(300), "x", "yy"
`

// TestPatternsAreThoseOfLua51 evaluates a table of calls, and many made up by
// chance, here and in the reference implementation, where that is installed.
func TestPatternsAreThoseOfLua51(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("lua5.1")
	if err != nil {
		t.Skip("SKIPPED, NOTHING IS COMPARED: install lua5.1 (Debian: apt-get install lua5.1) to compare patterns with the reference implementation")
	}
	calls := append(patternCalls(), madeUpCalls(3000)...)
	var source strings.Builder
	source.WriteString(showSource)
	for i, call := range calls {
		if i%500 == 0 { // A function has room for so many constants only.
			fmt.Fprintf(&source, "%s;(function()\n", strings.Repeat("end)()", min(i, 1)))
		}
		fmt.Fprintf(&source, "call(%s)\n", call)
	}
	source.WriteString("end)()\n")
	here := evaluate(t, source.String()+"return table.concat(results, '\\n')")
	command := exec.CommandContext(t.Context(), program, "-")
	command.Stdin = strings.NewReader(source.String() + "io.write(table.concat(results, '\\n'))")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("lua5.1: %v: %s", err, out)
	}
	ours, theirs := strings.Split(here, "\n"), strings.Split(string(out), "\n")
	if len(ours) != len(calls) || len(theirs) != len(calls) {
		t.Fatalf("%d calls, %d results here and %d there", len(calls), len(ours), len(theirs))
	}
	for i, call := range calls {
		if ours[i] != theirs[i] {
			t.Errorf("%s\n here  %s\n Lua   %s", call, ours[i], theirs[i])
		}
	}
	t.Logf("%d calls compared", len(calls))
}

// evaluate runs a chunk in a state as workers have it and returns its text.
func evaluate(t *testing.T, source string) string {
	t.Helper()
	e := newTestEngine(t, "function map() end")
	e.patterns.recordLeft = 1 << 40
	fn, err := e.lua.LoadString(source)
	if err != nil {
		t.Fatal(err)
	}
	e.lua.Push(fn)
	if err := e.lua.PCall(0, 1, nil); err != nil {
		t.Fatal(err)
	}
	return lua.LVAsString(e.lua.Get(-1))
}

// madeUpCalls are the same each time.
func madeUpCalls(n int) []string {
	random := rand.New(rand.NewPCG(5, 1))
	pick := func(from []string, upTo int) string {
		var b strings.Builder
		for range random.IntN(upTo + 1) {
			b.WriteString(from[random.IntN(len(from))])
		}
		return b.String()
	}
	subjectParts := strings.Split("a b aa ab 1 - ] ( ) % x [ $ ^ .", " ")
	patternParts := append(strings.Split("a b . %a %d %s %W [ab] [^a] [%a-] [] [^] ( ) () (a) (.-) * + - ? ^ $ %b() %f[a] %1 %2 % [ ] ] - a-b", " "), " ")
	calls := make([]string, 0, n)
	for i := range n {
		s, p := strconv.Quote(pick(subjectParts, 8)), strconv.Quote(pick(patternParts, 6))
		switch i % 4 {
		case 0:
			calls = append(calls, fmt.Sprintf("find, %s, %s, %d", s, p, random.IntN(16)-7))
		case 1:
			calls = append(calls, fmt.Sprintf("match, %s, %s, %d", s, p, random.IntN(16)-7))
		case 2:
			calls = append(calls, fmt.Sprintf("all, %s, %s", s, p))
		default:
			calls = append(calls, fmt.Sprintf("gsub, %s, %s, %q, %d", s, p, []string{"<%0>", "%1", "[%2]", "%"}[random.IntN(4)], random.IntN(6)-1))
		}
	}
	return calls
}
