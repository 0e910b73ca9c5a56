package pipeline

import (
	"context"
	"fmt"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// walk is what a complete reading of one kind has seen.
type walk struct {
	seen keySet
	// linked is how many of them have a link.
	linked int
	// all says that the run walks everything, unsure that a record could not be
	// told apart from those that are gone.
	all, unsure bool
}

func (c *comparer) walk(kind sdk.Kind) *walk {
	w := c.walks[kind]
	if w == nil {
		w = &walk{all: c.p.whole() && c.gone(kind) != ""}
		if w.all {
			w.seen = newKeySet()
		}
		c.walks[kind] = w
	}
	return w
}

// saw notes that a record is there, whatever becomes of it.
func (w *walk) saw(id string, linked bool) {
	switch {
	case !w.all:
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
	standings, err := c.sync.Links.Standings(ctx, c.sync.route(kind), ids)
	if err != nil {
		return fmt.Errorf("look up links: %w", err)
	}
	for i, s := range standings {
		if s.Link.Version == 0 || s.Link.Gone {
			continue
		}
		s.Link.Source = ids[i]
		if err := c.goes(kind, op, s.Link); err != nil {
			return err
		}
	}
	return nil
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
	for _, kind := range c.p.flow.Kinds {
		if err := c.missing(ctx, kind); err != nil {
			return err
		}
	}
	return c.keepParked(ctx)
}

// keepParked stores the records that a person is asked about as they were read
// last.
func (c *comparer) keepParked(ctx context.Context) error {
	if c.p.run.Plan {
		return nil
	}
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

func (c *comparer) missing(ctx context.Context, kind sdk.Kind) error {
	w := c.walks[kind]
	if w == nil || !w.all || c.p.unread[kind] {
		return nil
	}
	if w.unsure {
		c.p.warn(fmt.Sprintf("a %s could not be read and has no id, so that none is taken for gone", kind))
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
		for _, link := range links {
			if link.Gone || w.seen.has(link.Source) {
				continue
			}
			if err := c.goes(kind, op, link); err != nil {
				return err
			}
		}
	}
}

func (c *comparer) goes(kind sdk.Kind, op sdk.Op, link roster.Link) error {
	c.p.counts.ToDeactivate++
	return c.append(&change{op: op, kind: kind, source: link.Source, target: link.Target, version: link.Version})
}
