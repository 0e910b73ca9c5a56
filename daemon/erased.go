package main

import (
	"context"

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
