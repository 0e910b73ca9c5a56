package bolt

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// linkTrees are the trees of a link set and a kind; those that are absent are nil.
type linkTrees struct {
	links, back, histories *tree
	// pending are the entries of back that are still to be written, by their key:
	// all at once at the end, in the order of their keys, because neighbours cost
	// a tenth of what others cost.
	pending map[string]string
}

func newLinkTrees(tx *txn, route roster.Route) *linkTrees {
	name := linksName(route)
	return &linkTrees{
		links: peek(tx, bucketLinks, name), back: peek(tx, bucketLinksBack, name), histories: peek(tx, bucketLinkHistory, name),
	}
}

// holder returns the forward id that a backward one is linked to.
func (t *linkTrees) holder(second string) (first string, ok bool) {
	if first, ok = t.pending[second]; ok || t.back == nil {
		return first, ok
	}
	stored := t.back.Get([]byte(second))
	return string(stored), stored != nil
}

// row returns the link of a forward id, nil where there is none.
func (t *linkTrees) row(first string) (*linkRow, error) {
	if t.links == nil {
		return nil, nil
	}
	raw := t.links.Get([]byte(first))
	if raw == nil {
		return nil, nil
	}
	row := new(linkRow)
	return row, row.decode(raw)
}

// at returns the link of which a record is an end, nil where there is none.
func (t *linkTrees) at(end linkEnd) (first string, row *linkRow, err error) {
	first = end.id
	if end.direction == backward {
		var ok bool
		if first, ok = t.holder(end.id); !ok {
			return "", nil, nil
		}
	}
	row, err = t.row(first)
	if err == nil && row == nil && end.direction == backward {
		err = fmt.Errorf("%w: a link is known at one end only", store.ErrDamaged)
	}
	return first, row, err
}

// linkWriter changes the links of a route. Its end has to be called.
type linkWriter struct {
	*linkTrees

	s         *Store
	tx        *txn
	route     roster.Route
	direction int
	shapes    *shapes
	// here are the intents of the route, there those of the other direction.
	here, there *intents
	// moment is the time and by the run or the person of all changes.
	moment int64
	by     string
	added  int
	// packed and shorts are where rows are put together, key and value what is
	// stored elsewhere.
	packed, shorts, key, value []byte
	// lastFirst and lastSecond are not before any key of the two trees: what is
	// behind them need not be looked for.
	lastFirst, lastSecond string
}

func (s *Store) linkWriter(tx *txn, route roster.Route, by string) (*linkWriter, error) {
	w := &linkWriter{
		linkTrees: newLinkTrees(tx, route), s: s, tx: tx, route: route, direction: directionOf(route),
		here: s.intentsOf(tx, route), there: s.intentsOf(tx, route.Reverse()), moment: nanos(s.now()), by: by,
	}
	w.pending = make(map[string]string)
	name := linksName(route)
	var err error
	if w.links == nil {
		if w.links, err = nested(tx, bucketLinks, name); err != nil {
			return nil, err
		}
	}
	if w.back == nil {
		if w.back, err = nested(tx, bucketLinksBack, name); err != nil {
			return nil, err
		}
	}
	shapeTree, err := nested(tx, bucketLinkShapes, route.LinkSet())
	w.shapes = newShapes(shapeTree)
	w.lastFirst, w.lastSecond = lastKey(w.links), lastKey(w.back)
	return w, err
}

// end writes what was put off.
func (w *linkWriter) end() error {
	seconds := slices.Sorted(maps.Keys(w.pending))
	if len(seconds) > 0 {
		fillAscending(w.back, seconds[0])
	}
	for _, second := range seconds {
		// None of them is there: make has looked, and remove has removed.
		w.key, w.value = append(w.key[:0], second...), append(w.value[:0], w.pending[second]...)
		if err := w.back.replace(w.key, nil, w.value); err != nil {
			return err
		}
	}
	clear(w.pending)
	if w.added == 0 {
		return nil
	}
	n, err := linkCount(w.tx, w.route)
	if err != nil {
		return err
	}
	n += w.added
	w.added = 0
	return bucket(w.tx, bucketLinkCounts).Put([]byte(linksName(w.route)), binary.AppendUvarint(nil, uint64(max(n, 0))))
}

// fillAscending has pages filled nearly full when keys are added behind the last,
// and half otherwise, as bbolt does by itself.
func fillAscending(t *tree, least string) {
	const full = 0.9
	if lastKey(t) < least {
		t.raw.FillPercent = full
	}
}

func lastKey(t *tree) string {
	last, _ := t.raw.Cursor().Last()
	return string(last)
}

// ends returns the ids of a link in the order in which they are stored.
func (w *linkWriter) ends(source, target string) (first, second string) {
	if w.direction == backward {
		return target, source
	}
	return source, target
}

// store makes or changes a link. It reports a clash where one of the ends is
// linked to another record: then nothing is stored. A link that the caller knew
// (its version is not 0) and that is gone or another one by now is left alone.
func (w *linkWriter) store(link *roster.Link) (clash bool, err error) {
	first, second := w.ends(link.Source, link.Target)
	var before []byte
	if first <= w.lastFirst {
		w.key = append(w.key[:0], first...)
		before = w.links.raw.Get(w.key)
	}
	if before != nil {
		var row linkRow
		if err := row.decode(w.links.open(w.key, before)); err != nil {
			return false, err
		}
		if string(row.back) == second {
			return false, w.change(first, before, &row, link)
		}
	}
	switch held := w.held(second); {
	case before != nil || held:
		if link.Version > 0 {
			return false, nil
		}
		return true, w.noteClash(first, second)
	case link.Version > 0:
		return false, nil
	}
	origin, err := originCode(link.Origin)
	if err != nil {
		return false, err
	}
	row := linkRow{origin: origin, version: 1, made: w.moment}
	var half linkHalf
	if half, w.shorts, err = w.shapes.half(link, w.shorts[:0]); err != nil {
		return false, err
	}
	row.set(w.direction, half)
	if err := w.keepOpen(link.Source, half, false); err != nil {
		return false, err
	}
	return false, w.make(first, second, &row)
}

// held reports whether a backward id is linked.
func (w *linkWriter) held(second string) bool {
	if _, ok := w.pending[second]; ok || second > w.lastSecond {
		return ok
	}
	w.key = append(w.key[:0], second...)
	return w.back.Get(w.key) != nil
}

// noteClash notes at the links that are in the way that another was to be made.
func (w *linkWriter) noteClash(first, second string) error {
	for _, end := range []linkEnd{{forward, first}, {backward, second}} {
		holder, row, err := w.at(end)
		if err != nil {
			return err
		}
		if row == nil {
			continue
		}
		e := roster.LinkEvent{
			What: eventClash, Source: holder, Target: string(row.back), Note: "one of its records was to be linked to another one",
		}
		if err := w.note(e); err != nil {
			return err
		}
	}
	return nil
}

// make stores a link whose ends are both free.
func (w *linkWriter) make(first, second string, row *linkRow) error {
	w.key, w.value = append(w.key[:0], second...), append(w.value[:0], w.by...)
	row.back, row.by, row.changed = w.key, w.value, w.moment
	w.packed = row.append(w.packed[:0])
	w.key = append(w.key[:0], first...)
	if err := w.links.replace(w.key, nil, w.packed); err != nil {
		return err
	}
	w.lastFirst = max(w.lastFirst, first)
	w.pending[second] = first
	w.added++
	if err := w.noteMade(first, second, originOf(row.origin)); err != nil {
		return err
	}
	return w.settle(first, second)
}

// settle removes the intents to create what is linked, in both directions.
func (w *linkWriter) settle(first, second string) error {
	source, target := w.ends(first, second)
	if err := w.here.remove(source); err != nil {
		return err
	}
	return w.there.remove(target)
}

// change stores what the direction of the route knows of a link that is there.
func (w *linkWriter) change(first string, before []byte, row *linkRow, link *roster.Link) (err error) {
	var half linkHalf
	if half, w.shorts, err = w.shapes.half(link, w.shorts[:0]); err != nil {
		return err
	}
	if half.equal(&row.halves[w.direction]) {
		return w.settle(first, string(row.back))
	}
	if err := w.keepOpen(link.Source, half, row.halves[w.direction].open); err != nil {
		return err
	}
	row.set(w.direction, half)
	row.version++
	row.changed = w.moment
	w.packed = row.append(w.packed[:0])
	w.key = append(w.key[:0], first...)
	if err := w.links.replace(w.key, before, w.packed); err != nil {
		return err
	}
	return w.settle(first, string(row.back))
}

// remove removes the link of a source id and returns what it was, nil where there
// was none.
func (w *linkWriter) remove(source string) (*linkRow, error) {
	first, row, err := w.at(linkEnd{w.direction, source})
	if err != nil || row == nil {
		return nil, err
	}
	second := string(row.back)
	if err := w.note(roster.LinkEvent{What: eventRemoved, Source: first, Target: second}); err != nil {
		return nil, err
	}
	if err := w.links.Delete([]byte(first)); err != nil {
		return nil, err
	}
	if err := w.closeOpen(first, row); err != nil {
		return nil, err
	}
	delete(w.pending, second)
	w.added--
	return row, w.back.Delete([]byte(second))
}

// link makes the link that a person wants. A link of the source with another
// target goes.
func (w *linkWriter) link(source, target string) error {
	first, second := w.ends(source, target)
	holder, taken := w.holder(second)
	if w.direction == backward {
		holder = source
		row, err := w.row(first)
		if err != nil {
			return err
		}
		if taken = row != nil; taken {
			holder = string(row.back)
		}
	}
	if taken && holder != source {
		return fmt.Errorf("%w: the target is linked to another record", roster.ErrConflict)
	}
	old, err := w.remove(source)
	if err != nil {
		return err
	}
	manual, err := originCode(roster.LinkManual)
	if err != nil {
		return err
	}
	row := linkRow{origin: manual, version: 1, made: w.moment}
	if old != nil {
		row.version = old.version + 1
	}
	return w.make(first, second, &row)
}
