package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// walk is what a complete reading of one kind has seen.
type walk struct {
	seen keySet
	// linked is how many of them have a link.
	linked int
	// all says that the run walks everything, unsure that a record could not be
	// told apart from those that are gone, kept that seen is kept.
	all, unsure, kept bool
}

func (c *comparer) walk(kind sdk.Kind) *walk {
	w := c.walks[kind]
	if w == nil {
		w = &walk{all: c.p.whole() && c.gone(kind) != ""}
		w.kept = w.all || kind == sdk.KindMember && c.converts()
		if w.kept {
			w.seen = newKeySet()
		}
		c.walks[kind] = w
	}
	return w
}

// saw notes that a record is there, whatever becomes of it.
func (w *walk) saw(id string, linked bool) {
	switch {
	case !w.kept:
	case id == "":
		w.unsure = true
	case w.seen.add(id) && linked:
		w.linked++
	}
}

// gone is what is done to a target record whose source record is gone, empty for
// nothing.
func (c *comparer) gone(kind sdk.Kind) sdk.Op {
	target, ok := c.sync.Target[kind]
	switch {
	case !ok:
	case c.sync.Options.OnGone == "deactivate" && target.Can(sdk.OpDeactivate):
		return sdk.OpDeactivate
	case c.sync.Options.OnGone == "delete" && target.Can(sdk.OpDelete):
		return sdk.OpDelete
	}
	return ""
}

// removed takes records that the source itself says are gone.
func (c *comparer) removed(ctx context.Context, kind sdk.Kind, ids []string) error {
	op := c.gone(kind)
	if op == "" || len(ids) == 0 {
		return nil
	}
	if kind == sdk.KindProspect && c.converts() && !c.ending {
		c.left = append(c.left, ids...) // who of them is a member is known when those are read
		return nil
	}
	standings, err := c.sync.Links.Standings(ctx, c.sync.route(kind), ids)
	if err != nil {
		return fmt.Errorf("look up links: %w", err)
	}
	var links []roster.Link
	for i, s := range standings {
		if s.Link.Version > 0 && !s.Link.Gone {
			s.Link.Source = ids[i]
			links = append(links, s.Link)
		}
	}
	return c.leave(ctx, kind, op, links)
}

// converts reports whether the target makes members of prospects, so that a
// prospect who is not among the prospects any more may be among the members.
func (c *comparer) converts() bool {
	member, ok := c.sync.Target[sdk.KindMember]
	return ok && (member.SameRecord || member.Can(sdk.OpConvert))
}

// membersUnknown reports whether prospects who have left may be among members that
// could not be read.
func (c *comparer) membersUnknown() bool {
	w := c.walks[sdk.KindMember]
	return c.converts() && (c.p.unread[sdk.KindMember] || w != nil && w.unsure)
}

// joined tells of prospects who have left which are members by now, or will be
// when their record can be sent: their record at the target is the member's, or
// was made into it.
func (c *comparer) joined(ctx context.Context, prospects []roster.Link) ([]bool, error) {
	sources := make([]string, len(prospects))
	for i, link := range prospects {
		sources[i] = link.Source
	}
	standings, err := c.sync.Links.Standings(ctx, c.sync.route(sdk.KindMember), sources)
	if err != nil {
		return nil, fmt.Errorf("look up members: %w", err)
	}
	joined, w := make([]bool, len(prospects)), c.walks[sdk.KindMember]
	for i, s := range standings {
		linked := s.Link.Version > 0
		joined[i] = linked && s.Link.Target == prospects[i].Target ||
			c.converts() && (linked || s.Intent != nil || w != nil && w.kept && w.seen.has(sources[i]))
	}
	return joined, nil
}

// end finds the records that are gone from a source that does not say so: those
// that have a link and were not seen in a walk that reached its end. They are
// last in the change set, behind everything that is there.
func (c *comparer) end(ctx context.Context) error {
	for _, kind := range c.p.flow.Kinds {
		if err := c.reopened(ctx, kind); err != nil {
			return err
		}
	}
	if err := c.prospectsLeft(ctx); err != nil {
		return err
	}
	for _, kind := range c.p.flow.Kinds {
		if err := c.missing(ctx, kind); err != nil {
			return err
		}
	}
	return c.keepParked(ctx)
}

// prospectsLeft takes the prospects of whom the source has said that they are
// gone. Where not all members could be read it says so again to the next run.
func (c *comparer) prospectsLeft(ctx context.Context) error {
	if len(c.left) > 0 && c.membersUnknown() {
		delete(c.p.cursors, sdk.KindProspect)
		c.p.retried = slices.DeleteFunc(c.p.retried, func(id string) bool { return slices.Contains(c.p.left, id) })
		return nil
	}
	c.ending = true
	return c.removed(ctx, sdk.KindProspect, c.left)
}

// keepParked stores the records that a person is asked about as they were read
// last, also for a plan: when that is applied, they are not read again.
func (c *comparer) keepParked(ctx context.Context) error {
	byKind := map[sdk.Kind][]roster.Intent{}
	for _, intent := range c.parked {
		byKind[intent.Route.Kind] = append(byKind[intent.Route.Kind], intent)
	}
	for kind, parked := range byKind {
		closing := roster.Closing{Run: c.p.run.ID, Route: c.sync.route(kind), Parked: parked}
		if _, err := c.sync.Intents.CloseLinks(ctx, closing); err != nil {
			return fmt.Errorf("keep parked records: %w", err)
		}
	}
	return nil
}

// linksPage is how many links are read at a time.
const linksPage = 2000

// unsure says why nobody is taken for gone although everything was walked, empty
// where nothing speaks against it.
func (c *comparer) unsure(kind sdk.Kind, w *walk) string {
	switch {
	case w.unsure:
		return fmt.Sprintf("a %s could not be read and has no id, so that none is taken for gone", kind)
	case kind == sdk.KindProspect && c.membersUnknown():
		return "not all members could be read, so that no prospect is taken for gone"
	}
	return ""
}

func (c *comparer) missing(ctx context.Context, kind sdk.Kind) error {
	w := c.walks[kind]
	if w == nil || !w.all || c.p.unread[kind] {
		return nil
	}
	for _, id := range c.p.sieve.left(kind) {
		w.saw(id, false) // it is left out, and not gone
	}
	if why := c.unsure(kind, w); why != "" {
		c.p.warn(why)
		return nil
	}
	switch n, err := c.sync.Links.CountLinks(ctx, c.sync.route(kind)); {
	case err != nil:
		return fmt.Errorf("look for records that are gone: %w", err)
	case n == w.linked: // each is that of a record that was seen
		return nil
	}
	op, after := c.gone(kind), ""
	for {
		links, err := c.sync.Links.Links(ctx, c.sync.route(kind), roster.LinkFilter{After: after, Limit: linksPage})
		if err != nil {
			return fmt.Errorf("look for records that are gone: %w", err)
		}
		if len(links) == 0 {
			return nil
		}
		after = links[len(links)-1].Source
		links = slices.DeleteFunc(links, func(link roster.Link) bool {
			// What the run changes and has not seen is what the source has told of.
			return link.Gone || w.seen.has(link.Source) || c.has(kind, link.Source)
		})
		if err := c.leave(ctx, kind, op, links); err != nil {
			return err
		}
	}
}

// leave appends what becomes of the records of links whose source records are gone.
func (c *comparer) leave(ctx context.Context, kind sdk.Kind, op sdk.Op, links []roster.Link) error {
	stays := make([]bool, len(links))
	if kind == sdk.KindProspect && len(links) > 0 {
		var err error
		if stays, err = c.joined(ctx, links); err != nil {
			return err
		}
	}
	for i, link := range links {
		if stays[i] {
			continue
		}
		c.p.counts.ToDeactivate++
		c.going[kind]++
		err := c.append(&change{
			op: op, kind: kind, source: link.Source, target: link.Target, version: link.Version, club: c.clubOf(link),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
