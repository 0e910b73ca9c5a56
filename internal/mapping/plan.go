package mapping

import (
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// plan is the form of a script that says where each target field comes from.
// Lua builds it once, Go runs it for each record, and it can be read without
// being run.
type plan struct {
	// rules come before the fields: they skip or reject a record.
	rules []expression
	// fields are sorted by name.
	fields []planField
}

// planField is one target field of a plan.
type planField struct {
	slot *slot
	from expression
	// line is where the field's value stands in the script.
	line int
}

// mapRow maps the row at hand.
func (p *plan) mapRow(e *engine, m *roster.MappedRecord) {
	for _, rule := range p.rules {
		if v := rule.eval(e); v.ends() {
			e.end(v, m)
			return
		}
	}
	r := &e.result
	r.record = r.record[:0]
	for i := range p.fields {
		v := p.fields[i].from.eval(e)
		switch {
		case v.ends():
			e.end(v, m)
			return
		case v.kind != kindNone:
			r.record = append(r.record, field{p.fields[i].slot, e.toLua(v)})
		}
	}
	r.finish(e, m)
}

// end takes a value that ends the record: a ruling, or an error.
func (e *engine) end(v value, m *roster.MappedRecord) {
	switch {
	case v.kind == kindRuling:
		e.takeRuling(m)
	case e.failed != nil:
		e.takeError(e.failed, m)
	default:
		m.Verdict, m.Stage, m.Code = roster.VerdictRejected, roster.StageMap, roster.CodeMapError
		m.Line, m.Reason = e.failedLine, place(e.script, e.failedLine)+v.text
	}
}

// Lineage says where a target field comes from.
type Lineage struct {
	// Field is the target field; empty for a rule that skips or rejects.
	Field string `json:"field,omitempty"`
	// Sources are the source fields that it reads, in the script's order.
	Sources []string `json:"sources"`
	// Steps are the functions that it applies, in order.
	Steps []string `json:"steps,omitempty"`
	// Line is where it stands in the script.
	Line int `json:"line"`
	// Code says that Lua code computes it, which may read any field.
	Code bool `json:"code,omitempty"`
	// Constant says that it is the same for every record.
	Constant bool `json:"constant,omitempty"`
	// Decides says what a rule does: "skip" or "reject".
	Decides string `json:"decides,omitempty"`
	// Reason is a rule's reason.
	Reason string `json:"reason,omitempty"`
}

// lineage reads the plan.
func (p *plan) lineage() []Lineage {
	var out []Lineage
	for _, rule := range p.rules {
		out = append(out, lineageOf("", rule, 0))
	}
	for _, f := range p.fields {
		out = append(out, lineageOf(f.slot.name, f.from, f.line))
	}
	return out
}

func lineageOf(field string, from expression, line int) Lineage {
	l := Lineage{Field: field, Line: line, Sources: []string{}}
	_, l.Constant = from.(*constant)
	var steps []string
	from.walk(func(x expression) {
		switch x := x.(type) {
		case *fieldOfSource:
			l.Sources = appendOnce(l.Sources, x.name)
			l.Line = firstLine(l.Line, x.line)
		case *application:
			steps = append(steps, strings.TrimPrefix(x.fn.fullName(), "text."))
			l.Line = firstLine(l.Line, x.line)
		case *firstOf:
			steps = append(steps, "first")
		case *branch:
			steps = append(steps, "when")
		case *luaCall:
			l.Code = true
			l.Line = firstLine(l.Line, x.line)
		case *decision:
			l.Decides, l.Reason = "skip", x.reason
			if x.verdict == roster.VerdictRejected {
				l.Decides = "reject"
			}
			l.Line = firstLine(l.Line, x.line)
		}
	})
	// The walk meets the outermost function first; a reader follows the value.
	for _, step := range slices.Backward(steps) {
		l.Steps = append(l.Steps, step)
	}
	return l
}

func firstLine(have, found int) int {
	if have == 0 {
		return found
	}
	return have
}

func appendOnce(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}
