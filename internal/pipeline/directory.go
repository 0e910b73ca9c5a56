package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// opLink changes nothing at the target: a record of the source is linked to one
// that the target has already.
const opLink sdk.Op = "link"

// directory is what the target has of staff and lead sources, asked for once a
// run.
type directory struct {
	sync   *SyncFlow
	r      *Runner
	live   *progress
	staff  []sdk.Staff
	listed map[sdk.Kind]bool
	byMail map[string][]sdk.Staff
	leads  []sdk.LeadSource
}

func newDirectory(r *Runner, live *progress, sync *SyncFlow) *directory {
	return &directory{sync: sync, r: r, live: live, listed: map[sdk.Kind]bool{}, byMail: map[string][]sdk.Staff{}}
}

// withEmail returns the target's staff with an e-mail address, which is compared
// without regard to case (seed document, "Staff Synchronization").
func (d *directory) withEmail(ctx context.Context, email string) ([]sdk.Staff, error) {
	email = foldText(email)
	if email == "" {
		return nil, nil
	}
	if d.sync.ListStaff == nil && d.sync.FindStaff == nil {
		return nil, nil
	}
	if found, ok := d.byMail[email]; ok {
		return found, nil
	}
	var candidates []sdk.Staff
	err := d.ask(ctx, sdk.KindStaff, func(ctx context.Context) (err error) {
		if d.sync.ListStaff == nil {
			candidates, err = d.sync.FindStaff(ctx, email)
			return err
		}
		if !d.listed[sdk.KindStaff] {
			d.staff, err = d.sync.ListStaff(ctx)
		}
		candidates = d.staff
		return err
	})
	if err != nil {
		return nil, err
	}
	d.listed[sdk.KindStaff] = d.sync.ListStaff != nil
	var found []sdk.Staff
	for _, s := range candidates {
		if foldText(s.Email) == email && !s.Inactive {
			found = append(found, s)
		}
	}
	d.byMail[email] = found
	return found, nil
}

// named returns the target's lead sources with a name, which is compared without
// regard to case (seed document, "Lead Source Synchronization"), of one club or
// of all.
func (d *directory) named(ctx context.Context, name, club string) ([]sdk.LeadSource, error) {
	if !d.listed[sdk.KindLeadSource] {
		err := d.ask(ctx, sdk.KindLeadSource, func(ctx context.Context) (err error) {
			d.leads, err = d.sync.ListLeadSources(ctx)
			return err
		})
		if err != nil {
			return nil, err
		}
		d.listed[sdk.KindLeadSource] = true
	}
	var found []sdk.LeadSource
	for _, s := range d.leads {
		if foldText(s.Name) == foldText(name) && (s.Club == "" || club == "" || s.Club == club) {
			found = append(found, s)
		}
	}
	return found, nil
}

func (d *directory) ask(ctx context.Context, kind sdk.Kind, call func(context.Context) error) error {
	if err := d.r.patiently(ctx, d.live, "target", kind, call); err != nil {
		return fmt.Errorf("ask the target for its %s: %w", kind, err)
	}
	return nil
}

func foldText(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// staffMember associates a staff member of the source with one of the target.
// Staff are never created or changed. One that the target does not have, or has
// more than once, is looked up again by each run.
func (c *comparer) staffMember(ctx context.Context, next change, link roster.Link, sent roster.Sent) error {
	if link.Version > 0 {
		return c.keepLink(next, link, sent)
	}
	found, err := c.directory.withEmail(ctx, textField(next.data, "email"))
	if err != nil {
		return err
	}
	if len(found) == 1 {
		return c.link(next, found[0].ID)
	}
	c.p.counts.Skipped++
	if len(found) > 1 {
		c.p.warn("the target has several staff members with the e-mail address of one of the source's: none of them is taken")
	} else {
		c.p.warn("some staff members have no counterpart with their e-mail address at the target: their people are sent without an owner")
	}
	return nil
}

// leadSource finds the lead source of the target that has the name of the
// source's, or creates it, as the target's calls allow. It reports whether that
// settles it; else it is compared like every other record.
func (c *comparer) leadSource(ctx context.Context, next change, link roster.Link, sent roster.Sent) (settled bool, err error) {
	target := c.sync.Target[sdk.KindLeadSource]
	switch {
	case c.sync.Options.LeadSources == "ignore":
		c.p.counts.Skipped++
		return true, nil
	case link.Version > 0 && !target.Can(sdk.OpUpdate):
		return true, c.keepLink(next, link, sent)
	case link.Version > 0:
		return false, nil
	case c.sync.ListLeadSources != nil:
		found, err := c.directory.named(ctx, textField(next.data, "name"), c.sync.Clubs[next.club])
		if err != nil {
			return true, err
		}
		if len(found) == 1 {
			return true, c.link(next, found[0].ID)
		}
		if len(found) > 1 {
			c.p.counts.Skipped++
			c.p.warn("the target has several lead sources of one name: none of them is taken")
			return true, nil
		}
	}
	if c.sync.Options.LeadSources == "create" && target.Can(sdk.OpCreate) {
		c.refs.expect(sdk.KindLeadSource, next.source)
		return false, nil
	}
	c.p.counts.Skipped++
	c.p.warn("some lead sources have no counterpart of their name at the target: their people are sent without a lead source")
	return true, nil
}

// link notes that a record of the source is one that the target has.
func (c *comparer) link(next change, target string) error {
	c.p.counts.ToLink++
	next.op, next.target = opLink, target
	if found, ok := c.refs.found[next.kind]; ok { // people refer to it
		found[next.source], next.payload = target, nil
	}
	return c.append(&next)
}

// keepLink keeps a link to a record that is not changed at the target.
func (c *comparer) keepLink(next change, link roster.Link, sent roster.Sent) error {
	if link.Sent.Row == sent.Row && link.Sent.Mapping == sent.Mapping {
		c.p.counts.Unchanged++
		return nil
	}
	return c.refresh(next, link)
}

// textField is a text of a mapped record, empty where it has none.
func textField(data []byte, name string) string {
	var record map[string]any
	if json.Unmarshal(data, &record) != nil {
		return ""
	}
	text, _ := record[name].(string)
	return text
}
