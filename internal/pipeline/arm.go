package pipeline

import (
	"context"
	"fmt"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// arm stores the intents of creates before any of them is sent.
func (w *writing) arm(ctx context.Context, b *batch, creates []*item) error {
	if len(creates) == 0 {
		return nil
	}
	intents := make([]roster.Intent, len(creates))
	for i, it := range creates {
		intents[i] = roster.Intent{
			Route: b.route, Source: it.source, State: roster.IntentArmed, Run: w.run.ID, Entry: it.entry,
			Attempt: it.attempt, Armed: w.r.Now(), Row: it.row,
		}
	}
	standings, err := w.sync.Intents.Arm(ctx, intents)
	if err != nil {
		return fmt.Errorf("arm creates: %w", err)
	}
	var again []*item
	for i, it := range creates {
		s := standings[i]
		switch {
		case s.Link.Version == 0 && s.Intent == nil:
			it.intent = true
		case s.Intent != nil && s.Intent.State == roster.IntentDropped:
			again = append(again, it)
		case s.Intent != nil && it.op == sdk.OpCreate && w.mayRepeat(b.target, *s.Intent):
			it.intent, it.attempt, it.armed = true, s.Intent.Attempt, s.Intent.Armed
		default:
			w.meet(it, s)
		}
	}
	return w.armDropped(ctx, b, again)
}

// armDropped arms records that a person had told to leave alone and that have
// changed since.
func (w *writing) armDropped(ctx context.Context, b *batch, dropped []*item) error {
	if len(dropped) == 0 {
		return nil
	}
	closing := roster.Closing{Run: w.run.ID, Route: b.route}
	for _, it := range dropped {
		closing.Refused = append(closing.Refused, it.source)
	}
	if _, err := w.sync.Intents.CloseLinks(ctx, closing); err != nil {
		return fmt.Errorf("take up dropped records: %w", err)
	}
	return w.arm(ctx, b, dropped)
}

// mayRepeat reports whether a create that an earlier life of this run has armed
// may simply be sent again: the target still remembers its idempotency key.
func (w *writing) mayRepeat(target sdk.TargetKind, intent roster.Intent) bool {
	age := w.r.Now().Sub(intent.Armed)
	return target.Class == sdk.ClassA && intent.Run == w.run.ID && intent.State == roster.IntentArmed &&
		age >= 0 && age < target.KeyTTL // a clock that was set back proves nothing
}
