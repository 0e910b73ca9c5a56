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

// tellsStaff reports whether the target tells of its staff.
func (d *directory) tellsStaff() bool { return d.sync.ListStaff != nil || d.sync.FindStaff != nil }

// withEmail returns the target's staff with an e-mail address, the inactive too. It
// is compared without regard to case (seed document, "Staff Synchronization").
func (d *directory) withEmail(ctx context.Context, email string) ([]sdk.Staff, error) {
	email = foldText(email)
	if email == "" || !d.tellsStaff() {
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
		if foldText(s.Email) == email {
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
	all, err := c.directory.withEmail(ctx, textField(next.data, "email"))
	if err != nil {
		return err
	}
	var found []string
	for _, s := range all {
		if !s.Inactive {
			found = append(found, s.ID)
		}
	}
	if len(found) == 1 {
		return c.link(next, found[0])
	}
	c.p.counts.Skipped++
	one := unlinkedOf(next)
	one.MayBe = found
	switch {
	case !c.directory.tellsStaff():
		one.Why, one.Reason = roster.UnlinkedUnlisted, "the target neither lists its staff nor finds them"
	case len(found) > 1:
		one.Why, one.Reason = roster.UnlinkedSeveral, "the target has several active staff members with this e-mail address"
	case len(all) > 0:
		one.Why, one.Reason = roster.UnlinkedInactive, "whom the target has with this e-mail address is inactive there"
	default:
		one.Why, one.Reason = roster.UnlinkedAbsent, "the target has no staff member with this e-mail address"
	}
	c.p.unlinked(one)
	if len(found) > 1 {
		c.p.warn("the target has several staff members with the e-mail address of one of the source's: none of them is taken; " + c.p.missing())
	} else {
		c.p.warn("some staff members have no counterpart with their e-mail address at the target: their people are " + c.withoutOwner() + "; " + c.p.missing())
	}
	return nil
}

// withoutOwner says what becomes of people whose staff member has no link.
func (c *comparer) withoutOwner() string {
	if c.sync.Options.Owner == "required" {
		return "refused"
	}
	return "sent without an owner"
}

// missing says how an operator sees which records have no counterpart.
func (p *preparation) missing() string { return "`rosterd links missing " + p.run.Job + "` names them" }

// leadSource finds the lead source of the target that has the name of the
// source's, or creates it, as the target's calls allow. It reports whether that
// settles it; else it is compared like every other record.
func (c *comparer) leadSource(ctx context.Context, next change, link roster.Link, sent roster.Sent) (settled bool, err error) {
	target := c.sync.Target[sdk.KindLeadSource]
	switch {
	case c.sync.Options.LeadSources == "ignore":
		c.alone(next, link, roster.UnlinkedIgnored, "the job ignores lead sources (lead_sources: ignore)")
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
			ids := make([]string, len(found))
			for i, s := range found {
				ids[i] = s.ID
			}
			c.alone(next, link, roster.UnlinkedSeveral, "the target has several lead sources of this name", ids...)
			c.p.warn("the target has several lead sources of one name: none of them is taken; " + c.p.missing())
			return true, nil
		}
	}
	if c.sync.Options.LeadSources == "create" && target.Can(sdk.OpCreate) {
		c.refs.expect(sdk.KindLeadSource, next.source)
		return false, nil
	}
	why, reason := roster.UnlinkedAbsent, "the target has no lead source of this name, and none is created"
	if c.sync.ListLeadSources == nil {
		why, reason = roster.UnlinkedUnlisted, "the target does not list its lead sources, and none is created"
	}
	c.alone(next, link, why, reason)
	c.p.warn("some lead sources have no counterpart of their name at the target: their people are sent without a lead source; " + c.p.missing())
	return true, nil
}

// alone counts a record that is left without a counterpart.
func (c *comparer) alone(next change, link roster.Link, why roster.UnlinkedCause, reason string, mayBe ...string) {
	c.p.counts.Skipped++
	if link.Version > 0 {
		return
	}
	one := unlinkedOf(next)
	one.Why, one.Reason, one.MayBe = why, reason, mayBe
	c.p.unlinked(one)
}

// unlinkedOf tells of a record that has no counterpart, but for the cause.
func unlinkedOf(next change) roster.Unlinked {
	name := textField(next.data, "name")
	if name == "" {
		name = strings.TrimSpace(textField(next.data, "first_name") + " " + textField(next.data, "last_name"))
	}
	return roster.Unlinked{Kind: next.kind, Source: next.source, Name: name, Email: textField(next.data, "email")}
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
