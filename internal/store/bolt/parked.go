package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// parkedRow is what is stored of a parked create beside its intent: of which route
// and record that is, and the ids that it may be, sealed.
type parkedRow struct {
	job, name string
	mark      byte
	source    string
	hits      []byte
}

func (r *parkedRow) pack() []byte {
	out := appendText(appendText([]byte{r.mark}, r.job), r.name)
	return append(appendText(out, r.source), r.hits...)
}

func unpackParked(raw []byte) (r parkedRow, route roster.Route, err error) {
	in := unpacker{raw: raw}
	r = parkedRow{mark: in.byte(), job: in.text(), name: in.text(), source: in.text()}
	r.hits = in.raw
	route, ok := routeOf(r.name, r.mark)
	if in.failed || !ok {
		return r, route, fmt.Errorf("%w: a parked create cannot be decoded", store.ErrDamaged)
	}
	return r, route, nil
}

// parking is an intent to park with what is personal in it sealed.
type parking struct {
	id            string
	intent        roster.Intent
	hits, payload []byte
}

func (s *Store) prepareParking(route roster.Route, intent roster.Intent) (parking, error) {
	if err := checkLinkIDs(intent.Source); err != nil {
		return parking{}, err
	}
	p := parking{id: s.parkedID(route, intent.Source), intent: intent}
	hits, err := json.Marshal(intent.Hits)
	if err != nil {
		return parking{}, err
	}
	p.hits = s.intentSealer.Seal(hits, place(bucketParked, "", p.id))
	p.payload = s.intentSealer.Seal(intent.Payload, place(bucketParkedPayload, "", p.id))
	return p, nil
}

// park stores an intent that waits for a person, unless its record is linked.
func (w *linkWriter) park(p *parking, job string) error {
	intent := p.intent
	_, link, err := w.at(linkEnd{w.direction, intent.Source})
	if err != nil || link != nil {
		return err
	}
	had, ok, err := w.here.load(intent.Source)
	if err != nil {
		return err
	}
	if ok {
		job = had.job
	}
	if intent.Run == "" {
		intent.Run = w.by
	}
	if intent.Epoch == 0 {
		intent.Epoch = w.s.epoch
	}
	id, state := []byte(p.id), stateParked
	if intent.Review {
		state = stateReview
	}
	hits, err := w.hitsOf(p)
	if err != nil {
		return err
	}
	row := newIntentRow(&intent, state, job)
	if err := w.here.put(intent.Source, &row); err != nil {
		return err
	}
	kept := parkedRow{
		job: job, name: linksName(w.route), mark: directionMarks[w.direction], source: intent.Source, hits: hits,
	}
	if err := errors.Join(bucket(w.tx, bucketParked).Put(id, kept.pack()), bucket(w.tx, bucketParkedPayload).Put(id, p.payload)); err != nil {
		return err
	}
	e := roster.LinkEvent{What: eventParked, Source: intent.Source, Note: intent.Reason}
	if w.direction == backward {
		e = turned(e)
	}
	return w.note(e)
}

// hitsOf is what an intent may be, sealed. One that is parked anew with another
// payload is still what it was found to be.
func (w *linkWriter) hitsOf(p *parking) ([]byte, error) {
	if len(p.intent.Hits) > 0 {
		return p.hits, nil
	}
	before, _, err := loadParked(w.tx, p.id)
	if errors.Is(err, store.ErrNotFound) {
		return p.hits, nil
	}
	return bytes.Clone(before.hits), err
}

// Parked returns the parked creates that the filter selects, ordered by id and
// without payloads.
func (s *Store) Parked(ctx context.Context, filter roster.ParkedFilter) ([]roster.Parked, error) {
	var found []roster.Parked
	var sealed [][]byte
	err := s.view(ctx, "list parked creates", func(tx *txn) error {
		c := bucket(tx, bucketParked).Cursor()
		for k, v := c.Seek([]byte(filter.After)); k != nil; k, v = c.Next() {
			if string(k) == filter.After {
				continue
			}
			row, route, err := unpackParked(v)
			if err != nil {
				return err
			}
			if filter.Job != "" && row.job != filter.Job {
				continue
			}
			one, err := s.parked(tx, string(k), &row, route)
			if err != nil {
				return err
			}
			if filter.Review && !one.Review {
				continue
			}
			found, sealed = append(found, one), append(sealed, bytes.Clone(row.hits))
			if filter.Limit > 0 && len(found) == filter.Limit {
				break
			}
		}
		return nil
	})
	for i := range found {
		if err == nil {
			err = s.openHits(&found[i], sealed[i])
		}
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

// parked puts together what is stored of a parked create in clear.
func (s *Store) parked(tx *txn, id string, row *parkedRow, route roster.Route) (roster.Parked, error) {
	intent, err := s.intentsOf(tx, route).get(row.source)
	if err != nil {
		return roster.Parked{}, err
	}
	if intent == nil {
		return roster.Parked{}, fmt.Errorf("%w: the intent of a parked create is missing", store.ErrDamaged)
	}
	return roster.Parked{ID: id, Job: row.job, Kind: route.Kind, From: route.From, To: route.To, Intent: *intent}, nil
}

func (s *Store) openHits(p *roster.Parked, sealed []byte) error {
	raw, err := s.intentSealer.Open(sealed, place(bucketParked, "", p.ID))
	if err == nil {
		err = json.Unmarshal(raw, &p.Hits)
	}
	if err != nil {
		return fmt.Errorf("read parked create %s: %w", p.ID, err)
	}
	return nil
}

// ParkedByID returns one parked create with its payload, or [store.ErrNotFound].
func (s *Store) ParkedByID(ctx context.Context, id string) (roster.Parked, error) {
	var p roster.Parked
	var hits, payload []byte
	doing := "read parked create " + id
	err := s.view(ctx, doing, func(tx *txn) error {
		row, route, err := loadParked(tx, id)
		if err != nil {
			return err
		}
		hits, payload = bytes.Clone(row.hits), bytes.Clone(bucket(tx, bucketParkedPayload).Get([]byte(id)))
		p, err = s.parked(tx, id, &row, route)
		return err
	})
	if err == nil {
		err = s.openHits(&p, hits)
	}
	if err == nil {
		p.Payload, err = s.openParkedPayload(id, payload)
	}
	if err != nil {
		return roster.Parked{}, err
	}
	return p, nil
}

func (s *Store) openParkedPayload(id string, sealed []byte) ([]byte, error) {
	payload, err := s.intentSealer.Open(sealed, place(bucketParkedPayload, "", id))
	if err != nil {
		return nil, fmt.Errorf("read parked create %s: %w", id, err)
	}
	return payload, nil
}

func loadParked(tx *txn, id string) (parkedRow, roster.Route, error) {
	raw := bucket(tx, bucketParked).Get([]byte(id))
	if raw == nil {
		return parkedRow{}, roster.Route{}, store.ErrNotFound
	}
	return unpackParked(raw)
}

// SettleParked does what a person decided about a parked create: by says who. A
// link goes to target and fails with [roster.ErrConflict] when that is linked to
// another record. Its record goes into the quarantine of its job, from where the
// next run compares it although the source does not give it again; so does that of
// a create, which the next run sends: of a review without matching it again. A
// dropped one stays known, so that it is not sent until the record changes.
func (s *Store) SettleParked(ctx context.Context, id string, verdict roster.ParkedVerdict, target, by string) error {
	doing := "settle parked create " + id
	switch verdict {
	case roster.ParkedLink:
		if err := checkLinkIDs(target); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	case roster.ParkedCreate, roster.ParkedDrop:
	default:
		return fmt.Errorf("%s: %w: there is no such verdict", doing, roster.ErrInvalid)
	}
	return s.update(ctx, doing, func(tx *txn) error {
		row, route, err := loadParked(tx, id)
		if err != nil {
			return err
		}
		w, err := s.linkWriter(tx, route, by)
		if err != nil {
			return err
		}
		switch verdict {
		case roster.ParkedLink:
			if err = s.checkErased(tx, route.To, route.Kind, target); err != nil {
				return err
			}
			if err = w.takeUp(id, &row, roster.CodeParkedLinked, "it was parked, and a person linked it; the next run compares it"); err == nil {
				err = w.link(row.source, target)
			}
		case roster.ParkedCreate:
			err = w.takeUp(id, &row, roster.CodeParkedCreate, "it was parked, and a person decided that it is to be created")
			if err == nil {
				err = w.release(row.source)
			}
		case roster.ParkedDrop:
			err = w.drop(row.source)
		}
		if err != nil {
			return err
		}
		return w.end()
	})
}

// takeUp puts the record of a parked create into the quarantine of its job, for
// the next run, in the form that it was read last. A record whose values are not
// known comes with the source only.
func (w *linkWriter) takeUp(id string, row *parkedRow, code, reason string) error {
	payload, err := w.s.openParkedPayload(id, bucket(w.tx, bucketParkedPayload).Get([]byte(id)))
	if err != nil {
		return err
	}
	if len(payload) == 0 && code == roster.CodeParkedLinked {
		return nil
	}
	intent, _, err := w.here.load(row.source)
	if err != nil {
		return err
	}
	q := roster.Quarantined{
		Job: row.job, Run: intent.run, Kind: w.route.Kind, Record: row.source, Stage: roster.StageDeliver,
		Code: code, Reason: reason, At: timeOf(w.moment), Payload: payload,
	}
	if err := w.takeLater(&q, timeOf(intent.armed)); err != nil {
		return err
	}
	entries, err := w.s.prepareAll([]roster.Quarantined{q})
	if err != nil {
		return err
	}
	_, err = entries[0].put(w.tx)
	return err
}

// takeLater gives an entry the form of its record that was refused since a time and
// waits in the quarantine with its values, if there is one.
func (w *linkWriter) takeLater(q *roster.Quarantined, since time.Time) error {
	rows := peek(w.tx, bucketQuarantine, q.Job)
	if rows == nil {
		return nil
	}
	e, ok, err := newest(q.Job, rows, w.s.quarantineID(q))
	if err != nil || !ok || e.row.Stage == roster.StageRead || e.row.At.Before(since) {
		return err
	}
	sealed := peek(w.tx, bucketPayload, q.Job).Get([]byte(e.key))
	q.Run, q.Form = e.run(), e.row.Form
	q.Payload, err = w.s.sealer.Open(sealed, place(bucketPayload, q.Job, e.key))
	return err
}

// release lets a parked create be sent. Of one that was parked for a review it stays
// known that a person has decided.
func (w *linkWriter) release(source string) error {
	row, ok, err := w.here.load(source)
	switch {
	case err != nil || !ok:
		return err
	case row.state != stateReview:
		return w.here.remove(source)
	}
	decided := row
	decided.state, decided.reason = stateNew, ""
	return w.here.put(source, &decided)
}

// drop leaves of a parked create what tells whether the record has changed.
func (w *linkWriter) drop(source string) error {
	row, ok, err := w.here.load(source)
	if err != nil || !ok {
		return err
	}
	dropped := row
	dropped.state = stateDropped
	return w.here.put(source, &dropped)
}
