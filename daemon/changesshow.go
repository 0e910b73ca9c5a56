package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// showChanges prints what a run would change.
func (c *cli) showChanges(run roster.Run, page admin.ChangePage) {
	if changesOf(run.Counts) == 0 {
		fmt.Fprintln(c.stdout, "nothing to do: the target has everything as it would be sent")
		return
	}
	fmt.Fprintln(c.stdout)
	for _, change := range page.Changes {
		c.showChange(change.Change, change.Present, page.Script, page.Lines)
	}
	if page.Unseen != "" {
		fmt.Fprintf(c.stdout, "the present values are not shown: %s\n", page.Unseen)
	}
	if page.Next > 0 {
		fmt.Fprintf(c.stdout, "... %d of %d are shown; --limit shows more\n", len(page.Changes), changesOf(run.Counts)+run.Counts.ToLink)
	}
}

// sign leads a record of a plan.
func sign(op sdk.Op) string {
	switch op {
	case sdk.OpCreate:
		return "+"
	case sdk.OpUpdate, sdk.OpConvert, sdk.OpTransfer:
		return "~"
	case sdk.OpDeactivate, sdk.OpDelete:
		return "-"
	}
	return "=" // a record that the target has already
}

// showChange prints one change with the fields that change.
func (c *cli) showChange(change roster.Change, present json.RawMessage, script string, lines map[string]int) {
	head := fmt.Sprintf("%s %s %s %s", sign(change.Op), change.Op, change.Kind, plainText(change.Source))
	if change.Target != "" {
		head += " -> " + plainText(change.Target)
	}
	var where []string
	for _, part := range []string{change.Club, change.Position} {
		if part != "" {
			where = append(where, plainText(part))
		}
	}
	if len(where) > 0 {
		head += "  (" + strings.Join(where, ", ") + ")"
	}
	fmt.Fprintln(c.stdout, head)
	if change.Op == sdk.OpDeactivate || change.Op == sdk.OpDelete {
		return
	}
	now, old := fieldsOf(change.Data), fieldsOf(present)
	width := 0
	for _, name := range change.Fields {
		width = max(width, len(name))
	}
	for _, name := range change.Fields {
		text := newValue(change, now, name)
		if len(present) > 0 {
			text = shownValue(old, name) + " -> " + text
		}
		line := fmt.Sprintf("    %-*s  %s", width, name, text)
		if at := lines[name]; at > 0 {
			line += fmt.Sprintf("  %s:%d", filepath.Base(script), at)
		}
		fmt.Fprintln(c.stdout, line)
	}
}

// newValue is what a field would become. References are shown by the source's id.
func newValue(change roster.Change, now map[string]json.RawMessage, name string) string {
	for _, ref := range []struct{ name, id string }{{roster.OwnerField, change.Owner}, {roster.LeadSourceField, change.LeadSource}} {
		if name != ref.name {
			continue
		}
		if ref.id == "" {
			return "none"
		}
		return plainText(ref.id) + " of the source"
	}
	return shownValue(now, name)
}

// maxShown is how many characters of a value are shown.
const maxShown = 80

// shownValue is a value as JSON, cut to what fits on a line.
func shownValue(fields map[string]json.RawMessage, name string) string {
	return shortText(string(fields[name]))
}

// shortText is a value cut to what fits on a line.
func shortText(value string) string {
	if value == "" {
		return "nothing"
	}
	text := []rune(plainText(value))
	if len(text) > maxShown {
		return string(text[:maxShown]) + "..."
	}
	return string(text)
}

func fieldsOf(raw json.RawMessage) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil
	}
	return fields
}

// plainText takes out what could disturb a terminal: the text comes from an
// outside system.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '?'
		}
		return r
	}, s)
}
