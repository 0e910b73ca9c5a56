package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// ApproveRun lets a planned or blocked run go on.
func (o operations) ApproveRun(ctx context.Context, id string) (roster.Run, error) {
	return o.p.runner.Approve(ctx, id)
}

// syncJob finds a job that is a sync.
func (o operations) syncJob(ref string) (roster.Job, error) {
	job, ok := o.p.now().jobs[ref]
	if !ok {
		return job, &admin.UnknownJobError{Job: ref}
	}
	if job.Type != roster.JobSync {
		return job, &roster.Fault{
			Code: "job.type", Message: fmt.Sprintf("job %s is of type %s, and only a sync keeps links", ref, job.Type),
			Hint: "see the jobs with `rosterd status`",
		}
	}
	return job, nil
}

// route finds out which links are meant.
func (o operations) route(set admin.LinkSet) (roster.Route, error) {
	if set.Job != "" {
		job, err := o.syncJob(set.Job)
		return roster.Route{From: job.From, To: job.To, Kind: set.Kind}, err
	}
	for _, ref := range []string{set.From, set.To} {
		if _, ok := o.p.now().connection(ref); !ok {
			return roster.Route{}, fmt.Errorf("connection %s: %w", ref, roster.ErrNotFound)
		}
	}
	return roster.Route{From: set.From, To: set.To, Kind: set.Kind}, nil
}

// Links lists links.
func (o operations) Links(ctx context.Context, set admin.LinkSet, filter roster.LinkFilter) ([]roster.Link, error) {
	route, err := o.route(set)
	if err != nil {
		return nil, err
	}
	return o.p.store.Links(ctx, route, filter)
}

// Link tells what is known of a record by its id at either end.
func (o operations) Link(ctx context.Context, set admin.LinkSet, id string) (admin.LinkReport, error) {
	route, err := o.route(set)
	if err != nil {
		return admin.LinkReport{}, err
	}
	report, known, err := o.linkReport(ctx, route, id)
	if err != nil || known {
		return report, err
	}
	back, err := o.p.store.Link(ctx, route.Reverse(), id)
	switch {
	case err == nil:
		report, _, err = o.linkReport(ctx, route, back.Target)
		return report, err
	case !errors.Is(err, store.ErrNotFound):
		return report, err
	}
	events, err := o.p.store.LinkHistory(ctx, route.Reverse(), id)
	for _, e := range events {
		e.Source, e.Target = e.Target, e.Source
		report.History = append(report.History, e)
	}
	if err == nil && len(events) == 0 {
		err = fmt.Errorf("no %s with this id was linked between %s and %s: %w", route.Kind, route.From, route.To, roster.ErrNotFound)
	}
	return report, err
}

// linkReport gathers what is stored of a source record, and reports whether
// anything is.
func (o operations) linkReport(ctx context.Context, route roster.Route, source string) (admin.LinkReport, bool, error) {
	report := admin.LinkReport{From: route.From, To: route.To, Kind: route.Kind}
	standings, err := o.p.store.Standings(ctx, route, []string{source})
	if err != nil {
		return report, false, err
	}
	if s := standings[0]; s.Link.Version > 0 {
		report.Link = &s.Link
	} else if s.Intent != nil {
		report.Pending = &admin.Pending{
			State: s.Intent.State, Run: s.Intent.Run, Attempt: s.Intent.Attempt, Armed: s.Intent.Armed,
			Review: s.Intent.Review, Reason: s.Intent.Reason,
		}
		if report.Pending.Parked, err = o.parkedID(ctx, route, source); err != nil {
			return report, false, err
		}
	}
	report.History, err = o.p.store.LinkHistory(ctx, route, source)
	return report, report.Link != nil || report.Pending != nil || len(report.History) > 0, err
}

// parkedID finds the id by which the create of a record is settled, empty where
// none is parked.
func (o operations) parkedID(ctx context.Context, route roster.Route, source string) (string, error) {
	parked, err := o.p.store.Parked(ctx, roster.ParkedFilter{})
	at := slices.IndexFunc(parked, func(p roster.Parked) bool {
		return p.Source == source && p.Kind == route.Kind && p.From == route.From && p.To == route.To
	})
	if err != nil || at < 0 {
		return "", err
	}
	return parked[at].ID, nil
}

// SetLink links two records.
func (o operations) SetLink(ctx context.Context, set admin.LinkSet, source, target, by string) error {
	route, err := o.route(set)
	if err != nil {
		return err
	}
	return o.p.store.SetLink(ctx, route, source, target, by)
}

// RemoveLink removes a link.
func (o operations) RemoveLink(ctx context.Context, set admin.LinkSet, source, by string) error {
	route, err := o.route(set)
	if err != nil {
		return err
	}
	return o.p.store.RemoveLink(ctx, route, source, by)
}

// Parked lists creates that wait for a person.
func (o operations) Parked(ctx context.Context, filter roster.ParkedFilter) ([]roster.Parked, error) {
	return o.p.store.Parked(ctx, filter)
}

// ParkedCreate returns one of them with its record.
func (o operations) ParkedCreate(ctx context.Context, id string) (roster.Parked, error) {
	return o.p.store.ParkedByID(ctx, id)
}

// SettleParked does what a person decides.
func (o operations) SettleParked(ctx context.Context, id string, verdict roster.ParkedVerdict, target, by string) error {
	return o.p.store.SettleParked(ctx, id, verdict, target, by)
}

// dropPage is how many refused records are dropped in one transaction.
const dropPage = 1000

// DropQuarantined forgets refused records.
func (o operations) DropQuarantined(ctx context.Context, ids []string, filter roster.QuarantineFilter) (int, error) {
	if len(ids) > 0 {
		return o.p.store.DropQuarantined(ctx, ids...)
	}
	filter.Limit = dropPage
	for dropped := 0; ; {
		found, err := o.p.store.Quarantine(ctx, filter)
		if err != nil || len(found) == 0 {
			return dropped, err
		}
		page := make([]string, len(found))
		for i, q := range found {
			page[i] = q.ID
		}
		n, err := o.p.store.DropQuarantined(ctx, page...)
		if err != nil || n == 0 {
			return dropped, err
		}
		dropped += n
	}
}
