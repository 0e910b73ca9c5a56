package club

import (
	_ "embed" // the example is a file, so that people who know the adapter mend it
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"
)

//go:embed club.rest.yaml
var exampleText string

// Example is how the adapter rest speaks to the platform at an address: the file
// that its setting "config" names. It contains no secret.
func (p *Platform) Example(address string) (string, error) {
	t, err := template.New("club.rest.yaml").Funcs(template.FuncMap{
		"lower": strings.ToLower,
		"has": func(k Kind, call Call) bool {
			if call == CallClubs {
				return !slices.Contains(p.opts.Without, string(call))
			}
			return p.has[callName(k, call)]
		},
	}).Parse(exampleText)
	if err != nil {
		return "", fmt.Errorf("read the example: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, p.exampleData(address)); err != nil {
		return "", fmt.Errorf("write the example: %w", err)
	}
	return b.String(), nil
}

// exampleData is what the example is filled with.
type exampleData struct {
	Options
	Address string
	// Token shadows the secret of the options, and says whether there is one.
	Token bool
	// Limited says that a rate is limited.
	Limited bool
	// Anything is a kind for calls that are of none.
	Anything Kind
	Pages    string
	Lags     exampleLags
	Kinds    []exampleKind
}

// exampleLags are the lags, with something added for a busy machine.
type exampleLags struct{ Exec, Index, Overlap time.Duration }

type exampleKind struct {
	Kind             Kind
	Path             string
	Person           bool
	Class            Class
	Unique, Search   string
	Creates, Updates bool
	// Fields are lines; Record, Changes and Converted are the bodies of a create,
	// an update and a conversion. They are empty where the kind is not written,
	// or not made of another.
	Fields                     []string
	Record, Changes, Converted string
}

func (p *Platform) exampleData(address string) exampleData {
	const margin = 100 * time.Millisecond
	d := exampleData{
		Options: p.opts, Address: address, Token: p.opts.Token != "", Limited: p.opts.Limit != Limit{},
		Lags: exampleLags{p.opts.ExecLag + margin, p.opts.IndexLag + margin, p.opts.IndexLag + time.Minute},
	}
	switch p.opts.Paging {
	case Offsets:
		d.Pages = "{offset: {param: offset, size: limit, limit: %d, more: /next}}"
	case Cursors:
		d.Pages = "{cursor: {param: cursor, size: per_page, limit: %d, next: /next}}"
	default:
		d.Pages = "{page: {param: page, size: per_page, limit: %d, more: /next}}"
	}
	d.Pages = fmt.Sprintf(d.Pages, min(100, p.opts.MaxPerPage))
	for _, k := range Kinds() {
		d.Kinds = append(d.Kinds, p.exampleKind(k))
	}
	return d
}

func (p *Platform) exampleKind(k Kind) exampleKind {
	e := exampleKind{Kind: k, Path: k.path(), Person: k.isPerson(), Unique: fieldEmail, Search: fieldEmail}
	if k == Staff { // associated, and never written
		return e
	}
	e.Class = p.opts.Class
	if k == LeadSource {
		e.Class, e.Unique, e.Search = ClassBPrime, fieldName, fieldName
	}
	save := !p.has[callName(k, CallCreate)] && p.has[callName(k, CallSave)]
	e.Class = p.provable(k, e.Class, save)
	p.exampleBodies(&e, save)
	if k == Member && p.has[callName(Prospect, CallConvert)] {
		e.Converted = p.exampleConverted(e.Class)
	}
	e.Creates = save || p.has[callName(k, CallCreate)] || e.Class == ClassB
	e.Updates = p.has[callName(k, CallUpdate)] && (!save || e.Class == ClassB)
	return e
}

// exampleBodies are the bodies of a create and an update.
func (p *Platform) exampleBodies(e *exampleKind, save bool) {
	e.Record, e.Changes = `{"...": data, club_id: "{club}"`, `{"...": data`
	if e.Person {
		e.Record += `, owner_id: "{owner}", lead_source_id: "{lead_source}"`
		e.Changes += `, owner_id: "{owner|null}", lead_source_id: "{lead_source|null}"`
		e.Fields = p.exampleFields(e.Kind)
	}
	if e.Class == ClassC {
		e.Record += `, external_ref: "{marker}"`
		if p.opts.Update == Replace { // it would be emptied
			e.Changes += `, external_ref: "{marker}"`
		}
	}
	if save && e.Class != ClassB {
		e.Record += `, id: "{id}"`
	}
	if e.Person && !p.has[callName(e.Kind, CallTransfer)] { // the club is a field then
		e.Changes += `, club_id: "{club}"`
	}
	e.Record += "}"
	e.Changes += "}"
}

// exampleConverted is the body of a conversion, which leaves the club.
func (p *Platform) exampleConverted(c Class) string {
	body := `{"...": data, owner_id: "{owner}", lead_source_id: "{lead_source}"`
	if c == ClassB {
		body += `, external_id: "{key}"`
	}
	if c == ClassC {
		body += `, external_ref: "{marker}"`
	}
	return body + "}"
}

// provable is the class that a caller can hold creates to with the calls that
// there are. The adapter sends an idempotency key with a create only.
func (p *Platform) provable(k Kind, c Class, save bool) Class {
	if c == ClassA && save {
		c = ClassD
	}
	if !p.has[callName(k, CallFind)] && (c == ClassBPrime || c == ClassC || c == ClassD) {
		return ClassE
	}
	return c
}

// exampleFields are the fields that a mapping may fill.
func (p *Platform) exampleFields(k Kind) []string {
	var lines []string
	for _, name := range p.schemas[k].names {
		switch name {
		case fieldClub, fieldPerson, fieldOwner, fieldLeadSource, fieldConvertedTo, fieldExternalRef, fieldExternalID:
			continue
		}
		var rules []string
		if slices.Contains(p.opts.Required, name) {
			rules = append(rules, "required: true")
		}
		if n := p.opts.MaxLength[name]; n > 0 {
			rules = append(rules, fmt.Sprintf("max_length: %d", n))
		}
		switch name {
		case fieldStatus:
			rules = append(rules, "values: [active, inactive]")
		case fieldType:
			rules = append(rules, "values: ["+strings.Join(typesOf(k), ", ")+"]")
		}
		lines = append(lines, name+": {"+strings.Join(rules, ", ")+"}")
	}
	return append(lines, "custom: {}")
}
