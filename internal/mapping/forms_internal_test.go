package mapping

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosterd/rosterd/internal/roster"
)

// formWriter writes random expressions in both forms of a script at once.
type formWriter struct{ t *rapid.T }

// both is an expression as a plan writes it and as a function does.
type both struct{ plan, function string }

func (w formWriter) pick(from ...string) string { return rapid.SampledFrom(from).Draw(w.t, "choice") }

// text is an expression that gives a text or nothing.
func (w formWriter) text(depth int) both {
	if depth == 0 {
		name := w.pick("a", "b", "c", "d", "none")
		return both{"source." + name, "record." + name}
	}
	switch w.pick("one", "one", "one", "join", "first", "when", "layout", "lookup", "part") {
	case "join":
		return w.call("text.join", both{`"-"`, `"-"`}, w.text(depth-1), w.text(0))
	case "first":
		return w.call("first", w.text(depth-1), w.text(0), both{`"x"`, `"x"`})
	case "when":
		return w.call("when", w.condition(depth-1), w.text(depth-1), w.text(0))
	case "layout":
		return w.call("date.parse", w.text(depth-1), both{`"DD/MM/YYYY"`, `"DD/MM/YYYY"`})
	case "lookup":
		return w.call("lookup", both{`"cities.csv"`, `"cities.csv"`}, w.text(depth-1))
	case "part":
		return w.call("text.part", w.text(depth-1), both{`" "`, `" "`}, both{"1", "1"})
	}
	return w.applied(depth)
}

// applied is a function of one text, as a method in the plan where it has one.
func (w formWriter) applied(depth int) both {
	var named []function
	for _, f := range functions() {
		if f.returns == "text" && (f.params == "s" || f.params == "s, [country]") {
			named = append(named, f)
		}
	}
	f := rapid.SampledFrom(named).Draw(w.t, "function")
	x := w.text(depth - 1)
	call := both{f.fullName() + "(" + x.plan + ")", f.fullName() + "(" + x.function + ")"}
	if f.method != "" && rapid.Bool().Draw(w.t, "as a method") {
		call.plan = x.plan + ":" + f.method + "()"
	}
	return call
}

// condition is an expression that holds or does not.
func (w formWriter) condition(depth int) both {
	if depth > 0 {
		switch name := w.pick("all", "any", "no", "plain"); name {
		case "all", "any":
			return w.call(name, w.condition(depth-1), w.condition(0))
		case "no":
			return w.call(name, w.condition(depth-1))
		}
	}
	switch name := w.pick("present", "absent", "is", "re.match"); name {
	case "is":
		return w.call(name, w.text(depth), both{`"gold"`, `"gold"`}, both{`"12"`, `"12"`})
	case "re.match":
		return w.call(name, w.text(depth), both{`"^[A-Z]"`, `"^[A-Z]"`})
	default:
		return w.call(name, w.text(depth))
	}
}

func (w formWriter) call(name string, args ...both) both {
	plan, function := make([]string, len(args)), make([]string, len(args))
	for i, arg := range args {
		plan[i], function[i] = arg.plan, arg.function
	}
	return both{name + "(" + strings.Join(plan, ", ") + ")", name + "(" + strings.Join(function, ", ") + ")"}
}

// calculated is an operator on two expressions.
func (w formWriter) calculated() (both, string) {
	operator := " " + w.pick("+", "-", "*", "/", "..") + " "
	a, b := w.text(1), w.text(0)
	if rapid.Bool().Draw(w.t, "by a constant") {
		b = both{"2", "2"}
	}
	return both{a.plan + operator + b.plan, a.function + operator + b.function}, operator
}

// record has texts, numbers and nothing: what a function refuses, when would
// evaluate in a function although it is not chosen.
func (w formWriter) record() string {
	var b strings.Builder
	b.WriteString("{")
	for i, name := range []string{"a", "b", "c", "d"} {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q: %s", name, w.pick(
			`""`, `" "`, `"ANN o'neil"`, `"Ann@Example.COM"`, `"416 555 0123 x9"`, `"31/12/1990"`, `"12"`, `"-3.5"`, `12`, `2.50`, `"0x10"`, `" 7 "`, `"1e3"`, `"nan"`,
			`"gold"`, `"é å"`, `null`, `"$1,234.50"`, `"Kanada"`, `"Ontario"`, `"Toronto"`, `12345678901234567890`,
		))
	}
	return b.String() + "}"
}

// TestAnyExpressionGivesTheSameInBothForms writes nested expressions at random,
// as TestPlansAndFunctionsGiveTheSame does each function alone. Operators in a
// function are Lua's own: where there is nothing they are an error, and in a plan
// a calculation then gives nothing, and .. what there is.
func TestAnyExpressionGivesTheSameInBothForms(t *testing.T) {
	t.Parallel()
	const nothing = `{"first_name":"A","external_id":"1"}`
	rapid.Check(t, func(rt *rapid.T) {
		w := formWriter{rt}
		x := w.text(rapid.IntRange(1, 4).Draw(rt, "depth"))
		operator := ""
		switch w.pick("text", "condition", "calculated") {
		case "condition":
			x = w.condition(3)
		case "calculated":
			x, operator = w.calculated()
		}
		records := []string{w.record(), w.record(), w.record(), "{}"}
		plan := mapAll(t, `return mapping{ first_name = "A", x = `+x.plan+" }", records)
		function := mapAll(t, `function map(record) return { first_name = "A", x = `+x.function+" } end", records)
		for i := range records {
			if operator != "" && function[i] == roster.CodeMapError && (plan[i] == nothing || operator == " .. ") {
				continue
			}
			if plan[i] != function[i] {
				rt.Fatalf("%s of %s:\nplan      %s\nfunction  %s", x.function, records[i], plan[i], function[i])
			}
		}
	})
}
