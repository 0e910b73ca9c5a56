package sdktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// foreign is a marker that no record has, and missing an id.
const (
	foreign = "sdktest0nobodyhasthis000"
	missing = "sdktest-no-such-record"
)

func lookupChecks(info sdk.Info) []check {
	var all []check
	if has(info, sdk.AbilityFinder) {
		all = append(all, callChecks("finder", sdk.AbilityFinder, findsOK, callFind)...)
	}
	if has(info, sdk.AbilityGetter) {
		all = append(all, callChecks("getter", sdk.AbilityGetter, getsOK, callGet)...)
	}
	if has(info, sdk.AbilityStaffLister) {
		all = append(all, callChecks("staff", sdk.AbilityStaffLister, staffOK, callStaff)...)
	}
	if has(info, sdk.AbilityStaffFinder) {
		all = append(all, check{
			"staff-finder/ok", "return the staff with the address, compared without regard to case, and nobody for one that none has", staffFound,
		})
	}
	if has(info, sdk.AbilityLeadSourceLister) {
		all = append(all, callChecks("lead-sources", sdk.AbilityLeadSourceLister, leadSourcesOK, callLeadSources)...)
	}
	if has(info, sdk.AbilityClubLister) {
		all = append(all, callChecks("clubs", sdk.AbilityClubLister, clubsOK, callClubs)...)
	}
	return all
}

func callTarget(ctx context.Context, o Opened) error {
	v, err := abilityOf[sdk.Target](o, sdk.AbilityTarget)
	if err != nil {
		return err
	}
	_, err = v.Target(ctx)
	return err
}

// strange is a query that finds nothing, of a kind that the connection writes.
func strange(ctx context.Context, o Opened) (sdk.FindRequest, error) {
	req := sdk.FindRequest{Kind: sdk.KindMember, Queries: []sdk.Query{{Marker: foreign}}}
	t, err := abilityOf[sdk.Target](o, sdk.AbilityTarget)
	if err != nil {
		return req, nil //nolint:nilerr // Without a target the kind is a guess.
	}
	info, err := t.Target(ctx)
	if err != nil {
		return req, err
	}
	found := false
	for i, k := range info.Kinds {
		q, answered := strangeQuery(k)
		// What has markers most likely has every other call as well.
		if i == 0 || answered && (!found || k.Class == sdk.ClassC) {
			req.Kind, req.Queries, found = k.Kind, []sdk.Query{q}, answered
		}
	}
	return req, nil
}

// strangeQuery is a query that finds nothing, and whether it is one that a
// connection has to answer for records of a kind.
func strangeQuery(k sdk.TargetKind) (q sdk.Query, answered bool) {
	by := func(field string) (sdk.Query, bool) {
		return sdk.Query{Fields: map[string]string{field: foreign}}, true
	}
	switch {
	case k.Class == sdk.ClassC:
		return sdk.Query{Marker: foreign}, true
	case k.Class == sdk.ClassBPrime && k.Unique != "":
		return by(k.Unique)
	case k.Class == sdk.ClassD && len(k.Natural) > 0:
		return by(k.Natural[0])
	case len(k.Finds) > 0:
		return by(k.Finds[0])
	}
	return sdk.Query{Marker: foreign}, false
}

// strangeTo returns what a connection does as A, and a query that finds nothing.
func strangeTo[A any](ctx context.Context, o Opened, ability sdk.Ability) (A, sdk.FindRequest, error) {
	v, err := abilityOf[A](o, ability)
	if err != nil {
		return v, sdk.FindRequest{}, err
	}
	req, err := strange(ctx, o)
	return v, req, err
}

func callFind(ctx context.Context, o Opened) error {
	v, req, err := strangeTo[sdk.Finder](ctx, o, sdk.AbilityFinder)
	if err != nil {
		return err
	}
	_, err = v.Find(ctx, req)
	return err
}

func callGet(ctx context.Context, o Opened) error {
	v, req, err := strangeTo[sdk.Getter](ctx, o, sdk.AbilityGetter)
	if err != nil {
		return err
	}
	_, err = v.Get(ctx, sdk.GetRequest{Kind: req.Kind, IDs: []string{missing}})
	return err
}

// findsOK asks for what nobody has, more than once in a call.
func findsOK(p *probe) error {
	o, err := p.connect()
	if err != nil {
		return err
	}
	v, req, err := strangeTo[sdk.Finder](p.ctx, o, sdk.AbilityFinder)
	if err != nil {
		return err
	}
	for n := range 3 {
		req.Queries = slices.Repeat(req.Queries[:1], n+1)
		res, err := call(p.ctx, "find", p.c.Patience, func(ctx context.Context) (sdk.FindResponse, error) { return v.Find(ctx, req) })
		switch {
		case err != nil:
			return err
		case len(res.Matches) != len(req.Queries):
			return fmt.Errorf("%d answers to %d queries", len(res.Matches), len(req.Queries))
		case slices.ContainsFunc(res.Matches, func(m []sdk.Match) bool { return len(m) > 0 }):
			return errors.New("records are found that do not fit the query")
		}
	}
	return nil
}

// find makes one query and checks what it found.
func (w writer) find(q sdk.Query) ([]sdk.Match, error) {
	v, err := abilityOf[sdk.Finder](w.opened, sdk.AbilityFinder)
	if err != nil {
		return nil, err
	}
	req := sdk.FindRequest{Kind: w.kind.Kind, Queries: []sdk.Query{q}}
	res, err := call(w.p.ctx, "find", w.p.c.Patience, func(ctx context.Context) (sdk.FindResponse, error) { return v.Find(ctx, req) })
	switch {
	case err != nil:
		return nil, err
	case len(res.Matches) != 1:
		return nil, fmt.Errorf("%d answers to one query", len(res.Matches))
	}
	for _, m := range res.Matches[0] {
		if m.ID == "" || q.Marker != "" && m.Marker != q.Marker {
			return nil, errors.New("a record that was found has no id, or another marker than the one that was looked for")
		}
	}
	return res.Matches[0], nil
}

// one returns the id of the only record that a query finds, as soon as the
// system promises that it can be found.
func (w writer) one(q sdk.Query) (string, error) {
	for end := time.Now().Add(w.kind.IndexLag + w.p.c.Patience/2); ; time.Sleep(5 * time.Millisecond) {
		found, err := w.find(q)
		switch {
		case err != nil:
			return "", err
		case len(found) == 1:
			return found[0].ID, nil
		case len(found) > 1:
			return "", fmt.Errorf("%d records are found where one was created", len(found))
		case time.Now().After(end):
			return "", errors.New("a record that was created is not found, longer than IndexLag after that")
		}
	}
}

func (w writer) marked() error {
	if w.kind.Class != sdk.ClassC {
		return leftOutError("the system is of class " + string(w.kind.Class))
	}
	ops := w.creates(2)
	ids, err := w.done(w.p.ctx, ops...)
	if err != nil {
		return err
	}
	for i, op := range ops {
		id, err := w.one(sdk.Query{Marker: op.Marker, Club: op.Club})
		switch {
		case err != nil:
			return err
		case id != ids[i]:
			return errors.New("by its marker another record is found than the one that was created with it")
		}
	}
	found, err := w.find(sdk.Query{Marker: foreign})
	if err == nil && len(found) > 0 {
		err = errors.New("a marker that no record has finds one")
	}
	return err
}

// naturalOf is the query for a record by the fields of class D.
func (w writer) naturalOf(op sdk.Operation) sdk.Query {
	q := sdk.Query{Fields: map[string]string{}, Club: op.Club}
	values := texts(op.Data)
	for _, name := range w.kind.Natural {
		q.Fields[name] = values[name]
	}
	return q
}

func (w writer) natural() error {
	if w.kind.Class != sdk.ClassD {
		return leftOutError("the system is of class " + string(w.kind.Class))
	}
	ops := w.creates(2)
	ids, err := w.done(w.p.ctx, ops...)
	if err != nil {
		return err
	}
	for i, op := range ops {
		id, err := w.one(w.naturalOf(op))
		switch {
		case err != nil:
			return err
		case id != ids[i]:
			return errors.New("by its fields another record is found than the one that was created with them")
		}
	}
	found, err := w.find(w.naturalOf(w.create()))
	if err == nil && len(found) > 0 {
		err = errors.New("the fields of a record that is not there find one")
	}
	return err
}

// searched looks for what was created by each field that people are found by.
func (w writer) searched() error {
	if len(w.kind.Finds) == 0 {
		return leftOutError("the system finds by no field whatever the class (Finds)")
	}
	ops := w.creates(2)
	ids, err := w.done(w.p.ctx, ops...)
	if err != nil {
		return err
	}
	asked := 0
	for i, op := range ops {
		values := texts(op.Data)
		for _, name := range w.kind.Finds {
			if values[name] == "" {
				continue
			}
			asked++
			id, err := w.one(sdk.Query{Fields: map[string]string{name: values[name]}, Club: op.Club})
			switch {
			case err != nil:
				return fmt.Errorf("by the field %q: %w", name, err)
			case id != ids[i]:
				return fmt.Errorf("by the field %q another record is found than the one that was created with it", name)
			}
		}
	}
	if asked == 0 {
		return leftOutError("the records to write have none of the fields that people are found by (Finds)")
	}
	return nil
}

// get asks for records by id and checks the page.
func (w writer) get(v sdk.Getter, ids ...string) (*sdk.Page, error) {
	return getPage(w.p, v, sdk.GetRequest{Kind: w.kind.Kind, IDs: ids})
}

func getPage(p *probe, v sdk.Getter, req sdk.GetRequest) (*sdk.Page, error) {
	page, err := call(p.ctx, "get", p.c.Patience, func(ctx context.Context) (*sdk.Page, error) { return v.Get(ctx, req) })
	switch {
	case err != nil:
		return nil, err
	case page == nil:
		return nil, errors.New("get returned neither a page nor an error")
	}
	if err := page.Validate(); err != nil {
		return nil, err
	}
	left := slices.Clone(req.IDs)
	for i := range page.Rows {
		at := slices.Index(left, page.Row(i).ID())
		if at < 0 {
			return nil, errors.New("get returned a record that was not asked for, or one twice")
		}
		left = slices.Delete(left, at, at+1)
	}
	if page.Kind != req.Kind || len(page.Next) > 0 {
		return nil, fmt.Errorf("get returned the kind %q for %q, or a cursor", page.Kind, req.Kind)
	}
	return page, nil
}

// getsOK asks for a record that is not there, and for some that were created.
func getsOK(p *probe) error {
	o, err := p.connect()
	if err != nil {
		return err
	}
	v, req, err := strangeTo[sdk.Getter](p.ctx, o, sdk.AbilityGetter)
	if err != nil {
		return err
	}
	page, err := getPage(p, v, sdk.GetRequest{Kind: req.Kind, IDs: []string{missing}})
	switch {
	case err != nil:
		return err
	case page.Rows > 0:
		return errors.New("a record that is not there is returned")
	}
	w, err := p.writer()
	if err != nil {
		return nil //nolint:nilerr // Nothing is written: what is there is not known.
	}
	ids, err := w.done(p.ctx, w.creates(2)...)
	if err != nil {
		return err
	}
	if page, err = w.get(v, ids[1], missing, ids[0]); err == nil && page.Rows != 2 {
		err = fmt.Errorf("%d records are returned of 2 that were created and one that is not there", page.Rows)
	}
	return err
}
