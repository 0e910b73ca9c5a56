package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// diffOptions are the flags of map diff.
type diffOptions struct {
	job             string
	limit, examples int
	detailed        bool
}

func (c *cli) mapDiffCommand() *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use: "diff ACCOUNT/JOB SCRIPT", Short: "Show what another script would make of a job's records", Args: twoArguments,
		Long: `Put the records of a job's source through the job's script and through another one,
most often an edited copy, or through two scripts with "diff OLD NEW --job
ACCOUNT/JOB", and show what differs: how many records in which target
fields, and which the other script would skip or refuse, or would no longer. The
source is read at this moment from its beginning, up to --limit records of each
kind; nothing is written, and the job runs on with its script.

Copy the edited script to the place of the job's to have the next run take it.

The examples are personal data: mind where you print them; --examples 0 shows none.
It exits 0. With --detailed-exitcode it exits 3 when anything differs.`,
		Example: "  rosterd map diff acme/leads edited.lua\n  rosterd map diff scripts/leads.lua edited.lua --job acme/leads",
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.limit < 1 || o.examples < 0 {
				return usagef("`%s` takes a --limit from 1 on and --examples from 0 on", cmd.CommandPath())
			}
			if o.job == "" {
				return c.mapDiff(cmd.Context(), args[0], "", args[1], o)
			}
			return c.mapDiff(cmd.Context(), o.job, args[0], args[1], o)
		},
	}
	cmd.Flags().StringVar(&o.job, "job", "", "the `job` whose records are read, as account/job, where two scripts are named")
	cmd.Flags().IntVar(&o.limit, "limit", 10000, "how many records of each kind are read")
	cmd.Flags().IntVar(&o.examples, "examples", 5, "how many records are shown, one for each way to differ")
	cmd.Flags().BoolVar(&o.detailed, "detailed-exitcode", false, "exit 3 when anything differs")
	return cmd
}

func twoArguments(cmd *cobra.Command, args []string) error {
	if job := cmd.Flag("job"); job != nil && job.Changed {
		return exactly("OLD", "NEW")(cmd, args)
	}
	return exactly("ACCOUNT/JOB", "SCRIPT")(cmd, args)
}

// mapDiff compares a script with another one; empty for that of the job.
func (c *cli) mapDiff(ctx context.Context, ref, old, path string, o diffOptions) error {
	edited, err := c.scriptAt(path)
	if err != nil {
		return err
	}
	return c.withTrial(ctx, ref, path, func(t *trial) error {
		present, err := c.scriptAt(cmp.Or(old, t.job.Mapping))
		if err != nil {
			return err
		}
		d, err := t.compare(ctx, present, edited, o)
		if err != nil {
			return err
		}
		if c.json {
			c.print(d)
		} else {
			c.showDiff(d)
		}
		if o.detailed && d.Same < d.Records {
			return &endError{code: exitChanges}
		}
		return nil
	})
}

// scriptDiff is what differs between two scripts. Its examples are personal data.
type scriptDiff struct {
	Job     string `json:"job"`
	Present string `json:"present"`
	Edited  string `json:"edited"`
	Records int    `json:"records"`
	// More says that the source has records that were not read.
	More bool `json:"more"`
	Same int  `json:"same"`
	// Differ counts the records that stay mapped and have other fields, Fields by
	// each of these, and Outcomes those that become something else.
	Differ   int             `json:"differ"`
	Fields   map[string]int  `json:"fields"`
	Outcomes []outcomeChange `json:"outcomes"`
	// Lines are the lines of the fields in the edited script.
	Lines    map[string]int `json:"lines"`
	Examples []diffExample  `json:"examples"`
	Unknown  string         `json:"target_unknown,omitempty"`

	// shown are the ways to differ of which there is an example.
	shown map[string]bool
}

// outcomeChange is what becomes of some records in place of something else.
type outcomeChange struct {
	Before string `json:"before"`
	After  string `json:"after"`
	// Reason is why the edited script does not map them, or why the present one does
	// not.
	Reason  string `json:"reason"`
	Records int    `json:"records"`
}

// diffExample is one record that differs.
type diffExample struct {
	Kind   sdk.Kind    `json:"kind"`
	Record string      `json:"record"`
	Before string      `json:"before"`
	After  string      `json:"after"`
	Reason string      `json:"reason,omitempty"`
	Fields []diffField `json:"fields,omitempty"`
}

// diffField is one field; empty where it is not there.
type diffField struct {
	Name   string `json:"name"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// compare maps the records of the job's source with both scripts.
func (t *trial) compare(ctx context.Context, present, edited mapping.Script, o diffOptions) (*scriptDiff, error) {
	described, err := mapping.Describe(edited)
	if err != nil {
		return nil, err
	}
	d := &scriptDiff{
		Job: t.job.Ref, Present: present.Name, Edited: edited.Name, Fields: map[string]int{}, Outcomes: []outcomeChange{},
		Lines: described.Lines(), Examples: []diffExample{}, Unknown: t.unknown, shown: map[string]bool{},
	}
	err = t.withSource(ctx, func(source *adapters.Conn) error {
		for _, kind := range t.job.Kinds {
			if err := t.compareKind(ctx, source, kind, present, edited, o, d); err != nil {
				return err
			}
		}
		return nil
	})
	return d, err
}

func (t *trial) compareKind(ctx context.Context, source *adapters.Conn, kind sdk.Kind, present, edited mapping.Script, o diffOptions, d *scriptDiff) error {
	before, err := t.load(ctx, present, kind)
	if err != nil {
		return err
	}
	after, err := t.load(ctx, edited, kind)
	if err != nil {
		return err
	}
	left := o.limit
	return t.pages(ctx, source, kind, func(page *sdk.Page) (bool, error) {
		was, err := before.Map(ctx, page)
		if err != nil {
			return false, err
		}
		is, err := after.Map(ctx, page)
		if err != nil {
			return false, err
		}
		for i := range min(len(was.Records), left) {
			d.add(kind, was.Records[i], is.Records[i], o.examples)
		}
		left -= len(was.Records)
		d.More = d.More || left < 0 || left == 0 && !page.Done
		return left > 0, nil
	})
}

// add counts what both scripts make of one record.
func (d *scriptDiff) add(kind sdk.Kind, was, is roster.MappedRecord, examples int) {
	d.Records++
	e := diffExample{Kind: kind, Record: is.ID, Before: verdictOf(was), After: verdictOf(is)}
	if e.Before == e.After && (e.After != triedMapped || !e.fields(was, is)) {
		d.Same++
		return
	}
	way := e.Before + e.After
	if e.Before != e.After {
		if e.Reason = is.Reason; e.After == triedMapped {
			e.Reason = was.Reason
		}
		d.outcome(e)
		way += e.Reason
	} else {
		d.Differ++
	}
	for _, f := range e.Fields {
		d.Fields[f.Name]++
	}
	way += fmt.Sprint(e.names())
	if len(d.Examples) < examples && !d.shown[way] {
		d.shown[way] = true
		d.Examples = append(d.Examples, e)
	}
}

// outcome counts a record that becomes something else.
func (d *scriptDiff) outcome(e diffExample) {
	one := outcomeChange{Before: e.Before, After: e.After, Reason: e.Reason}
	for i := range d.Outcomes {
		one.Records = d.Outcomes[i].Records
		if d.Outcomes[i] == one {
			d.Outcomes[i].Records++
			return
		}
	}
	one.Records = 1
	d.Outcomes = append(d.Outcomes, one)
}

// fields finds the fields that differ, and reports whether any does.
func (e *diffExample) fields(was, is roster.MappedRecord) bool {
	before, after := fieldsOfMapped(was), fieldsOfMapped(is)
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] {
			e.Fields = append(e.Fields, diffField{name, before[name], after[name]})
		}
	}
	return len(e.Fields) > 0
}

// names are those of its fields.
func (e *diffExample) names() []string {
	names := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		names[i] = f.Name
	}
	return names
}

func (c *cli) showDiff(d *scriptDiff) {
	fmt.Fprintf(c.stdout, "%s of %s: %d the same, %d with other fields, %d with another outcome\n",
		counted(d.Records, "record"), d.Job, d.Same, d.Differ, d.Records-d.Same-d.Differ)
	if d.More {
		fmt.Fprintln(c.stdout, "the source has more records than were read; a larger --limit reads them")
	}
	if d.Unknown != "" {
		fmt.Fprintf(c.stdout, "what the target takes was not looked at: %s\n", d.Unknown)
	}
	if len(d.Fields) > 0 {
		c.table("FIELD\tRECORDS\tLINE", func(line func(...any)) {
			for _, name := range slices.Sorted(maps.Keys(d.Fields)) {
				at := "-"
				if d.Lines[name] > 0 {
					at = fmt.Sprintf("%s:%d", filepath.Base(d.Edited), d.Lines[name])
				}
				line(plainText(name), d.Fields[name], at)
			}
		})
	}
	if len(d.Outcomes) > 0 {
		slices.SortStableFunc(d.Outcomes, func(a, b outcomeChange) int { return b.Records - a.Records })
		c.table("BEFORE\tAFTER\tRECORDS\tWHY", func(line func(...any)) {
			for _, o := range d.Outcomes {
				line(o.Before, o.After, o.Records, plainText(o.Reason))
			}
		})
	}
	for _, e := range d.Examples {
		c.showDiffExample(e)
	}
}

func (c *cli) showDiffExample(e diffExample) {
	if e.Before != e.After {
		fmt.Fprintf(c.stdout, "! %s %s  from %s to %s: %s\n", e.Kind, plainText(e.Record), e.Before, e.After, plainText(e.Reason))
		return
	}
	fmt.Fprintf(c.stdout, "~ %s %s\n", e.Kind, plainText(e.Record))
	for _, f := range e.Fields {
		fmt.Fprintf(c.stdout, "    %s  %s -> %s\n", plainText(f.Name), shortText(f.Before), shortText(f.After))
	}
}
