package bolt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// intents finds the creates of the person's records, parked ones with what waits
// with them.
func (p *search) intents() error {
	routes, err := p.routes()
	if err != nil {
		return err
	}
	for _, subject := range p.subjects {
		for _, forward := range routes {
			end, ok := endOf(forward, subject)
			if !ok {
				continue
			}
			route := forward
			if end.direction == backward {
				route = forward.Reverse()
			}
			if err := p.intent(route, subject.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *search) intent(route roster.Route, source string) error {
	rows := p.s.intentsOf(p.tx, route)
	intent, err := rows.get(source)
	if err != nil || intent == nil {
		return err
	}
	armed := intent.Armed
	held := roster.Held{
		Where: roster.HeldIntent, From: route.From, To: route.To, Kind: route.Kind, Record: source, Run: intent.Run,
		State: string(intent.State), At: &armed,
	}
	var data any = intent
	if intent.State == roster.IntentParked {
		held.Where, held.Entry = roster.HeldParked, p.s.parkedID(route, source)
		one, err := p.parked(held.Entry)
		if err != nil {
			return err
		}
		held.Job, data = one.Job, withRecord{one, one.Payload}
	}
	return p.note(held, data, func() error { return p.s.intentsOf(p.tx, route).remove(source) })
}

// withRecord is something with the record that is sealed beside it.
type withRecord struct {
	What   any     `json:"what"`
	Record rawText `json:"values"`
}

// rawText is written as it is where it is JSON, and as a text otherwise.
type rawText []byte

// MarshalJSON writes the text.
func (t rawText) MarshalJSON() ([]byte, error) {
	if json.Valid(t) {
		return t, nil
	}
	return json.Marshal(strings.ToValidUTF8(string(t), "\uFFFD"))
}

func (p *search) parked(id string) (roster.Parked, error) {
	row, route, err := loadParked(p.tx, id)
	if err != nil {
		return roster.Parked{}, err
	}
	one, err := p.s.parked(p.tx, id, &row, route)
	if err == nil {
		err = p.s.openHits(&one, bytes.Clone(row.hits))
	}
	if err == nil {
		one.Payload, err = p.s.openParkedPayload(id, bucket(p.tx, bucketParkedPayload).Get([]byte(id)))
	}
	return one, err
}

// eachParked calls visit with the parked creates of the account.
func (p *search) eachParked(visit func(id string, row *parkedRow, route roster.Route) error) error {
	return bucket(p.tx, bucketParked).ForEach(func(key, raw []byte) error {
		row, route, err := unpackParked(raw)
		if err != nil || !p.mine(row.name) {
			return err
		}
		return visit(string(key), &row, route)
	})
}

func (p *search) addressedParked() error {
	return p.eachParked(func(id string, row *parkedRow, route roster.Route) error {
		payload, err := p.s.openParkedPayload(id, bucket(p.tx, bucketParkedPayload).Get([]byte(id)))
		if err == nil && p.mentioned(payload) {
			p.add(roster.Subject{Connection: route.From, Kind: route.Kind, ID: row.source})
		}
		return err
	})
}

// hits finds parked creates of others of which the person's record is one that they
// may be.
func (p *search) hits() error {
	return p.eachParked(func(id string, row *parkedRow, route roster.Route) error {
		if p.known[roster.Subject{Connection: route.From, Kind: route.Kind, ID: row.source}] {
			return nil
		}
		var one roster.Parked
		one.ID = id
		if err := p.s.openHits(&one, row.hits); err != nil {
			return err
		}
		others := slices.DeleteFunc(slices.Clone(one.Hits), func(hit string) bool {
			return p.known[roster.Subject{Connection: route.To, Kind: route.Kind, ID: hit}]
		})
		if len(others) == len(one.Hits) {
			return nil
		}
		raw, err := json.Marshal(others)
		if err != nil {
			return err
		}
		changed := *row
		changed.hits = p.s.intentSealer.Seal(raw, place(bucketParked, "", id))
		packed := changed.pack()
		held := roster.Held{Where: roster.HeldParked, From: route.From, To: route.To, Kind: route.Kind, Entry: id, State: "of_another_record"}
		return p.note(held, nil, func() error { return bucket(p.tx, bucketParked).Put([]byte(id), packed) })
	})
}

// eachRefused calls visit with the refused records of the account.
func (p *search) eachRefused(visit func(job string, key string, q roster.Quarantined) error) error {
	for _, job := range bucket(p.tx, bucketQuarantine).names() {
		if !p.mine(job) {
			continue
		}
		err := peek(p.tx, bucketQuarantine, job).ForEach(func(key, raw []byte) error {
			e := quarantineEntry{job: job, key: string(key)}
			if err := json.Unmarshal(raw, &e.row); err != nil {
				return fmt.Errorf("%w: decode entry %s: %w", store.ErrDamaged, e.id(), err)
			}
			q, err := p.s.opened(&e)
			if err != nil {
				return err
			}
			return visit(job, e.key, q)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *search) refusedPayload(job, key string) ([]byte, error) {
	b := peek(p.tx, bucketPayload, job)
	if b == nil {
		return nil, fmt.Errorf("%w: a refused record has no values", store.ErrDamaged)
	}
	return p.s.sealer.Open(b.Get([]byte(key)), place(bucketPayload, job, key))
}

func (p *search) addressedQuarantine() error {
	return p.eachRefused(func(job, key string, q roster.Quarantined) error {
		payload, err := p.refusedPayload(job, key)
		if err == nil && p.mentioned(payload) {
			p.add(roster.Subject{Connection: p.who.Sources[job], Kind: q.Kind, ID: q.Record})
		}
		return err
	})
}

// quarantine finds refused records by their ids, and by an address in their values:
// some could not be read so far as to have an id.
func (p *search) quarantine() error {
	return p.eachRefused(func(job, key string, q roster.Quarantined) error {
		byID := q.Record != "" && p.known[roster.Subject{Connection: p.who.Sources[job], Kind: q.Kind, ID: q.Record}]
		if !byID && p.mentioned == nil {
			return nil
		}
		var err error
		if q.Payload, err = p.refusedPayload(job, key); err != nil || !byID && !p.mentioned(q.Payload) {
			return err
		}
		held := roster.Held{
			Where: roster.HeldQuarantine, Job: job, Run: q.Run, Kind: q.Kind, Record: q.Record, Entry: q.ID, State: q.Code, At: &q.At,
		}
		payload := q.Payload
		q.Payload = nil
		return p.note(held, withRecord{q, payload}, func() error { return dropEntries(p.tx, job, [][]byte{[]byte(key)}) })
	})
}

// inboundRow is a pushed record with where it waits.
type inboundRow struct {
	conn   string
	record roster.Inbound
	name   []byte
}

func (p *search) addressedInbound() error {
	return p.eachPushed(func(row inboundRow) error {
		for _, text := range row.record.Fields {
			if text != nil && p.mentioned([]byte(*text)) {
				p.add(roster.Subject{Connection: row.conn, Kind: row.record.Kind, ID: row.record.ID})
			}
		}
		return nil
	})
}

// eachPushed calls visit with what was pushed to the account's connections.
func (p *search) eachPushed(visit func(inboundRow) error) error {
	for _, name := range bucket(p.tx, bucketInbound).names() {
		conn, kind, ok := strings.Cut(name, " ")
		if !ok || !p.mine(name) {
			continue
		}
		err := peek(p.tx, bucketInbound, name).ForEach(func(key, row []byte) error {
			record, err := p.s.openInbound(conn, sdk.Kind(kind), key, row)
			if err != nil {
				return err
			}
			return visit(inboundRow{conn, record, bytes.Clone(row[:inboundName])})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inbound finds what was pushed of the person and waits. A prospect and a member of
// one id are the same record there.
func (p *search) inbound() error {
	seen := map[string]bool{}
	for _, subject := range p.subjects {
		index := peek(p.tx, bucketInboundLatest, subject.Connection)
		if index == nil {
			continue
		}
		name := p.s.inboundName(subject.Connection, subject.Kind, subject.ID)
		stored := index.Get(name)
		if stored == nil || seen[string(name)] {
			continue
		}
		seen[string(name)] = true
		kind, seq := cutInbound(stored)
		record, err := p.s.inboundAt(p.tx, subject.Connection, kind, seq)
		if err != nil {
			return err
		}
		held := roster.Held{Where: roster.HeldInbound, From: subject.Connection, Kind: kind, Record: record.ID, At: &record.At, State: "waiting"}
		drop := func() error { return dropPushed(p.tx, subject.Connection, kind, seq, name) }
		if err := p.note(held, record, drop); err != nil {
			return err
		}
	}
	return nil
}

func dropPushed(tx *txn, conn string, kind sdk.Kind, seq uint64, name []byte) error {
	rows, index := peek(tx, bucketInbound, inboundRows(conn, kind)), peek(tx, bucketInboundLatest, conn)
	if err := rows.Delete(seqKey(seq)); err != nil {
		return err
	}
	if err := index.Delete(name); err != nil {
		return err
	}
	state := readInboundState(index)
	state.waiting--
	return state.write(index)
}

// sessions finds the person among the clients of imports of which the target may
// still tell something. What became of a client is kept by its place: without the
// index nobody can say whose it is.
func (p *search) sessions() error {
	return bucket(p.tx, bucketSessionsAwaiting).ForEach(func(key, _ []byte) error {
		var session roster.Session
		if err := load(bucket(p.tx, bucketSessions), key, &session); err != nil {
			return err
		}
		if !p.mine(session.Job) {
			return nil
		}
		return p.clients(session)
	})
}

func (p *search) clients(session roster.Session) error {
	index := bucket(p.tx, bucketSessionClients).Get([]byte(session.ID))
	outcomes, err := decodeOutcomes(bucket(p.tx, bucketSessionOutcomes).Get([]byte(session.ID)), nil)
	if err != nil {
		return err
	}
	hash, found := p.s.clientHash(session.ID), map[[hashBytes]byte]bool{}
	for _, subject := range p.subjects {
		name := hash(subject.ID)
		at := searchClient(index, name)
		if subject.Connection != p.who.Sources[session.Job] || at < 0 || found[name] {
			continue
		}
		found[name] = true
		state := roster.OutcomeUnknown
		if at < len(outcomes) {
			state = outcomes[at]
		}
		created := session.Created
		held := roster.Held{
			Where: roster.HeldSession, Job: session.Job, Run: session.Run, Session: session.ID, Kind: subject.Kind, Record: subject.ID,
			At: &created, State: outcomeWords()[state],
		}
		if err := p.note(held, map[string]int{"place": at}, nil); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		return nil
	}
	var others []byte
	for ; len(index) >= indexEntry; index = index[indexEntry:] {
		if !found[[hashBytes]byte(index[:hashBytes])] {
			others = append(others, index[:indexEntry]...)
		}
	}
	p.drops = append(p.drops, func() error { return bucket(p.tx, bucketSessionClients).Put([]byte(session.ID), others) })
	return nil
}

// outcomeWords are the words of outcomes, by their numbers.
func outcomeWords() [5]string { return [...]string{"unknown", "failed", "kept", "updated", "created"} }

// tombstones finds those that leave the person out already. They stay.
func (p *search) tombstones() error {
	m := p.s.aliasesOf(p.who.Account)
	wanted := map[alias]bool{}
	for _, subject := range p.subjects {
		wanted[m.record(subject.Connection, subject.Kind, subject.ID)] = true
	}
	for _, address := range p.who.Emails {
		wanted[m.email(address)] = true
	}
	return eachTombstone(p.tx, p.who.Account, func(row *tombstoneRow) error {
		if !slices.ContainsFunc(slices.Concat(row.Records, row.Emails), func(m alias) bool { return wanted[m] }) {
			return nil
		}
		at := row.At
		return p.note(roster.Held{Where: roster.HeldTombstone, Entry: row.ID, At: &at}, row.tombstone(), nil)
	})
}
