package main

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// syncOf is the job whose script it is, where that is a sync, or nil. Without a
// configuration that can be read a script is tested as an import's.
func (c *cli) syncOf(script string) *roster.Job {
	cfg, err := c.peek(true)
	if err != nil {
		return nil
	}
	wanted, err := filepath.Abs(script)
	if err != nil {
		return nil
	}
	for i, job := range cfg.Jobs {
		path, err := filepath.Abs(job.Mapping)
		if err == nil && job.Type == roster.JobSync && path == wanted {
			return &cfg.Jobs[i]
		}
	}
	return nil
}

// appendField appends a field that is not there yet: a sync has several kinds.
func appendField(fields []mapping.EditorField, field mapping.EditorField) []mapping.EditorField {
	if slices.ContainsFunc(fields, func(f mapping.EditorField) bool { return f.Name == field.Name }) {
		return fields
	}
	return append(fields, field)
}

// syncTargetFields are the fields that a sync's records have at every target, those
// that this one declares, and, where it may be asked, those that it lists. Of the
// kinds that are undeclared it may have more than those. A target that cannot be
// opened declares none: what is wrong with it is for `rosterd validate` to tell.
func (p view) syncTargetFields(ctx context.Context, job roster.Job, ask bool) (fields []mapping.EditorField, undeclared []sdk.Kind, err error) {
	fields = syncFields(job)
	conn, err := p.connectReadOnly(ctx, job.To, sdk.AbilityTarget)
	if err != nil {
		return fields, job.Kinds, nil // told elsewhere
	}
	defer func() { _ = conn.Close() }() // it was only asked
	kinds, err := targetKinds(ctx, job, conn)
	if err != nil {
		return fields, job.Kinds, nil // told elsewhere
	}
	var listed []sdk.Field
	lists := conn.Has(sdk.AbilityFieldLister)
	if lists && ask {
		if listed, err = conn.ListFields(ctx); err != nil {
			return fields, job.Kinds, connectionFault(job.To, err)
		}
	}
	for _, kind := range job.Kinds {
		known, whole := fieldsOfKind(kinds[kind], kind, listed)
		for _, f := range known {
			fields = appendField(fields, f)
		}
		if !whole || kind != sdk.KindStaff && lists && !ask {
			undeclared = append(undeclared, kind)
		}
	}
	return fields, undeclared, nil
}

// fieldsOfKind are the fields that a target lists and declares of a kind, and whether
// it has no more than those. Staff are not written.
func fieldsOfKind(declared sdk.TargetKind, kind sdk.Kind, listed []sdk.Field) (fields []mapping.EditorField, whole bool) {
	whole = kind == sdk.KindStaff || len(declared.Fields) > 0 && !declared.OtherFields
	for _, f := range listed {
		if f.Kind == kind || f.Kind == "" {
			fields, whole = append(fields, mapping.EditorField{Name: f.Key, Doc: f.Label}), true
		}
	}
	for _, f := range declared.Fields {
		fields = append(fields, mapping.EditorField{Name: f.Name})
	}
	return fields, whole
}

// usualFields are the names by which systems that push call the fields of a job's
// kinds. Most targets call some of theirs so.
func usualFields(job roster.Job) (names []string) {
	info := connector.Info()
	for _, kind := range job.Kinds {
		for _, name := range declaredFields(info, kind) {
			if name != connector.FieldReceived { // it is ours, and no field of a person
				names = append(names, name)
			}
		}
	}
	return names
}

// syncFields are the fields that the records of a sync have at every target.
func syncFields(job roster.Job) (fields []mapping.EditorField) {
	people := false
	for _, kind := range job.Kinds {
		people = people || kind == sdk.KindProspect || kind == sdk.KindMember
		for _, name := range roster.SyncTarget(kind, sdk.TargetKind{}, digest.Key{}, nil, true).Required {
			fields = appendField(fields, mapping.EditorField{Name: name})
		}
	}
	if people {
		fields = append(fields,
			mapping.EditorField{Name: roster.OwnerField, Doc: "the source's id of the staff member"},
			mapping.EditorField{Name: roster.LeadSourceField, Doc: "the source's id of the lead source"},
			mapping.EditorField{Name: roster.TargetField, Doc: "the target's id of the record, where the source knows it"})
	}
	return fields
}
