package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// intentRow is an intent as it is stored in clear.
type intentRow struct {
	state          byte
	job, run       string
	entry, attempt int
	epoch, row     uint64
	armed          int64
	reason         string
}

// The states of intents as they are stored: their place in this list. What is
// parked for a review has a place of its own.
func intentStates() [5]roster.IntentState {
	return [...]roster.IntentState{
		roster.IntentArmed, roster.IntentParked, roster.IntentDropped, roster.IntentParked, roster.IntentNew,
	}
}

const (
	stateArmed byte = iota
	stateParked
	stateDropped
	stateReview
	stateNew
)

func newIntentRow(intent *roster.Intent, state byte, job string) intentRow {
	return intentRow{
		state: state, job: job, run: intent.Run, entry: intent.Entry, attempt: intent.Attempt,
		epoch: intent.Epoch, row: intent.Row, armed: nanos(intent.Armed), reason: intent.Reason,
	}
}

func (r *intentRow) pack() []byte {
	out := append(make([]byte, 0, 128), r.state)
	out = appendText(appendText(appendText(out, r.job), r.run), r.reason)
	out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(r.entry)), uint64(r.attempt))
	out = binary.LittleEndian.AppendUint64(out, r.epoch)
	out = binary.LittleEndian.AppendUint64(out, r.row)
	return binary.LittleEndian.AppendUint64(out, uint64(r.armed))
}

func unpackIntent(raw []byte) (intentRow, error) {
	in := unpacker{raw: raw}
	r := intentRow{state: in.byte(), job: in.text(), run: in.text(), reason: in.text()}
	r.entry, r.attempt = int(in.uvarint(math.MaxInt)), int(in.uvarint(math.MaxInt))
	r.epoch, r.row, r.armed = in.uint64(), in.uint64(), int64(in.uint64())
	if in.failed || len(in.raw) > 0 || r.state > stateNew {
		return intentRow{}, fmt.Errorf("%w: an intent cannot be decoded", store.ErrDamaged)
	}
	return r, nil
}

func (r *intentRow) intent(route roster.Route, source string) roster.Intent {
	return roster.Intent{
		Route: route, Source: source, State: intentStates()[r.state], Run: r.run, Entry: r.entry, Attempt: r.attempt,
		Epoch: r.epoch, Armed: timeOf(r.armed), Row: r.row, Review: r.state == stateReview, Reason: r.reason,
	}
}

// intents are those of a link set and a kind. Their keys lead with the direction.
type intents struct {
	s     *Store
	tx    *txn
	route roster.Route
	tree  *tree
	key   []byte
}

func (s *Store) intentsOf(tx *txn, route roster.Route) *intents {
	return &intents{s: s, tx: tx, route: route, tree: peek(tx, bucketIntents, linksName(route))}
}

// directionMarks lead the keys of intents.
const directionMarks = "><"

func (t *intents) keyOf(source string) []byte {
	t.key = append(append(t.key[:0], directionMarks[directionOf(t.route)]), source...)
	return t.key
}

func (t *intents) load(source string) (row intentRow, ok bool, err error) {
	if t.tree == nil {
		return row, false, nil
	}
	raw := t.tree.Get(t.keyOf(source))
	if raw == nil {
		return row, false, nil
	}
	row, err = unpackIntent(raw)
	return row, err == nil, err
}

func (t *intents) get(source string) (*roster.Intent, error) {
	row, ok, err := t.load(source)
	if err != nil || !ok {
		return nil, err
	}
	intent := row.intent(t.route, source)
	return &intent, nil
}

// put stores an intent and keeps the index of armed ones in step.
func (t *intents) put(source string, row *intentRow) error {
	if err := t.remove(source); err != nil {
		return err
	}
	if row.state == stateArmed {
		if err := bucket(t.tx, bucketIntentsByRun).Put(t.runKey(row, source), nil); err != nil {
			return err
		}
	}
	if t.tree == nil {
		var err error
		if t.tree, err = nested(t.tx, bucketIntents, linksName(t.route)); err != nil {
			return err
		}
	}
	return t.tree.Put(t.keyOf(source), row.pack())
}

// remove removes an intent with all that is known of it, if there is one.
func (t *intents) remove(source string) error {
	row, ok, err := t.load(source)
	if err != nil || !ok {
		return err
	}
	switch row.state {
	case stateArmed:
		err = bucket(t.tx, bucketIntentsByRun).Delete(t.runKey(&row, source))
	case stateParked, stateReview:
		id := []byte(t.s.parkedID(t.route, source))
		err = errors.Join(bucket(t.tx, bucketParked).Delete(id), bucket(t.tx, bucketParkedPayload).Delete(id))
	}
	if err == nil {
		err = t.tree.Delete(t.keyOf(source))
	}
	return err
}

// parkedID names a parked create by what it is about, keyed so that it tells
// nothing of the record.
func (s *Store) parkedID(route roster.Route, source string) string {
	return keyedName(s.parkedKey, idChars, route.From, route.To, string(route.Kind), source)
}

// runKey is where an armed intent stands in the index by run: the run, the entry
// in 8 bytes, the name of the links and the key of the intent, with zero bytes
// behind the run and the name.
func (t *intents) runKey(row *intentRow, source string) []byte {
	key := runPrefix(row.run)
	key = binary.BigEndian.AppendUint64(key, uint64(row.entry))
	key = append(append(key, linksName(t.route)...), 0)
	return append(key, t.keyOf(source)...)
}

// entryBytes is the length of an entry in the index by run.
const entryBytes = 8

func runPrefix(run string) []byte { return append([]byte(run), 0) }

// cutRunKey returns the route and the source that a key of the index names, which
// begins behind its entry.
func cutRunKey(rest string) (route roster.Route, source string, ok bool) {
	name, key, ok := strings.Cut(rest, "\x00")
	if !ok || key == "" {
		return route, "", false
	}
	route, ok = routeOf(name, key[0])
	return route, key[1:], ok
}

// routeOf is the route that the name of links and a direction's mark stand for.
func routeOf(name string, mark byte) (roster.Route, bool) {
	parts := strings.Split(name, " ")
	if len(parts) != 3 {
		return roster.Route{}, false
	}
	route := roster.Route{From: parts[0], To: parts[1], Kind: sdk.Kind(parts[2])}
	if mark == directionMarks[backward] {
		route = route.Reverse()
	}
	return route, true
}
