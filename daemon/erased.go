package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// leftOut tells a run which records of its source are of persons who were erased.
type leftOut struct {
	*bolt.Erased

	source string
}

// Record reports whether a record of the source is one of theirs.
func (l leftOut) Record(kind sdk.Kind, id string) bool { return l.Erased.Record(l.source, kind, id) }

// erased returns whom a run of a job leaves out, nil for nobody. Nobody is erased
// while a job of the account has a run, so that it holds until the run ends.
func (p *parts) erased(ctx context.Context, job roster.Job) (pipeline.Erased, error) {
	found, err := p.store.Erased(ctx, job.Account)
	if err != nil || found == nil {
		return nil, err
	}
	return leftOut{found, job.From}, nil
}

// eraseAgain removes, of a state that a backup has replaced, the change sets that
// name somebody who was erased behind the backup. The store has erased them from
// the rest when it was opened. A run that has lost its change set fails, and says
// that the job is to be started again.
func (p *parts) eraseAgain(ctx context.Context) error {
	accounts := p.store.ErasedAgain()
	if len(accounts) == 0 {
		return nil
	}
	p.log.Warn("the state is one that does not know of all who were erased; they were erased again", "accounts", strings.Join(accounts, ", "))
	runs, err := p.changes.List()
	if err != nil {
		return err
	}
	for _, id := range runs {
		run, err := p.store.Run(ctx, id)
		if errors.Is(err, roster.ErrNotFound) || err == nil && !slices.Contains(accounts, accountOf(run.Job)) {
			continue
		}
		named := false
		if err == nil {
			named, err = p.namesErased(ctx, run)
		}
		if err != nil {
			return err
		}
		if !named {
			continue
		}
		if err := p.changes.Remove(id); err != nil {
			return err
		}
		p.log.Warn("a change set named somebody who was erased, and was removed; start its job again", "run", id, "job", run.Job)
	}
	return nil
}

// namesErased reports whether the change set of a run names somebody who was erased.
func (p *parts) namesErased(ctx context.Context, run roster.Run) (named bool, err error) {
	erased, err := p.store.Erased(ctx, accountOf(run.Job))
	if err != nil {
		return false, err
	}
	set, err := p.changes.Open(run.ID)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	job := p.now().jobs[run.Job]
	if run.Type == roster.JobSync {
		err = pipeline.Entries(set, func(e pipeline.Entry) error {
			named = named || erased.Record(job.From, e.Kind, e.Source) || erased.Record(job.To, e.Kind, e.Target) ||
				erased.Mentioned(e.Data) || erased.Mentioned(e.Payload)
			return nil
		})
		return named, err
	}
	ids, err := set.IDs(0, set.Len())
	if err != nil {
		return false, err
	}
	err = set.Entries(0, set.Len(), func(entry int, data []byte) error {
		named = named || erased.Mentioned(data) || slices.ContainsFunc(job.Kinds, func(kind sdk.Kind) bool { return erased.Record(job.From, kind, ids[entry]) })
		return nil
	})
	return named, err
}

// accountOf is the key of the account that a ref belongs to.
func accountOf(ref string) string {
	account, _, _ := strings.Cut(ref, "/")
	return account
}
