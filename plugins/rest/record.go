package main

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// maxIDBytes bounds ids of records and clubs.
const maxIDBytes = 256

// Why an item is no record.
const (
	faultNoObject = "it is not a JSON object"
	faultNoID     = "it has no id: nothing stands where \"id\" points, or neither a text nor a number"
	faultID       = "its id is longer than 256 bytes or holds control characters"
	faultKeys     = "it has an empty key, or more than 1,024 keys"
)

// idOf returns the id of an item.
func (k *kind) idOf(item any) (id, fault string) {
	switch id = strings.TrimSpace(k.id.text(item)); {
	case id == "":
		return "", faultNoID
	case !isID(id):
		return "", faultID
	}
	return id, ""
}

// isID keeps out what could not be a key or would tear a log line apart.
func isID(id string) bool {
	return len(id) <= maxIDBytes && !strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// clubOf returns the id of an item's club: its own, or that of the list.
func (k *kind) clubOf(item any, walked string) string {
	if club := strings.TrimSpace(k.club.text(item)); club != "" && isID(club) {
		return club
	}
	return walked
}

// named returns the fields of an item by the names that mapped records use.
// What a named field points at is not told a second time under its own name.
func (k *kind) named(item map[string]any) map[string]any {
	if len(k.fields) == 0 {
		return item
	}
	out := make(map[string]any, len(item))
	for name, v := range item {
		if !slices.ContainsFunc(k.fields, func(f field) bool { return f.at[0] == name }) {
			out[name] = v
		}
	}
	for _, f := range k.fields {
		if v, ok := f.at.get(item); ok {
			out[f.Name] = v
		}
	}
	return out
}

// placed is the other way: the fields of a mapped record as the service has
// them. A field that is a value of the body by itself is
// left to that.
func (k *kind) placed(s scope, own []string) map[string]any {
	at := make(map[string]pointer, len(k.fields))
	for _, f := range k.fields {
		at[f.Name] = f.at
	}
	out := map[string]any{}
	for _, name := range sorted(s.data) {
		if s.only != nil && !s.only[name] || slices.Contains(own, dataPrefix+name) {
			continue
		}
		if p, ok := at[name]; ok {
			p.set(out, s.data[name])
			continue
		}
		out[name] = s.data[name]
	}
	return out
}

// rows collects the records of a page. The columns are known when all were
// seen.
type rows struct {
	kind     sdk.Kind
	columns  map[string]bool
	records  []row
	rejected []sdk.Rejected
	removed  []string
	bytes    int
}

type row struct {
	id, club, position string
	fields             map[string]any
}

// count is how many items the page took.
func (r *rows) count() int { return len(r.records) + len(r.rejected) + len(r.removed) }

// add takes an item.
func (r *rows) add(k *kind, item any, club, position string) {
	raw, err := encode(item)
	if err != nil {
		raw = nil // what was decoded can be encoded
	}
	r.bytes += len(raw)
	object, isObject := item.(map[string]any)
	if !isObject {
		r.reject("", position, faultNoObject, raw)
		return
	}
	id, fault := k.idOf(item)
	if fault != "" {
		r.reject("", position, fault, raw)
		return
	}
	if k.removed != nil && k.removed.holds(item) {
		r.removed = append(r.removed, id)
		return
	}
	fields := k.named(object)
	fresh := 0
	for name := range fields {
		if !r.columns[name] {
			fresh++
		}
	}
	if _, empty := fields[""]; empty || len(r.columns)+fresh > sdk.MaxColumns {
		r.reject(id, position, faultKeys, raw)
		return
	}
	for name := range fields {
		r.columns[name] = true
	}
	r.records = append(r.records, row{id: id, club: k.clubOf(item, club), position: position, fields: fields})
}

func (r *rows) reject(id, position, fault string, raw []byte) {
	r.rejected = append(r.rejected, sdk.Rejected{ID: id, Position: position, Reason: fault, Raw: raw[:min(len(raw), sdk.MaxRawBytes)]})
}

// page packs what was collected.
func (r *rows) page(next sdk.Cursor, done bool) (*sdk.Page, error) {
	columns := sorted(r.columns)
	b := sdk.NewPageBuilder(r.kind, columns)
	for _, rec := range r.records {
		b.Add(rec.id, rec.club, rec.position)
		for _, name := range columns {
			v, ok := rec.fields[name]
			if !ok {
				b.Absent()
				continue
			}
			put(b, v)
		}
	}
	for _, rej := range r.rejected {
		b.Reject(rej)
	}
	for _, id := range r.removed {
		b.Remove(id)
	}
	return b.Page(next, done)
}

func put(b *sdk.PageBuilder, v any) {
	switch v := v.(type) {
	case nil:
		b.Null()
	case string:
		b.String(v)
	case json.Number:
		b.Number(v.String())
	case bool:
		b.Bool(v)
	default:
		raw, err := encode(v)
		if err != nil {
			b.Null() // what was decoded can be encoded
			return
		}
		b.JSON(raw)
	}
}
