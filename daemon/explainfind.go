package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// emailSearch looks for the records of a job that have an e-mail address.
type emailSearch struct {
	o     operations
	job   roster.Job
	email string
	found []admin.FoundRecord
	// searched says where it was looked, for a person.
	searched []string
}

// The bounds of a walk through the source.
const (
	walkRecords = 20_000
	walkTime    = 20 * time.Second
	walkPage    = 500
)

// askTime bounds how long each system may take to search.
const askTime = 10 * time.Second

// isEmail reports whether a text may be an e-mail address.
func isEmail(text string) bool {
	name, domain, ok := strings.Cut(text, "@")
	return ok && name != "" && strings.Contains(domain, ".") && !strings.ContainsAny(text, " <>,;")
}

func (o operations) search(ref, email string) *emailSearch {
	return &emailSearch{o: o, job: o.p.now().jobs[ref], email: email}
}

// ids are the ids in the source that were found, each once.
func (s *emailSearch) ids() []string {
	var ids []string
	for _, f := range s.found {
		if f.Record != "" && !slices.Contains(ids, f.Record) {
			ids = append(ids, f.Record)
		}
	}
	return ids
}

func (s *emailSearch) add(f admin.FoundRecord) {
	if !slices.Contains(s.found, f) {
		s.found = append(s.found, f)
	}
}

func (s *emailSearch) note(format string, args ...any) {
	s.searched = append(s.searched, fmt.Sprintf(format, args...))
}

// everywhere searches what is at hand, then asks both systems, and walks through the
// source where that finds nothing.
func (s *emailSearch) everywhere(ctx context.Context) error {
	if err := s.stored(ctx); err != nil {
		return err
	}
	if s.job.Type == roster.JobSync {
		s.ask(ctx, "target", s.job.To, func(ctx context.Context, kind sdk.Kind, id string) error {
			return s.ofTarget(ctx, kind, id)
		})
	}
	from, _ := s.o.p.now().connection(s.job.From)
	if from.Adapter == roster.AdapterInbound {
		return nil // what waits of it was searched
	}
	s.ask(ctx, "source", s.job.From, func(_ context.Context, kind sdk.Kind, id string) error {
		s.add(admin.FoundRecord{Kind: kind, Record: id, Where: "source"})
		return nil
	})
	if len(s.ids()) == 0 {
		s.walk(ctx)
	}
	return nil
}

// stored searches the records that the daemon keeps with their values.
func (s *emailSearch) stored(ctx context.Context) error {
	if err := s.quarantined(ctx); err != nil {
		return err
	}
	s.note("what is in the quarantine")
	if s.job.Type != roster.JobSync {
		return nil
	}
	parked, err := s.o.p.store.Parked(ctx, roster.ParkedFilter{Job: s.job.Ref})
	if err != nil {
		return err
	}
	for _, p := range parked {
		one, err := s.o.p.store.ParkedByID(ctx, p.ID)
		if errors.Is(err, roster.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if payloadHas(one.Payload, s.email) {
			s.add(admin.FoundRecord{Kind: p.Kind, Record: p.Source, Where: "parked"})
		}
	}
	s.note("what waits for a person")
	return s.pushed(ctx)
}

func (s *emailSearch) quarantined(ctx context.Context) error {
	for after := ""; ; {
		page, err := s.o.p.store.RetryQuarantine(ctx, s.job.Ref, after, walkPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, q := range page {
			if q.Record != "" && payloadHas(q.Payload, s.email) {
				s.add(admin.FoundRecord{Kind: q.Kind, Record: q.Record, Where: "quarantine"})
			}
		}
		after = page[len(page)-1].ID
	}
}

// pushed searches what another system has pushed.
func (s *emailSearch) pushed(ctx context.Context) error {
	from, _ := s.o.p.now().connection(s.job.From)
	if from.Adapter != roster.AdapterInbound {
		return nil
	}
	for _, kind := range s.job.Kinds {
		for after := uint64(0); ; {
			page, err := s.o.p.store.InboundAfter(ctx, s.job.From, kind, after, walkPage)
			if err != nil {
				return err
			}
			for _, record := range page {
				after = record.Seq
				for _, value := range record.Fields {
					if value != nil && hasAddress([]byte(*value), s.email) {
						s.add(admin.FoundRecord{Kind: kind, Record: record.ID, Where: "pushed"})
					}
				}
			}
			if len(page) < walkPage {
				break
			}
		}
	}
	s.note("what was pushed and waits")
	return nil
}

// people are the kinds of the job that are searched by an e-mail address.
func (s *emailSearch) people() []sdk.Kind {
	return slices.DeleteFunc(slices.Clone(s.job.Kinds), func(kind sdk.Kind) bool {
		return kind != sdk.KindProspect && kind != sdk.KindMember
	})
}

// ask has a system search. What goes wrong there is told and ends nothing.
func (s *emailSearch) ask(ctx context.Context, side, ref string, take func(ctx context.Context, kind sdk.Kind, id string) error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	conn, err := s.o.p.now().connectReadOnly(ctx, ref, "")
	if err != nil {
		s.note("not the %s, which cannot be opened: %s", side, reasonOf(err))
		return
	}
	defer func() { _ = conn.Close() }() // it was only read
	if !conn.Has(sdk.AbilityFinder) {
		s.note("not by the %s itself, whose adapter lacks the ability %s", side, sdk.AbilityFinder)
		return
	}
	for _, kind := range s.people() {
		query := sdk.Query{Fields: map[string]string{"email": s.email}, Limit: walkPage}
		res, err := conn.Find(ctx, sdk.FindRequest{Kind: kind, Queries: []sdk.Query{query}})
		for _, matches := range res.Matches {
			for _, m := range matches {
				if err == nil {
					err = take(ctx, kind, m.ID)
				}
			}
		}
		if err != nil {
			s.note("not each %s of the %s, which cannot be searched so: %s", kind, side, reasonOf(err))
			continue
		}
		s.note("each %s of the %s", kind, side)
	}
}

// ofTarget takes a record that the target has: by its link, where it has one.
func (s *emailSearch) ofTarget(ctx context.Context, kind sdk.Kind, id string) error {
	standings, err := s.o.p.store.Standings(ctx, roster.Route{From: s.job.To, To: s.job.From, Kind: kind}, []string{id})
	if err != nil {
		return err
	}
	f := admin.FoundRecord{Kind: kind, Target: id, Where: "target"}
	if link := standings[0].Link; link.Version > 0 {
		f.Record = link.Target
	}
	s.add(f)
	return nil
}

// walk reads the source and looks at every value, up to a bound.
func (s *emailSearch) walk(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, walkTime)
	defer cancel()
	conn, err := s.o.p.now().connectReadOnly(ctx, s.job.From, sdk.AbilitySource)
	if err != nil {
		s.note("not record by record, since the source cannot be opened: %s", reasonOf(err))
		return
	}
	defer func() { _ = conn.Close() }() // it was only read
	read := 0
	for _, kind := range s.people() {
		var after sdk.Cursor
		for {
			page, err := conn.Read(ctx, sdk.ReadRequest{Kind: kind, After: after, Limit: walkPage})
			if err != nil {
				s.note("the first %d records of the source, one by one; then it could not be read on: %s", read, reasonOf(err))
				return
			}
			s.look(page)
			read += page.Rows
			if page.Done {
				break
			}
			if read >= walkRecords || string(page.Next) == string(after) {
				s.note("the first %d records of the source, one by one; not the others", read)
				return
			}
			after = page.Next
		}
	}
	s.note("all %d records of the source, one by one", read)
}

// look looks at every value of a page.
func (s *emailSearch) look(page *sdk.Page) {
	for i := range page.Rows {
		row := page.Row(i)
		for column := range page.Columns {
			if hasAddress(row.Cell(column).Bytes(), s.email) {
				s.add(admin.FoundRecord{Kind: page.Kind, Record: row.ID(), Where: "source"})
				break
			}
		}
	}
}

// payloadHas reports whether a source record that was kept has an e-mail address.
func payloadHas(payload []byte, email string) bool {
	var record struct {
		Fields map[string]any `json:"fields"`
	}
	if json.Unmarshal(payload, &record) != nil || record.Fields == nil {
		return hasAddress(payload, email) // what could be read of it
	}
	for _, value := range record.Fields {
		if hasAddress([]byte(fmt.Sprint(value)), email) {
			return true
		}
	}
	return false
}

// hasAddress reports whether a value is an e-mail address or has it among others,
// whatever the case. Part of a longer address is none.
func hasAddress(value []byte, email string) bool {
	if !bytes.Contains(value, []byte("@")) {
		return false
	}
	inAddress := func(r rune) bool {
		return r > ' ' && !strings.ContainsRune(`"'<>()[],;:\`, r)
	}
	for word := range strings.FieldsFuncSeq(string(value), func(r rune) bool { return !inAddress(r) }) {
		if strings.EqualFold(strings.TrimSuffix(word, "."), email) {
			return true
		}
	}
	return false
}
