package export

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/rosterd/rosterd/internal/roster"
)

const (
	hookPath = "hook"
	// maxHookBytes bounds the body of a webhook: a page of 1,000 clients takes
	// some 20 KiB.
	maxHookBytes = 1 << 20
	// maxHooks bounds the webhooks that are read and stored at one time.
	maxHooks = 8
)

// HookURL returns the address at which the target tells what became of the
// clients. It holds the secret.
func (s *Sessions) HookURL() roster.Secret {
	if uri := s.APIURI().Reveal(); uri != "" {
		return roster.NewSecret(uri + "/" + hookPath)
	}
	return roster.Secret{}
}

// hook takes what the target tells. When it returns nil, that is stored.
func (s *Sessions) hook(r *http.Request) error {
	select {
	case s.hooks <- struct{}{}:
		defer func() { <-s.hooks }()
	case <-r.Context().Done():
		return errBody
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxHookBytes+1))
	if err != nil || len(body) > maxHookBytes {
		return errBody
	}
	events, wellFormed := parseEvents(body)
	if !wellFormed {
		return errBody
	}
	for _, e := range events {
		if err := s.take(r.Context(), e); err != nil {
			return err
		}
	}
	return nil
}

// take stores what one event tells. An event that tells of nothing that is
// known here changes nothing.
func (s *Sessions) take(ctx context.Context, e event) error {
	if !e.known {
		s.stats.foreignEvents.Add(1)
		return nil
	}
	session, places, err := s.correlate(ctx, e)
	if err != nil {
		return fmt.Errorf("find the session of an event: %w", err)
	}
	if session == "" {
		s.stats.foreignEvents.Add(1)
		if s.warnings.AllowN(s.now(), 1) {
			s.log.Warn("the target told of an import that is not known here", "remote", clip(e.session), "clients", len(e.told))
		}
		return nil
	}
	if err := s.record(ctx, session, e, places); err != nil {
		return fmt.Errorf("record an event: %w", err)
	}
	s.stats.events.Add(1)
	return nil
}
