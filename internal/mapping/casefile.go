package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// caseFile is a parsed file of cases.
type caseFile struct {
	context Context
	target  roster.MapTarget
	// sync is the job of a sync's script; nil for an import's.
	sync  *roster.Job
	cases []mapCase
}

// mapCase is one record and what is expected of it.
type mapCase struct {
	name string
	line int
	in   []byte
	// want is "out.json", "skip" or "reject", in the section at wantLine;
	// expected is its content.
	want     string
	wantLine int
	expected []byte
}

// caseContext is the JSON form of a file's context.
type caseContext struct {
	Account, Job, Country, Timezone string
	Kind                            sdk.Kind
	Clubs                           map[string]Club
	Upload                          string
}

func parseCases(path string, raw []byte, sync *roster.Job) (*caseFile, error) {
	file := newCaseFile(sync)
	index := map[string]int{}
	for _, section := range parseSections(raw) {
		line := section.line
		if section.name == "context.json" {
			if err := file.setContext(section.data); err != nil {
				return nil, fmt.Errorf("%s:%d: read the context: %w", path, line, err)
			}
			continue
		}
		name, part := splitSection(section.name)
		i, ok := index[name]
		if !ok {
			i = len(file.cases)
			index[name] = i
			file.cases = append(file.cases, mapCase{name: name, line: line})
		}
		c := &file.cases[i]
		switch {
		case part == "in.json" && c.in == nil:
			c.in = section.data
		case (part == "out.json" || part == "skip" || part == "reject") && c.want == "":
			c.want, c.wantLine, c.expected = part, line, section.data
		default:
			return nil, fmt.Errorf("%s:%d: section %q is no part of a case or twice there: a case has NAME/in.json and one of "+
				"NAME/out.json, NAME/skip, NAME/reject", path, line, section.name)
		}
	}
	for _, c := range file.cases {
		if c.in == nil || c.want == "" {
			return nil, fmt.Errorf("%s:%d: case %q needs NAME/in.json and one of NAME/out.json, NAME/skip, NAME/reject", path, c.line, c.name)
		}
	}
	return file, nil
}

func (f *caseFile) setContext(data []byte) error {
	var c caseContext
	if err := strictJSON(data, &c); err != nil {
		return err
	}
	if c.Kind != "" {
		f.target = caseTarget(c.Kind, f.sync)
	}
	switch c.Upload {
	case "", "single":
	case "multi":
		f.target = f.target.WithMatters(sdk.MatterForm{})
	default:
		return fmt.Errorf("upload %q is neither single nor multi", c.Upload)
	}
	f.context = Context{
		Account: c.Account, Job: c.Job, Country: c.Country, Timezone: c.Timezone,
		Clubs: c.Clubs, ClubsRequired: len(c.Clubs) > 0,
	}
	return nil
}

func splitSection(name string) (string, string) {
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		return name[:i], name[i+1:]
	}
	return name, ""
}

// section is a part of a file of cases: what stands behind a marker line.
type section struct {
	name string
	line int
	data []byte
}

// parseSections splits a text archive: a line "-- name --" begins a section,
// and what stands before the first one is a comment.
func parseSections(raw []byte) []section {
	var sections []section
	line := 0
	for text := range bytes.Lines(raw) {
		line++
		name, ok := bytes.CutPrefix(bytes.TrimSpace(text), []byte("-- "))
		name, ended := bytes.CutSuffix(name, []byte(" --"))
		if ok && ended {
			sections = append(sections, section{name: string(bytes.TrimSpace(name)), line: line})
		} else if len(sections) > 0 {
			last := &sections[len(sections)-1]
			last.data = append(last.data, text...)
		}
	}
	return sections
}

func strictJSON(data []byte, into any) error {
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// casePage packs the record of a case. "@id" and "@club" are the record's id
// and its club's id in the source system, "@kind" its kind where that is another
// one; the other keys are its fields.
func casePage(kind sdk.Kind, in []byte) (*sdk.Page, error) {
	var fields map[string]json.RawMessage
	if err := strictJSON(in, &fields); err != nil {
		return nil, fmt.Errorf("read in.json: %w", err)
	}
	id, club := "1", ""
	for key, into := range map[string]*string{"@id": &id, "@club": &club, "@kind": (*string)(&kind)} {
		if raw, ok := fields[key]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				return nil, fmt.Errorf("read in.json: %s must be text", key)
			}
			delete(fields, key)
		}
	}
	columns := slices.Sorted(maps.Keys(fields))
	b := sdk.NewPageBuilder(kind, columns)
	b.Add(id, club, "")
	for _, column := range columns {
		if err := addCell(b, fields[column]); err != nil {
			return nil, fmt.Errorf("read in.json: field %s: %w", column, err)
		}
	}
	return b.Page(nil, true)
}

func addCell(b *sdk.PageBuilder, raw json.RawMessage) error {
	switch raw[0] {
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		b.String(text)
	case 't', 'f':
		b.Bool(raw[0] == 't')
	case 'n':
		b.Null()
	case '{', '[':
		b.JSON(raw)
	default:
		b.Number(string(raw))
	}
	return nil
}
