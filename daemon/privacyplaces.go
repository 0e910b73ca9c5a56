package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/recordlog"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// named is a change set that names the person.
type named struct {
	run  roster.Run
	held []roster.Held
}

// inChangeSets looks for the person in the change sets that are there.
func (s *personSearch) inChangeSets(ctx context.Context) ([]named, error) {
	runs, err := s.o.p.changes.List()
	if err != nil {
		return nil, err
	}
	var found []named
	for _, id := range runs {
		run, err := s.o.p.store.Run(ctx, id)
		if errors.Is(err, roster.ErrNotFound) || err == nil && !strings.HasPrefix(run.Job, s.who.Account+"/") {
			continue
		}
		if err != nil {
			return nil, err
		}
		held, err := s.inChangeSet(run)
		if errors.Is(err, store.ErrNotFound) {
			continue // the run has ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		if len(held) > 0 {
			found = append(found, named{run, held})
		}
	}
	return found, nil
}

func (s *personSearch) inChangeSet(run roster.Run) (held []roster.Held, err error) {
	set, err := s.o.p.changes.Open(run.ID)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	at := run.Asked
	add := func(kind sdk.Kind, record, target string, data []byte) {
		held = append(held, roster.Held{
			Where: roster.HeldChange, Job: run.Job, Run: run.ID, Kind: kind, Record: record, Target: target, State: string(run.State), At: &at, Data: jsonOf(data),
		})
	}
	job := s.now.jobs[run.Job]
	if run.Type == roster.JobSync {
		err = pipeline.Entries(set, func(e pipeline.Entry) error {
			if s.is(job.From, e.Kind, e.Source) || s.is(job.To, e.Kind, append(e.Hits, e.Target)...) || s.is(job.From, sdk.KindStaff, e.Owner) || s.mentioned(e.Data) || s.mentioned(e.Payload) {
				add(e.Kind, e.Source, e.Target, e.Data)
			}
			return nil
		})
		return held, err
	}
	ids, err := set.IDs(0, set.Len())
	if err != nil {
		return nil, err
	}
	err = set.Entries(0, set.Len(), func(entry int, data []byte) error {
		if s.is(job.From, onlyKind(job), ids[entry]) || s.mentioned(data) {
			add(onlyKind(job), ids[entry], "", data)
		}
		return nil
	})
	return held, err
}

// inLog finds the lines of the record log about the person.
func (s *personSearch) inLog(ctx context.Context) error {
	const many = 10_000
	page, err := s.o.p.records.Read(ctx, recordlog.Query{
		Account: s.who.Account, Limit: many, Where: func(l *recordlog.Line) bool { return s.logged(l.Job, &l.LogEntry) },
	})
	if err != nil {
		return err
	}
	for i := range page.Lines {
		l := &page.Lines[i]
		s.report.Held = append(s.report.Held, roster.Held{
			Where: roster.HeldLog, Job: l.Job, Run: l.Run, Kind: l.Kind, Record: l.Record, Target: l.Target, State: l.Code, At: &l.At,
		})
	}
	if page.More {
		s.elsewhere(fmt.Sprintf("the record log has more lines about them than the latest %d: `rosterd log`", many))
	}
	return nil
}

// logged reports whether a line of the record log is about the person. Of a job that
// is not there any more it is not known between which systems it was.
func (s *personSearch) logged(ref string, e *roster.LogEntry) bool {
	job, ok := s.now.jobs[ref]
	if ok {
		return e.Record != "" && s.is(job.From, e.Kind, e.Record) || e.Target != "" && s.is(job.To, e.Kind, e.Target)
	}
	return slices.ContainsFunc(slices.Concat(s.report.Subjects, s.who.Subjects), func(subject roster.Subject) bool {
		return subject.Kind == e.Kind && (subject.ID == e.Record || subject.ID == e.Target)
	})
}

// is reports whether one of some records is the person's. Of an import the kind may
// not be known.
func (s *personSearch) is(conn string, kind sdk.Kind, ids ...string) bool {
	return slices.ContainsFunc(slices.Concat(s.report.Subjects, s.who.Subjects), func(subject roster.Subject) bool {
		return subject.Connection == conn && (kind == "" || subject.Kind == kind) && slices.Contains(ids, subject.ID)
	})
}

func (s *personSearch) mentioned(text []byte) (found bool) {
	if len(s.who.Emails) == 0 {
		return false
	}
	roster.Addresses(text, func(address string) bool {
		found = slices.Contains(s.who.Emails, address)
		return !found
	})
	return found
}

// jsonOf is a copy of what is JSON, nil for what is not.
func jsonOf(data []byte) json.RawMessage {
	if !json.Valid(data) {
		return nil
	}
	return slices.Clone(data)
}
