package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// CloseLinks stores the outcomes of a batch of operations in one transaction: all
// of c, or nothing where it fails. [roster.Closing] says what becomes of each part,
// and the rules for its Update are those of [Store.UpdateRun].
//
// A link with a version is one that the caller knew: it is changed where it is
// still there, and left alone where it was removed or made another one meanwhile.
// A link without a version whose source or target is linked to another record is a
// clash: what Taken gives is parked in its place. An intent to park whose source is
// linked is left out.
func (s *Store) CloseLinks(ctx context.Context, c roster.Closing) (roster.Closed, error) {
	doing := "store the outcomes of run " + c.Run
	b := closing{s: s, c: &c}
	if err := b.prepare(); err != nil {
		return roster.Closed{}, fmt.Errorf("%s: %w", doing, err)
	}
	err := s.update(ctx, doing, b.apply)
	if err != nil {
		return roster.Closed{}, err
	}
	return b.closed, nil
}

// closing is a [roster.Closing] on its way into the store.
type closing struct {
	s      *Store
	c      *roster.Closing
	closed roster.Closed
	// refused and parked are sealed before the transaction begins.
	refused []prepared
	parked  []parking
	// job is that of the run.
	job string
}

func (b *closing) prepare() (err error) {
	if b.c.Run == "" {
		return fmt.Errorf("%w: it has no run", roster.ErrInvalid)
	}
	if err := checkRoute(b.c.Route); err != nil {
		return err
	}
	for i := range b.c.Links {
		if err := checkLinkIDs(b.c.Links[i].Source, b.c.Links[i].Target); err != nil {
			return err
		}
	}
	if b.refused, err = b.s.prepareAll(b.c.Quarantined); err != nil {
		return err
	}
	b.parked = make([]parking, len(b.c.Parked))
	for i := range b.c.Parked {
		if b.parked[i], err = b.s.prepareParking(b.c.Route, b.c.Parked[i]); err != nil {
			return err
		}
	}
	return nil
}

// apply is the transaction.
func (b *closing) apply(tx *txn) error {
	b.closed = roster.Closed{}
	var run roster.Run
	if err := load(bucket(tx, bucketRuns), []byte(b.c.Run), &run); err != nil {
		return err
	}
	b.job = run.Job
	w, err := b.s.linkWriter(tx, b.c.Route, b.c.Run)
	if err != nil {
		return err
	}
	if err := b.changeLinks(w); err != nil {
		return err
	}
	if err := b.changeIntents(w); err != nil {
		return err
	}
	if err := b.quarantine(tx); err != nil {
		return err
	}
	if _, _, err := changeRun(tx, b.c.Run, b.update); err != nil {
		return err
	}
	if tx.change == 0 {
		return errUnchanged
	}
	return nil
}

// update changes the run and never lowers how much of it is delivered.
func (b *closing) update(run *roster.Run) error {
	delivered := max(run.Delivered, b.c.Delivered)
	run.Delivered = delivered
	if b.c.Update != nil {
		if err := b.c.Update(run, b.closed); err != nil {
			return err
		}
	}
	run.Delivered = max(run.Delivered, delivered)
	return nil
}

func (b *closing) changeLinks(w *linkWriter) error {
	for _, source := range b.c.Unlinked {
		if _, err := w.remove(source); err != nil {
			return err
		}
	}
	links := b.inOrder(w)
	if len(links) > 0 {
		first, _ := w.ends(links[0].Source, links[0].Target)
		fillAscending(w.links, first)
	}
	for _, link := range links {
		clash, err := w.store(link)
		if err != nil {
			return err
		}
		if clash {
			b.closed.Clashes = append(b.closed.Clashes, link.Source)
		}
	}
	return w.end()
}

// inOrder returns the links in the order in which they are stored: neighbours in
// the tree are written together.
func (b *closing) inOrder(w *linkWriter) []*roster.Link {
	links := make([]*roster.Link, len(b.c.Links))
	for i := range b.c.Links {
		links[i] = &b.c.Links[i]
	}
	slices.SortStableFunc(links, func(x, y *roster.Link) int {
		if w.direction == backward {
			return strings.Compare(x.Target, y.Target)
		}
		return strings.Compare(x.Source, y.Source)
	})
	return links
}

func (b *closing) changeIntents(w *linkWriter) error {
	for _, source := range b.c.Refused {
		if err := w.here.remove(source); err != nil {
			return err
		}
	}
	for i := range b.parked {
		if err := w.park(&b.parked[i], b.job); err != nil {
			return err
		}
	}
	if err := b.parkTaken(w); err != nil {
		return err
	}
	for _, e := range b.c.Events {
		if w.direction == backward {
			e = turned(e)
		}
		if err := w.note(e); err != nil {
			return err
		}
	}
	return nil
}

// quarantine stores what was refused, and removes what a later form has made up
// for.
func (b *closing) quarantine(tx *txn) error {
	replaced, err := b.s.supersede(tx, b.job, b.c.Run, b.c.Route.Kind, b.c.Superseded)
	if err != nil {
		return err
	}
	for i := range b.refused {
		before, err := b.refused[i].put(tx)
		if err != nil {
			return err
		}
		if before > 0 && before != b.refused[i].form { // the same one is stored again after a crash
			replaced++
		}
	}
	b.closed.Replaced = replaced
	return nil
}

// parkTaken parks what is to stand in place of links that were not made. Clashes
// are few: what is personal in them is sealed within the transaction.
func (b *closing) parkTaken(w *linkWriter) error {
	for _, source := range b.closed.Clashes {
		if b.c.Taken == nil {
			return nil
		}
		intent, ok := b.c.Taken(source)
		if !ok {
			continue
		}
		p, err := b.s.prepareParking(b.c.Route, intent)
		if err != nil {
			return err
		}
		if err := w.park(&p, b.job); err != nil {
			return err
		}
	}
	return nil
}

// SetLink makes the link that a person wants, in place of another one of the same
// source id. Nothing is known of what was sent, so that the next run sends the
// record. It fails with [roster.ErrConflict] when the target is linked to another
// record, and with [roster.ErrErased] when either is of a person who was erased. By
// says who asked.
func (s *Store) SetLink(ctx context.Context, route roster.Route, source, target, by string) error {
	return s.changeLink(ctx, "set a link", route, by, []string{source, target}, func(w *linkWriter) error {
		err := errors.Join(s.checkErased(w.tx, route.From, route.Kind, source), s.checkErased(w.tx, route.To, route.Kind, target))
		if err != nil {
			return err
		}
		return w.link(source, target)
	})
}

// RemoveLink removes the link of a source id. It fails with [store.ErrNotFound]
// where there is none. By says who asked.
func (s *Store) RemoveLink(ctx context.Context, route roster.Route, source, by string) error {
	return s.changeLink(ctx, "remove a link", route, by, []string{source}, func(w *linkWriter) error {
		row, err := w.remove(source)
		if err == nil && row == nil {
			return roster.ErrNotFound
		}
		return err
	})
}

func (s *Store) changeLink(
	ctx context.Context, doing string, route roster.Route, by string, ids []string, change func(*linkWriter) error,
) error {
	doing += " of " + route.From + " to " + route.To
	if err := errors.Join(checkRoute(route), checkLinkIDs(ids...)); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return s.update(ctx, doing, func(tx *txn) error {
		w, err := s.linkWriter(tx, route, by)
		if err == nil {
			err = change(w)
		}
		if err == nil {
			err = w.end()
		}
		return err
	})
}
