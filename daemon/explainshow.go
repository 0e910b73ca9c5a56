package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

func (c *cli) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain ACCOUNT/JOB ID|EMAIL", Short: "Show all that is known of one record, on both sides", Args: exactly("ACCOUNT/JOB", "ID"),
		Long: `Show all that is known of one record of a job's source: its link with its history, a
create that waits, its place in the quarantine, its lines of the record log, the
record as the source has it now, what the script makes of that with the line of each
field, the target's record as it is now, what the next run would send, and at the
end why it is where it is, with the command that mends it.

The record is named by its id in the source, or by an e-mail address: that is looked
for in what waits, by both systems where their adapters can search, and else record
by record in the source, up to a bound; what was searched is said. Nothing is
written. The values are personal data: mind where you print them.

It exits 1 where nothing is known of such a record.`,
		Example: "  rosterd explain acme/leads 4711\n  rosterd explain acme/leads ann@example.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			e, err := client.Explain(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if !e.Known && len(e.Found) == 0 {
				return c.nothingKnown(e)
			}
			if c.json {
				c.print(e)
				return nil
			}
			if e.Known {
				c.showExplanation(e)
			} else {
				c.showFound(e)
			}
			return nil
		},
	}
}

// nothingKnown says that there is no such record, as far as that can be told.
func (c *cli) nothingKnown(e admin.Explanation) error {
	what := "the source has no such record at this moment"
	if e.Next == nil {
		what = "whether the source has it is not known: " + e.Unknown
	}
	fault := &roster.Fault{
		Code:    "record.not_found",
		Message: fmt.Sprintf("nothing is known of record %s of %s: it is not linked, nothing of it waits or is refused, and %s", plainText(e.Record), e.Job, what),
		Hint:    "write its id as the source does; `rosterd links list " + c.configFlag() + e.Job + "` shows those that are linked",
	}
	if len(e.Searched) > 0 {
		fault.Message = fmt.Sprintf("no record of %s has the id or the e-mail address %s; searched were %s", e.Job, plainText(e.Record), strings.Join(e.Searched, "; "))
	}
	return fault
}

// showFound names the records with an e-mail address.
func (c *cli) showFound(e admin.Explanation) {
	fmt.Fprintf(c.stdout, "%s with the address %s:\n", counted(len(e.Found), "record"), plainText(e.Email))
	for _, f := range e.Found {
		if f.Record == "" {
			fmt.Fprintf(c.stdout, "  %s %s of the target, which is linked to no record of the source\n", f.Kind, plainText(f.Target))
			continue
		}
		fmt.Fprintf(c.stdout, "  %s %s (%s): rosterd explain %s%s %s\n", f.Kind, plainText(f.Record), f.Where, c.configFlag(), e.Job, shellWord(plainText(f.Record)))
	}
	fmt.Fprintf(c.stdout, "searched: %s\n", strings.Join(e.Searched, "; "))
}

func (c *cli) showExplanation(e admin.Explanation) {
	fmt.Fprintf(c.stdout, "record %s of %s\n", plainText(e.Record), e.Job)
	if e.Email != "" {
		fmt.Fprintf(c.stdout, "  found by the address %s; searched: %s\n", plainText(e.Email), strings.Join(e.Searched, "; "))
	}
	if len(e.Kinds) == 0 {
		fmt.Fprintln(c.stdout, "  it is not linked, and was not")
	}
	for _, report := range e.Kinds {
		c.showLink(report)
	}
	for _, p := range e.Pushed {
		fmt.Fprintf(c.stdout, "pushed as %s %s, and not read yet\n", p.Kind, ago(p.At))
	}
	for _, q := range e.Quarantined {
		fmt.Fprintf(c.stdout, "quarantined as %s %s: %s (%s); see `rosterd quarantine show %s%s`\n", q.Kind, ago(q.At), q.Reason, q.Code, c.configFlag(), q.ID)
	}
	c.showSides(e)
	c.showNext(e)
	if len(e.Lines) > 0 {
		fmt.Fprintln(c.stdout, "the record log has of it:")
	}
	for i := range e.Lines {
		fmt.Fprintf(c.stdout, "  %s\n", logText(&e.Lines[i], e.Lines[i].Job != e.Job))
	}
	fmt.Fprintf(c.stdout, "\n%s\n", plainText(e.Verdict.Text))
	if e.Verdict.Command != "" {
		fmt.Fprintf(c.stdout, "  %s\n", strings.TrimSpace(plainText(e.Verdict.Command)+" "+c.configFlag()))
	}
}

// showSides prints the record as both systems have it, and what the script makes of
// it.
func (c *cli) showSides(e admin.Explanation) {
	for _, s := range e.Source {
		fmt.Fprintf(c.stdout, "the source has this %s:\n", s.Kind)
		c.showFields(s.Fields, "", nil)
	}
	for _, m := range e.Mapped {
		if m.Reason != "" {
			fmt.Fprintf(c.stdout, "of this %s, %s\n", m.Kind, plainText(m.Reason))
			continue
		}
		fmt.Fprintf(c.stdout, "the script makes of this %s:\n", m.Kind)
		script, lines := "", map[string]int(nil)
		if e.Next != nil {
			script, lines = e.Next.Script, e.Next.Lines
		}
		c.showFields(withReferences(m), script, lines)
	}
	for _, t := range e.Target {
		if t.Fields == nil {
			fmt.Fprintf(c.stdout, "the target has no %s %s any more\n", t.Kind, plainText(t.ID))
			continue
		}
		fmt.Fprintf(c.stdout, "the target has %s %s as:\n", t.Kind, plainText(t.ID))
		c.showFields(t.Fields, "", nil)
	}
	if e.TargetUnknown != "" {
		fmt.Fprintf(c.stdout, "what the target has is not known: %s\n", e.TargetUnknown)
	}
}

// withReferences are the fields of a mapped record with its references among them.
func withReferences(m admin.MappedRecord) json.RawMessage {
	fields := fieldsOf(m.Fields)
	if fields == nil {
		return m.Fields
	}
	for name, id := range map[string]string{roster.OwnerField: m.Owner, roster.LeadSourceField: m.LeadSource} {
		if id != "" {
			fields[name] = roster.AppendText(nil, id)
		}
	}
	packed, err := json.Marshal(fields)
	if err != nil {
		return m.Fields
	}
	return packed
}

// showFields prints a record, a field a line; fields without a value are counted.
func (c *cli) showFields(raw json.RawMessage, script string, lines map[string]int) {
	fields, width, empty := fieldsOf(raw), 0, 0
	for name, value := range fields {
		switch string(value) {
		case "null", `""`, "{}", "[]":
			delete(fields, name)
			empty++
		default:
			width = max(width, len(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		line := fmt.Sprintf("    %-*s  %s", width, plainText(name), shownValue(fields, name))
		if at := lines[name]; at > 0 {
			line += fmt.Sprintf("  %s:%d", filepath.Base(script), at)
		}
		fmt.Fprintln(c.stdout, line)
	}
	if empty > 0 {
		fmt.Fprintf(c.stdout, "    %s without a value\n", counted(empty, "field"))
	}
}

// showNext prints what the next run would send.
func (c *cli) showNext(e admin.Explanation) {
	switch {
	case e.Next == nil:
		fmt.Fprintf(c.stdout, "what the next run would do is not known: %s\n", e.Unknown)
		return
	case !e.Next.Found:
		fmt.Fprintln(c.stdout, "the source has no such record at this moment")
	case len(e.Next.Changes) == 0:
		fmt.Fprintln(c.stdout, "the next run that reads it would send nothing")
	default:
		fmt.Fprintln(c.stdout, "the next run that reads it would send:")
	}
	for _, change := range e.Next.Changes {
		c.showChange(change, nil, e.Next.Script, e.Next.Lines)
	}
	for _, reason := range slices.Compact(e.Next.Reasons) {
		fmt.Fprintf(c.stdout, "  %s\n", plainText(reason))
	}
}
