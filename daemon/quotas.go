package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// quotaTime bounds how long the adapters may take to tell what is left.
const quotaTime = 2 * time.Second

// quotas tells what is left of the limits that the connections keep, where an adapter
// runs that can tell. None is started for that: what it has not sent is all there. One
// that does not answer at once is left out.
func (p *parts) quotas(ctx context.Context) []admin.QuotaLeft {
	ctx, cancel := context.WithTimeout(ctx, quotaTime)
	defer cancel()
	runs := map[string]bool{}
	for _, h := range p.host.Health() {
		runs[h.Name] = h.Running
	}
	var asking sync.WaitGroup
	var mu sync.Mutex
	var all []admin.QuotaLeft
	now := p.now()
	for _, account := range now.cfg.Accounts {
		for _, c := range account.Connections {
			if !runs[c.Adapter] {
				continue
			}
			asking.Go(func() {
				left := now.quotasOf(ctx, c)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, left...)
			})
		}
	}
	asking.Wait()
	slices.SortFunc(all, func(a, b admin.QuotaLeft) int {
		return cmp.Or(cmp.Compare(a.Connection, b.Connection), cmp.Compare(a.Span, b.Span))
	})
	return all
}

func (p view) quotasOf(ctx context.Context, c roster.Connection) (left []admin.QuotaLeft) {
	info, err := p.host.Describe(ctx, c.Adapter)
	if err != nil || !slices.Contains(info.Abilities, sdk.AbilityQuotaTeller) {
		return nil
	}
	conn, err := p.connectReadOnly(ctx, c.Ref, "")
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }() // it was only asked
	if !conn.Has(sdk.AbilityQuotaTeller) {
		return nil
	}
	quotas, err := conn.Quotas(ctx)
	if err != nil {
		return nil
	}
	for _, q := range quotas {
		left = append(left, admin.QuotaLeft{Connection: c.Ref, Span: int64(q.Span.Seconds()), Limit: q.Limit, Left: q.Left})
	}
	return left
}

// showQuotas prints a line for each connection that keeps limits.
func showQuotas(w io.Writer, all []admin.QuotaLeft) {
	for i := 0; i < len(all); {
		ref := all[i].Connection
		var texts []string
		for ; i < len(all) && all[i].Connection == ref; i++ {
			texts = append(texts, fmt.Sprintf("%d of %d requests in %s", all[i].Left, all[i].Limit, spanText(all[i].Span)))
		}
		fmt.Fprintf(w, "%s  quota left: %s\n", ref, strings.Join(texts, ", "))
	}
}

// spanText names a time of a quota.
func spanText(seconds int64) string {
	switch seconds {
	case 60:
		return "a minute"
	case 60 * 60:
		return "an hour"
	case 24 * 60 * 60:
		return "24 hours"
	}
	return (time.Duration(seconds) * time.Second).String()
}
