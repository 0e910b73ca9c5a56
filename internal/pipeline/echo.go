package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// echo is what creates of the other direction that are in doubt may have made in
// the source: a record of it without a link may be such a one.
type echo struct {
	// any says that it may be any record, ids are those that it may be.
	any bool
	ids []string
}

func (e echo) may(source string) bool { return e.any || slices.Contains(e.ids, source) }

// echo asks for the creates of the other direction that are in doubt, once a run
// for each kind.
func (c *comparer) echo(ctx context.Context, kind sdk.Kind) (echo, error) {
	if e, ok := c.echoes[kind]; ok || !c.sync.TwoWay {
		return e, nil
	}
	route := c.sync.route(kind).Reverse()
	armed, err := c.sync.Intents.OpenIntents(ctx, route)
	if err != nil {
		return echo{}, fmt.Errorf("read the creates in doubt of the other direction: %w", err)
	}
	parked, err := c.sync.Intents.Parked(ctx, roster.ParkedFilter{})
	if err != nil {
		return echo{}, fmt.Errorf("read the parked creates of the other direction: %w", err)
	}
	e := echo{any: len(armed) > 0}
	for _, one := range parked {
		if one.Review || one.Kind != kind || one.From != route.From || one.To != route.To {
			continue // nothing of a review was sent
		}
		e.any = e.any || len(one.Hits) == 0
		e.ids = append(e.ids, one.Hits...)
	}
	c.echoes[kind] = e
	return e, nil
}
