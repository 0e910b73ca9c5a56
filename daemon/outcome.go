package main

import (
	"context"
	"fmt"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// subscriber announces an import after the target was asked to tell what
// becomes of the clients. A target that does not want to is no reason not to
// import: the outcome stays unknown.
type subscriber struct {
	*announcer

	p      *parts
	ref    string
	target *adapters.Conn
}

// StartImport subscribes, once in the daemon's life for each connection, and
// announces.
func (s subscriber) StartImport(ctx context.Context, req sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	if err := s.subscribe(ctx); err != nil {
		s.log.Warn("the target could not be asked to tell what becomes of the clients; their outcome stays unknown",
			"connection", s.ref, "err", err)
		s.mu.Lock()
		s.warnings = append(s.warnings, fmt.Sprintf(
			"connection %s: the target could not be asked to tell what becomes of the clients, so that stays unknown: %v", s.ref, err))
		s.mu.Unlock()
	}
	return s.announcer.StartImport(ctx, req)
}

func (s subscriber) subscribe(ctx context.Context) error {
	if _, done := s.p.subscribed.Load(s.ref); done || !s.target.Has(sdk.AbilityOutcomeSubscriber) {
		return nil
	}
	err := s.target.SubscribeOutcomes(ctx, sdk.SubscribeOutcomesRequest{TargetURL: s.p.sessions.HookURL().Reveal()})
	if err == nil {
		s.p.subscribed.Store(s.ref, true)
	}
	return err
}

// onlyKind is the kind of a job's records, empty where they are of several.
func onlyKind(job roster.Job) sdk.Kind {
	if len(job.Kinds) == 1 {
		return job.Kinds[0]
	}
	return ""
}
