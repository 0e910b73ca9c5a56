package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// History is stored under the ids at both ends of a link, so that it is found in
// both directions, also when the link is gone. That a link was made is in its row;
// it is stored as an event only when another follows, so that a link on which
// nothing was remarkable has no history.

// historyEvents is how many events of a record are kept, historyNote the length
// of a note.
const (
	historyEvents = 20
	historyNote   = 1024
)

// The words of events that the store notes by itself.
const (
	eventRemoved = "removed"
	eventClash   = "clash"
	eventParked  = "parked"
)

// linkEnd is a record as one end of links: a direction of which it is the source.
type linkEnd struct {
	direction int
	id        string
}

func (e linkEnd) key() []byte { return append([]byte{directionMarks[e.direction]}, e.id...) }

func packEvents(events []roster.LinkEvent) []byte {
	var out []byte
	for _, e := range events {
		out = binary.LittleEndian.AppendUint64(out, uint64(nanos(e.At)))
		for _, text := range []string{e.What, e.Source, e.Target, e.By, e.Note} {
			out = appendText(out, text)
		}
	}
	return out
}

func unpackEvents(raw []byte) ([]roster.LinkEvent, error) {
	var events []roster.LinkEvent
	in := unpacker{raw: raw}
	for len(in.raw) > 0 {
		events = append(events, roster.LinkEvent{
			At: timeOf(int64(in.uint64())), What: in.text(), Source: in.text(), Target: in.text(), By: in.text(), Note: in.text(),
		})
	}
	if in.failed {
		return nil, fmt.Errorf("%w: the history of a link cannot be decoded", store.ErrDamaged)
	}
	return events, nil
}

// turned is an event as it is seen from the other direction.
func turned(e roster.LinkEvent) roster.LinkEvent {
	e.Source, e.Target = e.Target, e.Source
	return e
}

// LinkHistory returns the latest events of a record of the source, the oldest
// first, also when its link is gone; none for a record that was never linked.
func (s *Store) LinkHistory(ctx context.Context, route roster.Route, source string) ([]roster.LinkEvent, error) {
	var events []roster.LinkEvent
	err := s.viewRoute(ctx, "read the history of a link", route, func(tx *txn) (err error) {
		events, err = newLinkTrees(tx, route).history(linkEnd{directionOf(route), source})
		return err
	})
	if err != nil || route.Forward() {
		return events, err
	}
	for i := range events {
		events[i] = turned(events[i])
	}
	return events, nil
}

// history returns the events of a record, as they are seen from the forward
// direction: those that are stored, or that its link was made.
func (t *linkTrees) history(end linkEnd) ([]roster.LinkEvent, error) {
	if t.histories != nil {
		if stored := t.histories.Get(end.key()); stored != nil {
			return unpackEvents(stored)
		}
	}
	first, row, err := t.at(end)
	if err != nil || row == nil {
		return nil, err
	}
	return []roster.LinkEvent{{
		At: timeOf(row.made), What: string(originOf(row.origin)), Source: first, Target: string(row.back), By: string(row.by),
	}}, nil
}

// note adds an event, seen from the forward direction, to the history of both its
// ends.
func (w *linkWriter) note(e roster.LinkEvent) error {
	if e.At.IsZero() {
		e.At = timeOf(w.moment)
	}
	if e.By == "" {
		e.By = w.by
	}
	if len(e.Note) > historyNote {
		e.Note = strings.ToValidUTF8(e.Note[:historyNote], "")
	}
	for _, end := range []linkEnd{{forward, e.Source}, {backward, e.Target}} {
		if end.id == "" {
			continue
		}
		events, err := w.history(end)
		if err != nil {
			return err
		}
		if err := w.storeHistory(end, append(events, e)); err != nil {
			return err
		}
	}
	return nil
}

func (w *linkWriter) storeHistory(end linkEnd, events []roster.LinkEvent) error {
	if w.histories == nil {
		var err error
		if w.histories, err = nested(w.tx, bucketLinkHistory, linksName(w.route)); err != nil {
			return err
		}
	}
	return w.histories.Put(end.key(), packEvents(events[max(len(events)-historyEvents, 0):]))
}

// noteMade adds to a history that is there already that a link was made.
func (w *linkWriter) noteMade(first, second string, origin roster.LinkOrigin) error {
	if w.histories == nil {
		return nil
	}
	e := roster.LinkEvent{At: timeOf(w.moment), What: string(origin), Source: first, Target: second, By: w.by}
	for _, end := range []linkEnd{{forward, first}, {backward, second}} {
		stored := w.histories.Get(end.key())
		if stored == nil {
			continue
		}
		events, err := unpackEvents(stored)
		if err != nil {
			return err
		}
		if err := w.storeHistory(end, append(events, e)); err != nil {
			return err
		}
	}
	return nil
}
