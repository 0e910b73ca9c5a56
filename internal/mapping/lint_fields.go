package mapping

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/yuin/gopher-lua/ast"

	"github.com/rosterd/rosterd/internal/roster"
)

// KnownFields are the fields of the systems at both ends of a script, with which
// those that the script names are compared. A list that is nil is not known.
type KnownFields struct {
	// Source are the fields that a source record may have, Target those that the
	// target takes.
	Source, Target []string
	// Usual are fields that a target often has, for one that does not tell all of
	// its own: a name that is nearly one of them is probably mistyped. Nil stands for
	// those that every business has.
	Usual []string
}

// wellKnown are the target fields that every business has, and those that
// rosterd itself knows.
func wellKnown() []string {
	return []string{"first_name", "last_name", "email", "phone", "address", "status", "opt_in", "external_id", roster.MattersField}
}

// targetFields warns of fields that the target does not have, or, where its
// fields are not known, that look misspelt, and of those that stand there twice.
func (c *checker) targetFields(e ast.Expr) {
	table, ok := e.(*ast.TableExpr)
	if !ok {
		return
	}
	seen := map[string]bool{}
	for _, f := range table.Fields {
		key, ok := f.Key.(*ast.StringExpr)
		if !ok {
			continue
		}
		finding := c.targetField(key.Value)
		if seen[key.Value] {
			finding.Message = "the target field " + key.Value + " stands here twice, and only the last one counts"
			finding.Hint = "write first(a, b) in a plan, or a or b in a function"
		}
		line, column := c.words.take(key.Value, key.Line(), "")
		seen[key.Value], c.targets[key.Value] = true, true
		if finding.Message != "" {
			finding.Line, finding.Column = line, column
			c.add(finding)
		}
		if key.Value == roster.MattersField {
			c.matterFields(f.Value)
		}
	}
}

// matterFields warns of fields of matters that the target does not have, where
// the matters stand in the script as they are.
func (c *checker) matterFields(e ast.Expr) {
	matters, ok := e.(*ast.TableExpr)
	if !ok || c.known.Target == nil {
		return
	}
	for _, m := range matters.Fields {
		matter, ok := m.Value.(*ast.TableExpr)
		if !ok {
			continue
		}
		for _, f := range matter.Fields {
			key, ok := f.Key.(*ast.StringExpr)
			if !ok || key.Value == roster.MatterName {
				continue
			}
			if finding := c.targetField(key.Value); finding.Message != "" {
				finding.Line, finding.Column = c.words.take(key.Value, key.Line(), "")
				c.add(finding)
			}
		}
	}
}

// filledFields checks the target fields of a function that fills a table before
// it returns it.
func (c *checker) filledFields() {
	for _, l := range guessLineage(c.chunk) {
		if l.Field == "" || c.targets[l.Field] {
			continue
		}
		c.targets[l.Field] = true
		if finding := c.targetField(l.Field); finding.Message != "" {
			line, column := c.words.take(l.Field, l.Line, ".")
			if line != l.Line {
				line, column = l.Line, 0
			}
			finding.Line, finding.Column = line, column
			c.add(finding)
		}
	}
}

// targetField is what there is to say of a target field by its name, or a
// finding without a message.
func (c *checker) targetField(name string) Finding {
	finding := Finding{Severity: SeverityWarning, Code: CodeField, File: c.script.Name}
	if c.known.Target == nil {
		usual, why := c.known.Usual, " looks mistyped; which fields the target has is not known"
		if usual == nil {
			usual, why = wellKnown(), " is none that every business has"
		}
		if meant := misspelt(name, usual); meant != "" {
			finding.Message, finding.Hint = "the target field "+name+why, "did you mean `"+meant+"`?"
		}
		return finding
	}
	if name != roster.MattersField && !slices.Contains(c.known.Target, name) {
		finding.Message = "the job's target has no field " + quoted(name)
		finding.Hint = meant(name, c.known.Target, "", "add it there, or take it out of the script; the target has "+someOf(c.known.Target))
	}
	return finding
}

// sourceField warns once of each field that the source does not have.
func (c *checker) sourceField(e *ast.AttrGetExpr, name string) {
	if c.known.Source == nil || name == "id" || name == "club" || slices.Contains(c.known.Source, name) || c.missing[name] {
		return
	}
	ident, ok := e.Object.(*ast.IdentExpr)
	if !ok {
		return
	}
	if l := c.find(ident.Value); l == nil && ident.Value != "source" || l != nil && !l.isRecord {
		return
	}
	c.missing[name] = true
	finding := Finding{
		Severity: SeverityWarning, Code: CodeSource, File: c.script.Name, Message: "the job's source has no field " + quoted(name),
		Hint: meant(name, c.known.Source, "", "case and spaces count; the source has "+someOf(c.known.Source)),
	}
	finding.Line, finding.Column = c.words.take(name, e.Line(), ".")
	c.add(finding)
}

// someOf lists names, the first of them where there are many.
func someOf(names []string) string {
	const most = 12
	if len(names) == 0 {
		return "none"
	}
	listed := slices.Sorted(slices.Values(names))
	if len(listed) <= most {
		return strings.Join(listed, ", ")
	}
	return strings.Join(listed[:most], ", ") + fmt.Sprintf(" and %d more", len(listed)-most)
}

// misspelt returns the known field that a name is one letter or only its case and
// separators away from. A number behind a name is no misspelling.
func misspelt(name string, known []string) string {
	if name == "" || slices.Contains(known, name) || unicode.IsDigit(rune(name[len(name)-1])) {
		return ""
	}
	for _, candidate := range known {
		numbered := unicode.IsDigit(rune(candidate[len(candidate)-1]))
		if bareName(candidate) == bareName(name) || len(name) > 3 && !numbered && edits(candidate, name) == 1 {
			return candidate
		}
	}
	return ""
}
