package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// enoughMatches is how many records are returned for a query that names no
// number.
const enoughMatches = 2

// Find implements [sdk.Finder].
func (c *connection) Find(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
	out := sdk.FindResponse{Matches: make([][]sdk.Match, len(req.Queries))}
	k := c.spec.kinds[req.Kind]
	for i, q := range req.Queries {
		if err := ctx.Err(); err != nil {
			return sdk.FindResponse{}, err
		}
		l, s, err := c.query(k, q)
		if err != nil {
			return sdk.FindResponse{}, sdk.Fail(sdk.CodeConfig, fmt.Errorf("find records of the kind %s: %w", req.Kind, err))
		}
		if out.Matches[i], err = c.matches(ctx, k, l, s, q); err != nil {
			return sdk.FindResponse{}, err
		}
	}
	return out, nil
}

var (
	errNoFind   = errors.New(`the file has no call "find" for a search by marker`)
	errNoFindBy = errors.New(`the file has no call "find_by" that looks for all of these fields`)
	errFilter   = errors.New("the search by marker returned records with other markers, or with none: the service does not search by it; " +
		`correct the query of "find", and "marker"`)
)

// query chooses the call that answers a query.
func (c *connection) query(k *kind, q sdk.Query) (*list, scope, error) {
	switch {
	case k == nil || q.Marker != "" && k.find == nil:
		return nil, scope{}, errNoFind
	case q.Marker != "":
		return k.find, c.scope(map[string]string{"marker": q.Marker, "club": q.Club}, nil), nil
	case k.findBy == nil:
		return nil, scope{}, errNoFindBy
	}
	data := map[string]any{}
	for name, v := range q.Fields {
		data[name] = v
	}
	fields := c.scope(map[string]string{"club": q.Club}, data)
	for name, v := range q.Fields {
		if v == "" || !k.findBy.carries(fields, dataPrefix+name) {
			return nil, scope{}, errNoFindBy
		}
	}
	if len(data) == 0 {
		return nil, scope{}, errNoFindBy
	}
	return k.findBy, fields, nil
}

// carries reports whether a value is sent. A parameter that is left out for
// want of another value would widen the search.
func (c *call) carries(s scope, name string) bool {
	sent := func(t template) bool {
		_, ok := t.text(s)
		return ok && slices.Contains(t.names(), name)
	}
	return sent(c.path) || slices.ContainsFunc(c.query, func(p parameter) bool { return sent(p.value) }) ||
		c.body != nil && c.body.any(sent)
}

// finds are the fields by which the search for people answers a query that has no
// other field.
func (c *connection) finds(k *kind) []string {
	if k.findBy == nil {
		return nil
	}
	return slices.DeleteFunc(k.findBy.wanted(), func(field string) bool {
		s := c.scope(map[string]string{"club": "1"}, map[string]any{field: "1"})
		_, err := k.findBy.path.path(s)
		return err != nil || !k.findBy.carries(s, dataPrefix+field)
	})
}

// matches makes a search. A search by marker that returns a record with another
// one is no search, and what it does not return proves nothing.
func (c *connection) matches(ctx context.Context, k *kind, l *list, s scope, q sdk.Query) ([]sdk.Match, error) {
	var found []sdk.Match
	var fault error
	err := c.each(ctx, l, s, func(item any, club string) bool {
		m, err := k.match(item, club)
		switch {
		case err != nil:
			fault = fmt.Errorf("%s %s: %w", l.method, l.shown(), err)
		case q.Marker != "" && k.marker != nil && m.Marker != q.Marker:
			fault = fmt.Errorf("%s %s: %w", l.method, l.shown(), errFilter)
		default:
			found = append(found, m)
		}
		return fault == nil && len(found) < max(q.Limit, enoughMatches)
	})
	if err == nil && fault != nil {
		err = sdk.Fail(sdk.CodeConfig, fault)
	}
	return found, err
}

var errMatch = errors.New("a record that was found has no id where \"id\" points")

func (k *kind) match(item any, club string) (sdk.Match, error) {
	id, fault := k.idOf(item)
	object, ok := item.(map[string]any)
	if fault != "" || !ok {
		return sdk.Match{}, errMatch
	}
	data, err := encode(k.named(object))
	if err != nil {
		return sdk.Match{}, errMatch
	}
	return sdk.Match{ID: id, Marker: k.marker.text(item), Club: k.clubOf(item, club), Data: data}, nil
}

// Get implements [sdk.Getter].
func (c *connection) Get(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error) {
	r := &rows{kind: req.Kind, columns: map[string]bool{}}
	k := c.spec.kinds[req.Kind]
	if k == nil || k.get == nil {
		return nil, sdk.Fail(sdk.CodeConfig, fmt.Errorf("the file has no call to get records of the kind %s", req.Kind))
	}
	for i, id := range req.IDs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		a, err := c.ask(ctx, k.get, c.scope(map[string]string{"id": id}, nil), nil)
		if err != nil {
			return nil, err
		}
		item, ok := k.get.item.get(a.doc)
		if list, isList := item.([]any); isList {
			// Some services answer with a list of one.
			at := slices.IndexFunc(list, func(one any) bool { found, _ := k.idOf(one); return found == id })
			if ok = at >= 0; ok {
				item = list[at]
			}
		}
		if a.gone || !ok || item == nil {
			continue
		}
		if found, fault := k.idOf(item); fault == "" && found != id {
			return nil, sdk.Fail(sdk.CodeData, fmt.Errorf("%s %s: the answer is another record than the one asked for", k.get.method, k.get.shown()))
		}
		r.add(k, item, "", fmt.Sprint("record ", i+1))
	}
	r.removed = nil // a record that is gone is missing
	return r.page(nil, true)
}

// ListStaff implements [sdk.StaffLister].
func (c *connection) ListStaff(ctx context.Context) ([]sdk.Staff, error) {
	k := c.spec.kinds[sdk.KindStaff]
	return c.staff(ctx, k, k.list, c.scope(nil, nil))
}

// FindStaff implements [sdk.StaffFinder].
func (c *connection) FindStaff(ctx context.Context, email string) ([]sdk.Staff, error) {
	k := c.spec.kinds[sdk.KindStaff]
	all, err := c.staff(ctx, k, k.findBy, c.scope(nil, map[string]any{"email": email}))
	return slices.DeleteFunc(all, func(s sdk.Staff) bool { return !strings.EqualFold(s.Email, email) }), err
}

func (c *connection) staff(ctx context.Context, k *kind, l *list, s scope) ([]sdk.Staff, error) {
	var all []sdk.Staff
	err := c.each(ctx, l, s, func(item any, club string) bool {
		id, fault := k.idOf(item)
		if fault == "" {
			all = append(all, sdk.Staff{
				ID: id, Email: k.email.text(item), Club: k.clubOf(item, club),
				Inactive: k.inactive != nil && k.inactive.holds(item),
			})
		}
		return true
	})
	return once(all, func(s sdk.Staff) string { return s.ID }), err
}

// ListLeadSources implements [sdk.LeadSourceLister].
func (c *connection) ListLeadSources(ctx context.Context) ([]sdk.LeadSource, error) {
	k := c.spec.kinds[sdk.KindLeadSource]
	var all []sdk.LeadSource
	err := c.each(ctx, k.list, c.scope(nil, nil), func(item any, club string) bool {
		id, fault := k.idOf(item)
		if fault == "" {
			all = append(all, sdk.LeadSource{
				ID: id, Name: k.name.text(item), Club: k.clubOf(item, club),
				Inactive: k.inactive != nil && k.inactive.holds(item),
			})
		}
		return true
	})
	return once(all, func(s sdk.LeadSource) string { return s.ID }), err
}

// once drops what a list that changed while it was read told twice.
func once[T any](all []T, id func(T) string) []T {
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(v T) bool {
		again := seen[id(v)]
		seen[id(v)] = true
		return again
	})
}
