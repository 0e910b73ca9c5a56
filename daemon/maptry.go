package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// tryOptions are the flags of map try.
type tryOptions struct {
	record, job, id, kind string
	limit                 int
}

func (c *cli) mapTryCommand() *cobra.Command {
	var o tryOptions
	cmd := &cobra.Command{
		Use: "try SCRIPT", Short: "Put records through a script, and show what becomes of them", Args: exactly("SCRIPT"),
		Long: `Put records through a script as a run would, and show what becomes of each: every
target field with its value, beside it what it is made of and the line that makes it,
or why the record is skipped or refused. They are the first ones of a job's source, the
one with an id, for which the source is walked where its adapter cannot read a single
record, or one from a file. Nothing is written.

A file holds a record as in.json of a case does ("@id", "@club" and "@kind" beside
its fields), or as "rosterd quarantine show" prints it; - is standard input. The
script is told what the job tells it, and held to what the job's target takes: the
job that is named, or else one that has this script.

The values are personal data: mind where you print them. It exits 0 for records
that are mapped or skipped, and 3 where one is refused.`,
		Example: "  rosterd map try edited.lua --job acme/leads\n  rosterd map try edited.lua --job acme/leads --id 4711\n  rosterd map try scripts/leads.lua --record ann.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.record == "" && o.job == "" || o.record != "" && o.id != "" {
				return usagef("`%s` takes --job ACCOUNT/JOB, where one is wanted with --id ID, or --record FILE; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
			}
			if o.limit < 1 {
				return usagef("`%s` takes a --limit from 1 on", cmd.CommandPath())
			}
			return c.mapTry(cmd.Context(), args[0], o)
		},
	}
	cmd.Flags().StringVar(&o.record, "record", "", "the `file` with the record, as JSON; - is standard input")
	cmd.Flags().StringVar(&o.job, "job", "", "map as this `job` does, as account/job")
	cmd.Flags().StringVar(&o.id, "id", "", "read the record with this id from the source of the job")
	cmd.Flags().IntVar(&o.limit, "limit", 3, "how many records of each kind are taken, without --id")
	cmd.Flags().StringVar(&o.kind, "kind", "", "the kind of the record: staff, lead_source, prospect or member (default those of the job)")
	return cmd
}

func (c *cli) mapTry(ctx context.Context, path string, o tryOptions) error {
	script, err := c.scriptAt(path)
	if err != nil {
		return err
	}
	return c.withTrial(ctx, o.job, path, func(t *trial) error {
		pages, err := c.pagesToTry(ctx, t, o)
		if err != nil {
			return err
		}
		refused := false
		for _, page := range pages {
			tried, err := t.one(ctx, script, page)
			if err != nil {
				return err
			}
			refused = refused || tried.Verdict == triedRefused
			c.showTried(tried)
		}
		if refused {
			return &endError{code: exitRejected}
		}
		return nil
	})
}

// scriptAt reads a script that the command line names.
func (c *cli) scriptAt(path string) (mapping.Script, error) {
	script, err := mapping.ReadScript(c.scriptsDirOf(path), path)
	if err == nil {
		return script, mapping.CheckScript(script)
	}
	return script, err
}

// pagesToTry are the records, each as a page of its own: from several kinds where the
// source has it in each.
func (c *cli) pagesToTry(ctx context.Context, t *trial, o tryOptions) ([]*sdk.Page, error) {
	kinds := t.job.Kinds
	if o.kind != "" {
		kinds = []sdk.Kind{sdk.Kind(o.kind)}
	}
	if !slices.Contains(sdk.Kinds(), kinds[0]) {
		return nil, usagef("--kind is one of %v, and not %q", sdk.Kinds(), o.kind)
	}
	if o.record != "" {
		raw, err := c.readRecord(o.record)
		if err != nil {
			return nil, err
		}
		page, err := mapping.RecordPage(kinds[len(kinds)-1], raw)
		if err != nil {
			return nil, usagef("%s is no record: %w", o.record, err)
		}
		return []*sdk.Page{page}, nil
	}
	var found []*sdk.Page
	err := t.withSource(ctx, func(source *adapters.Conn) error {
		for _, kind := range kinds {
			pages, err := t.wanted(ctx, source, kind, o)
			if err != nil {
				return err
			}
			found = append(found, pages...)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0 && o.id == "":
		return nil, &roster.Fault{
			Code: "record.not_found", Message: fmt.Sprintf("the source of %s has no records of kind %s", t.job.Ref, join(kinds)),
			Hint: "try a record of your own with --record FILE",
		}
	case len(found) == 0:
		return nil, &roster.Fault{
			Code: "record.not_found", Message: fmt.Sprintf("the source of %s has no record %s of kind %s", t.job.Ref, plainText(o.id), join(kinds)),
			Hint: "write its id as the source does",
		}
	}
	return found, nil
}

// maxRecordFile bounds the file of one record.
const maxRecordFile = 1 << 20

func (c *cli) readRecord(path string) ([]byte, error) {
	in := io.Reader(os.Stdin)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, maxRecordFile))
}

// wanted reads the record with an id, or the first ones of a kind.
func (t *trial) wanted(ctx context.Context, source *adapters.Conn, kind sdk.Kind, o tryOptions) (found []*sdk.Page, err error) {
	if o.id != "" {
		page, err := t.find(ctx, source, kind, o.id)
		if page != nil {
			found = append(found, page)
		}
		return found, err
	}
	err = t.pages(ctx, source, kind, func(page *sdk.Page) (more bool, err error) {
		for i := 0; i < page.Rows && len(found) < o.limit; i++ {
			one, err := single(page, i)
			if err != nil {
				return false, err
			}
			found = append(found, one)
		}
		return len(found) < o.limit, nil
	})
	return found, err
}

// find reads one record by its id; nil where the source does not have it. A source
// that cannot read a single one is walked.
func (t *trial) find(ctx context.Context, source *adapters.Conn, kind sdk.Kind, id string) (found *sdk.Page, err error) {
	if source.Has(sdk.AbilityGetter) {
		page, err := source.Get(ctx, sdk.GetRequest{Kind: kind, IDs: []string{id}})
		if err != nil {
			return nil, connectionFault(t.job.From, err)
		}
		return only(page, id)
	}
	err = t.pages(ctx, source, kind, func(page *sdk.Page) (more bool, err error) {
		found, err = only(page, id)
		return found == nil, err
	})
	return found, err
}

// only makes a page of the one record of another page that has an id; nil where none
// has it.
func only(page *sdk.Page, id string) (*sdk.Page, error) {
	for i := range page.Rows {
		if page.Row(i).ID() == id {
			return single(page, i)
		}
	}
	return nil, nil //nolint:nilnil // There is none, and nothing is wrong.
}

// single makes a page of one row of another one.
func single(page *sdk.Page, row int) (*sdk.Page, error) {
	one, unreadable, err := roster.PayloadPage(page.Kind, [][]byte{roster.Payload(page.Columns, page.Row(row))})
	if err == nil && len(unreadable) > 0 {
		err = errors.New("the record that the source gave cannot be read")
	}
	return one, err
}

// The verdicts of a record that was tried.
const (
	triedMapped  = "mapped"
	triedSkipped = "skipped"
	triedRefused = "refused"
)

// tried is what becomes of one record. It holds personal data.
type tried struct {
	Script  string   `json:"script"`
	Job     string   `json:"job,omitempty"`
	Kind    sdk.Kind `json:"kind"`
	Record  string   `json:"record"`
	Club    string   `json:"club,omitempty"`
	Verdict string   `json:"verdict"`
	// Fields are the target fields that it has, Empty those that the script names and
	// that have no value.
	Fields map[string]json.RawMessage `json:"fields"`
	Empty  []string                   `json:"empty,omitempty"`
	Lines  map[string]int             `json:"lines"`
	// From are the source's values that a target field is made of.
	From map[string]map[string]json.RawMessage `json:"from,omitempty"`
	// Guess says that the lines are read off a function, where they are likely.
	Guess    bool     `json:"guess,omitempty"`
	Code     string   `json:"code,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Line     int      `json:"line,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Unread are fields that the script reads and the record does not have.
	Unread []string `json:"unread,omitempty"`
	// Unknown says why the target was not asked what it takes.
	Unknown string `json:"target_unknown,omitempty"`
}

// one maps a page of one record.
func (t *trial) one(ctx context.Context, script mapping.Script, page *sdk.Page) (tried, error) {
	described, err := mapping.Describe(script)
	if err != nil {
		return tried{}, err
	}
	loaded, err := t.load(ctx, script, page.Kind)
	if err != nil {
		return tried{}, err
	}
	mapped, err := loaded.Map(ctx, page)
	if err != nil {
		return tried{}, err
	}
	record := mapped.Records[0]
	out := tried{
		Script: script.Name, Job: t.job.Ref, Kind: page.Kind, Record: record.ID, Club: record.Club, Verdict: verdictOf(record),
		Fields: map[string]json.RawMessage{}, Lines: described.Lines(), From: sourcesOf(described.Lineage, page), Guess: described.Guess,
		Code: record.Code, Reason: record.Reason, Line: record.Line, Unread: mapped.Unknown, Unknown: t.unknown,
	}
	for name, value := range fieldsOfMapped(record) {
		out.Fields[name] = json.RawMessage(value)
	}
	for _, w := range record.Warnings {
		out.Warnings = append(out.Warnings, mapped.Warnings[w])
	}
	if out.Verdict == triedMapped {
		for _, name := range slices.Sorted(maps.Keys(out.Lines)) {
			if _, filled := out.Fields[name]; !filled {
				out.Empty = append(out.Empty, name)
			}
		}
	}
	return out, nil
}

// sourcesOf are the values of a record from which the fields of a lineage are made.
func sourcesOf(lineage []mapping.Lineage, page *sdk.Page) map[string]map[string]json.RawMessage {
	values := fieldsOf(fieldsOf(roster.Payload(page.Columns, page.Row(0)))["fields"])
	from := map[string]map[string]json.RawMessage{}
	for _, l := range lineage {
		for _, name := range l.Sources {
			value, ok := values[name]
			if !ok || l.Field == "" {
				continue
			}
			if from[l.Field] == nil {
				from[l.Field] = map[string]json.RawMessage{}
			}
			from[l.Field][name] = value
		}
	}
	return from
}

func verdictOf(record roster.MappedRecord) string {
	switch record.Verdict {
	case roster.VerdictMapped:
		return triedMapped
	case roster.VerdictSkipped:
		return triedSkipped
	case roster.VerdictRejected:
	}
	return triedRefused
}

// madeOf shows the source's values beside the field that is made of them.
func (t tried) madeOf(name string) string {
	var parts []string
	for _, source := range slices.Sorted(maps.Keys(t.From[name])) {
		parts = append(parts, plainText(source)+" "+shownValue(t.From[name], source))
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

func (c *cli) showTried(t tried) {
	if c.json {
		c.print(t)
		return
	}
	at := func(name string) string {
		if line := t.Lines[name]; line > 0 {
			return fmt.Sprintf("%s:%d", filepath.Base(t.Script), line)
		}
		return "-"
	}
	head := fmt.Sprintf("%s %s is %s", t.Kind, plainText(t.Record), t.Verdict)
	if t.Club != "" {
		head += ", club " + t.Club
	}
	fmt.Fprintln(c.stdout, head)
	if t.Verdict == triedMapped {
		c.table("FIELD\tVALUE\tFROM\tLINE", func(line func(...any)) {
			for _, name := range slices.Sorted(maps.Keys(t.Fields)) {
				line(plainText(name), shownValue(t.Fields, name), t.madeOf(name), at(name))
			}
			for _, name := range t.Empty {
				line(plainText(name), "(no value)", t.madeOf(name), at(name))
			}
		})
	} else {
		why := plainText(t.Reason)
		if t.Code != "" {
			why += " (" + t.Code + ")"
		}
		if t.Line > 0 {
			why += fmt.Sprintf("  line %d", t.Line)
		}
		fmt.Fprintf(c.stdout, "  %s\n", why)
	}
	if t.Guess && t.Verdict == triedMapped {
		fmt.Fprintln(c.stdout, "the script is a function: the lines are likely, not certain")
	}
	for _, w := range t.Warnings {
		fmt.Fprintf(c.stdout, "warning: %s\n", plainText(w))
	}
	if len(t.Unread) > 0 {
		fmt.Fprintf(c.stdout, "the script also reads what this record does not have: %s\n", plainText(strings.Join(t.Unread, ", ")))
	}
	if t.Unknown != "" {
		fmt.Fprintf(c.stdout, "what the target takes was not looked at: %s\n", t.Unknown)
	}
}
