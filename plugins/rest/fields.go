package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/rosterd/rosterd/plugins/sdk"
)

var (
	errFieldName = errors.New("a field in the list has no name where \"name\" points, or one of more than 256 bytes")
	errManyNames = fmt.Errorf("there are more than %d fields", sdk.MaxColumns)
)

// ListFields implements [sdk.FieldLister]: all fields of the kinds whose custom ones
// can be listed. Those of the file come before one of the same name.
func (c *connection) ListFields(ctx context.Context) ([]sdk.Field, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var all []sdk.Field
	for _, name := range sdk.Kinds() {
		k := c.spec.kinds[name]
		if k == nil || k.custom == nil {
			continue
		}
		fields, err := c.fieldsOf(ctx, name, k)
		if err != nil {
			return nil, err
		}
		all = append(all, fields...)
	}
	return all, nil
}

func (c *connection) fieldsOf(ctx context.Context, name sdk.Kind, k *kind) ([]sdk.Field, error) {
	var all []sdk.Field
	for _, f := range k.fields {
		all = append(all, sdk.Field{Kind: name, Key: f.Name, Required: f.Required, MaxLength: f.MaxLength})
	}
	l := &k.custom.list
	var fault error
	err := c.each(ctx, l, c.scope(nil, nil), func(item any, _ string) bool {
		f, err := k.custom.field(name, item)
		if all = append(all, f); err == nil && len(all) > sdk.MaxColumns {
			err = errManyNames
		}
		fault = err
		return err == nil
	})
	if err == nil && fault != nil {
		err = sdk.Fail(sdk.CodeConfig, fmt.Errorf("%s %s: %w", l.method, l.shown(), fault))
	}
	return once(all, func(f sdk.Field) string { return f.Key }), err
}

// field is what an item says of a field.
func (f *customFields) field(kind sdk.Kind, item any) (sdk.Field, error) {
	name := f.name.text(item)
	if name == "" || !isID(name) {
		return sdk.Field{}, errFieldName
	}
	length, err := strconv.Atoi(f.length.text(item))
	if err != nil || length < 0 {
		length = 0
	}
	required := false
	if f.required != nil {
		v, _ := f.required.get(item)
		required = truthy(v)
	}
	return sdk.Field{
		Kind: kind, Key: name, Label: f.label.text(item), Type: f.kind.text(item), Custom: true, Required: required, MaxLength: length,
	}, nil
}
