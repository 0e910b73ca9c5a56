package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// opReview asks a person: the target has several records that a new one of the
// source could be.
const opReview sdk.Op = "review"

// parkReview is the reason of what opReview parks.
const parkReview = "several records of the target could be this one"

// The rules by which a record that has no link is matched with one that the
// target has (the field "match" of a job), in the order in which they are tried.
const (
	matchStored          = "stored_id"
	matchNameEmailMobile = "name_email_mobile"
	matchNameEmail       = "name_email"
	matchNameMobile      = "name_mobile"
)

// matchLimit is how many records of one e-mail address or phone are compared.
const matchLimit = 50

// identity is what matching compares: the full name without regard to case, the
// e-mail address without regard to case, and the digits of the mobile phone.
type identity struct{ name, email, mobile string }

func identityOf(data []byte) identity {
	var record map[string]any
	_ = json.Unmarshal(data, &record) // a record that is no object has no identity
	text := func(name string) string { s, _ := record[name].(string); return s }
	return identity{
		name:  foldText(text("first_name") + " " + text("last_name")),
		email: foldText(text("email")), mobile: digits(text("mobile")),
	}
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// fits reports whether a rule takes two records for one. A rule needs all of its
// values.
func (a identity) fits(rule string, b identity) bool {
	same := func(x, y string) bool { return x != "" && x == y }
	switch rule {
	case matchNameEmailMobile:
		return same(a.name, b.name) && same(a.email, b.email) && same(a.mobile, b.mobile)
	case matchNameEmail:
		return same(a.name, b.name) && same(a.email, b.email)
	case matchNameMobile:
		return same(a.name, b.name) && same(a.mobile, b.mobile)
	}
	return false
}

// matches reports whether records of a kind are matched before they are created.
func (c *comparer) matches(kind sdk.Kind) bool {
	return len(c.sync.Options.Match) > 0 && (kind == sdk.KindProspect || kind == sdk.KindMember)
}

func (c *comparer) isPending(source string) bool {
	for i := range c.pending {
		if c.pending[i].source == source {
			return true
		}
	}
	return false
}

// matchPending decides about the records of a page that have no link: one that a
// rule finds exactly once is linked and updated, one that the first rule that finds
// any finds several times is a person's, and the others are created.
func (c *comparer) matchPending(ctx context.Context) error {
	pending := c.pending
	c.pending = nil
	for chunk := range slices.Chunk(pending, ambiguous) {
		candidates, err := c.candidates(ctx, chunk)
		if err != nil {
			return err
		}
		for i, next := range chunk {
			if err := c.matched(ctx, next, candidates[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// candidates finds the target's records with the e-mail address or the mobile
// phone of each record.
func (c *comparer) candidates(ctx context.Context, records []change) ([][]sdk.Match, error) {
	found := make([][]sdk.Match, len(records))
	for _, field := range MatchFields(c.sync.Options.Match) {
		req := sdk.FindRequest{Kind: records[0].kind}
		var asked []int
		for i, next := range records {
			if value := textField(next.data, field); value != "" {
				asked = append(asked, i)
				req.Queries = append(req.Queries, sdk.Query{Fields: map[string]string{field: value}, Limit: matchLimit})
			}
		}
		if len(asked) == 0 {
			continue
		}
		var res sdk.FindResponse
		err := c.directory.ask(ctx, req.Kind, func(ctx context.Context) (err error) {
			res, err = c.sync.Find(ctx, req)
			return err
		})
		if err == nil && len(res.Matches) != len(asked) {
			err = fmt.Errorf("%d answers to %d queries", len(res.Matches), len(asked))
		}
		if err != nil {
			return nil, err
		}
		for at, i := range asked {
			found[i] = append(found[i], res.Matches[at]...)
		}
	}
	return found, nil
}

// MatchFields are the fields that the rules of a job's match search by.
func MatchFields(rules []string) []string {
	var fields []string
	for _, rule := range rules {
		switch rule {
		case matchNameEmailMobile, matchNameEmail:
			fields = append(fields, "email")
		case matchNameMobile:
			fields = append(fields, "mobile")
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

func (c *comparer) matched(ctx context.Context, next change, candidates []sdk.Match) error {
	club := c.sync.Clubs[next.club]
	self := identityOf(next.data)
	for _, rule := range c.sync.Options.Match {
		var hits []string
		for _, m := range candidates {
			if club != "" && m.Club != "" && m.Club != club || !self.fits(rule, identityOf(m.Data)) {
				continue
			}
			hits = append(hits, m.ID)
		}
		slices.Sort(hits)
		switch hits = slices.Compact(hits); {
		case len(hits) == 1:
			return c.adopt(next, hits[0])
		case len(hits) > 1:
			return c.review(next, hits)
		}
	}
	return c.create(ctx, &next)
}

// adopt links a record to the one that the target has, and updates that.
func (c *comparer) adopt(next change, target string) error {
	if !c.sync.Options.OnMatch {
		return c.link(next, target)
	}
	next.op, next.target, next.matched = sdk.OpUpdate, target, true
	c.p.counts.ToLink++
	return c.append(&next)
}

// review leaves it to a person which of several records a new one is.
func (c *comparer) review(next change, hits []string) error {
	next.op, next.hits = opReview, hits
	return c.append(&next)
}

// unlinked decides about a person that has no link: matched by a stored id, made
// out of a prospect, matched by the rules, or created.
func (c *comparer) unlinked(ctx context.Context, next change) error {
	if slices.Contains(c.sync.Options.Match, matchStored) && next.knownAs != "" {
		return c.adopt(next, next.knownAs)
	}
	if next.kind == sdk.KindMember {
		done, err := c.converted(ctx, next)
		if done || err != nil {
			return err
		}
	}
	if c.matches(next.kind) && c.sync.Find != nil && !next.decided {
		// The rest of the page is put together where this record was.
		next.shorts, next.payload = slices.Clone(next.shorts), slices.Clone(next.payload)
		c.pending = append(c.pending, next)
		return nil
	}
	return c.create(ctx, &next)
}

// converted makes a member of the prospect of the same source record, where the
// target does that: by a call of its own, or because it keeps one record for both.
func (c *comparer) converted(ctx context.Context, next change) (done bool, err error) {
	target := c.sync.Target[sdk.KindMember]
	if !target.SameRecord && !target.Can(sdk.OpConvert) {
		return false, nil
	}
	standings, err := c.sync.Links.Standings(ctx, c.sync.route(sdk.KindProspect), []string{next.source})
	if err != nil {
		return false, fmt.Errorf("look up the prospect of a member: %w", err)
	}
	prospect := standings[0].Link
	switch {
	case prospect.Version == 0 || !c.sync.Options.OnMissing:
		return false, nil
	case target.SameRecord:
		return true, c.adopt(next, prospect.Target)
	}
	next.op, next.target = sdk.OpConvert, prospect.Target
	c.p.counts.ToCreate++
	c.converting = true
	return true, c.append(&next)
}

// reopened takes up the links whose owner or lead source had none when they were
// sent, and has one by now: what they refer to is sent although the source does not
// give the record again.
func (c *comparer) reopened(ctx context.Context, kind sdk.Kind) error {
	target, ok := c.sync.Target[kind]
	if !ok || c.p.whole() || c.p.run.Scope.Partial() || target.Update == sdk.UpdateReplace && c.sync.Get == nil {
		return nil
	}
	for after := ""; ; {
		open, err := c.sync.Links.OpenLinks(ctx, c.sync.route(kind), roster.LinkFilter{After: after, Limit: linksPage})
		if err != nil || len(open) == 0 {
			return err
		}
		after = open[len(open)-1].Source
		ids := make([]string, len(open))
		for i, one := range open {
			ids[i] = one.Source
		}
		standings, err := c.sync.Links.Standings(ctx, c.sync.route(kind), ids)
		if err != nil {
			return fmt.Errorf("look up links: %w", err)
		}
		for i, one := range open {
			if err := c.reopen(ctx, kind, one, standings[i].Link); err != nil {
				return err
			}
		}
	}
}

// reopen sends the references of one record anew, if one of them has a link by
// now.
func (c *comparer) reopen(ctx context.Context, kind sdk.Kind, open roster.OpenLink, link roster.Link) error {
	refs, err := c.refs.resolve(ctx, open.Owner, open.LeadSource)
	if err != nil || link.Version == 0 || c.has(kind, open.Source) {
		return err
	}
	next := change{
		op: sdk.OpUpdate, kind: kind, source: open.Source, target: link.Target, version: link.Version,
		club: c.clubOf(link), owner: open.Owner, leadSource: open.LeadSource, row: link.Sent.Row, sum: link.Sent.Sum, data: []byte("{}"),
	}
	fresh := false
	refs.each(func(name, id string) {
		f := c.sync.Digests.Field(name, []byte(id))
		if before, ok := fieldOf(link.Sent.Fields, name); ok {
			if before.Short == f.Short() {
				next.sum.Lo, next.sum.Hi = next.sum.Lo-f.Lo, next.sum.Hi-f.Hi
				return
			}
			next.row = 0 // what was sent is not known: the record is compared when it is read again
		}
		fresh = true
	})
	if !fresh && !refs.pending {
		return nil
	}
	for _, f := range link.Sent.Fields {
		if f.Name != roster.OwnerField && f.Name != roster.LeadSourceField {
			next.fields, next.shorts = append(next.fields, f.Name), append(next.shorts, f.Short)
		}
	}
	c.reopening++
	next.changed, next.reopened = []string{roster.LeadSourceField, roster.OwnerField}, true
	return c.append(&next)
}
