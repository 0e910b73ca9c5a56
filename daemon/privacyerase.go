package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
)

// ErasePerson removes what is stored of a person.
func (o operations) ErasePerson(ctx context.Context, order admin.EraseOrder) (admin.Erasure, error) {
	return o.erasePerson(ctx, order, o.searchLive)
}

func (o operations) erasePerson(
	ctx context.Context, order admin.EraseOrder, live func(context.Context, *personSearch, string),
) (done admin.Erasure, err error) {
	s, err := o.seek(ctx, order.PersonQuery, live)
	if err != nil {
		return done, err
	}
	refs := make([]string, len(s.jobs))
	for i, job := range s.jobs {
		refs[i] = job.Ref
	}
	// What is linked to the person has to be known to find them in change sets.
	if err := s.gather(ctx); err != nil {
		return done, err
	}
	if len(s.report.Subjects)+len(s.report.Held) == 0 && !order.BlockEmail {
		return done, &roster.Fault{
			Code: "privacy.not_found", Message: "nothing that is stored holds the address, and no record of the person is known",
			Hint: "name a record with --id, or leave out whoever has the address with --block-email",
		}
	}
	erase := func() error {
		busy, err := s.busy(ctx)
		if err != nil {
			return err
		}
		if len(busy) > 0 {
			return errBusy(busy...)
		}
		done, err = s.erase(ctx, order)
		return err
	}
	if len(refs) == 0 {
		err = erase()
	} else {
		err = o.p.runner.WhileAllIdle(ctx, refs, erase)
	}
	if running, ok := errors.AsType[*roster.RunningError](err); ok {
		err = errBusy("run " + running.Run + " of job " + running.Job)
	}
	if err != nil {
		return done, err
	}
	o.overwrite(ctx, &done)
	return done, nil
}

func errBusy(what ...string) error {
	return &roster.Fault{
		Code:    "privacy.busy",
		Message: "nothing was erased, because what is under way may hold the person: " + strings.Join(what, ", "),
		Hint: "wait until it is over and ask again; `rosterd job pause` keeps a schedule from starting the next run meanwhile, " +
			"and `rosterd session close` ends a session that nobody asks for",
	}
}

// erase removes the change sets that name the person, which a person may make again,
// the lines of the record log, and then all that is in the store: a crash before that
// leaves them known, so that the erasure can be asked for once more.
func (s *personSearch) erase(ctx context.Context, order admin.EraseOrder) (admin.Erasure, error) {
	var done admin.Erasure
	changes, err := s.inChangeSets(ctx)
	if err != nil {
		return done, err
	}
	for _, c := range changes {
		if err := s.o.p.changes.Remove(c.run.ID); err != nil {
			return done, err
		}
	}
	if _, err := s.o.p.records.Erase(s.who.Account, s.logged); err != nil {
		return done, err
	}
	logged := slices.DeleteFunc(s.report.Held, func(h roster.Held) bool { return h.Where != roster.HeldLog })
	stone := roster.Tombstone{ID: newID(time.Now()), Account: s.who.Account, At: time.Now().UTC(), By: order.By, Reason: order.Reason}
	s.report.Holding, done.Tombstone, err = s.o.p.store.Erase(ctx, s.who, stone, order.BlockEmail)
	s.report.Held = append(s.report.Held, logged...)
	for _, c := range changes {
		s.report.Held = append(s.report.Held, c.held...)
	}
	s.report.Busy = nil
	s.finish()
	done.PersonReport = s.report
	return done, err
}

// overwrite overwrites what the file of the database still holds.
func (o operations) overwrite(ctx context.Context, done *admin.Erasure) {
	err := o.p.store.Scrub(ctx)
	if done.Overwritten = err == nil; done.Overwritten {
		return
	}
	done.Remains = "free pages of rosterd.db still hold ids of the person until they are used again, because they could not be overwritten now: " +
		"run `rosterd state compact` with the daemon stopped"
	o.p.log.Warn("what was erased is not overwritten in the file of the database", "err", err)
}

// Tombstones tells who is left out.
func (o operations) Tombstones(ctx context.Context, account string) ([]roster.Tombstone, error) {
	return o.p.store.Tombstones(ctx, account)
}

// LiftTombstone lets a person be taken again.
func (o operations) LiftTombstone(ctx context.Context, id, _ string) (roster.Tombstone, error) {
	return o.p.store.LiftTombstone(ctx, id)
}

// Person gathers what is stored of a person, without asking outside systems.
func (o atRest) Person(ctx context.Context, who admin.PersonQuery) (admin.PersonReport, error) {
	s, err := o.seek(ctx, who, notLive)
	if err != nil {
		return admin.PersonReport{}, err
	}
	err = s.gather(ctx)
	return s.report, err
}

// ErasePerson removes what is stored of a person, without asking outside systems.
func (o atRest) ErasePerson(ctx context.Context, order admin.EraseOrder) (admin.Erasure, error) {
	return o.erasePerson(ctx, order, notLive)
}

func notLive(_ context.Context, s *personSearch, _ string) {
	s.report.Unsearched = append(s.report.Unsearched, "no outside system was searched for the address, because no daemon runs")
}
