package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// liveRecord reads a record that was pushed to a connection from the first target
// that it is linked to and that can be asked. Of one who is both, the member
// counts.
func (p *parts) liveRecord(ctx context.Context, ref string, kinds []sdk.Kind, id string) (connector.Found, error) {
	now := p.now()
	for _, kind := range slices.Backward(kinds) {
		for _, job := range now.cfg.Jobs {
			if job.From != ref || job.Type != roster.JobSync || !slices.Contains(job.Kinds, kind) {
				continue
			}
			link, err := p.store.Link(ctx, roster.Route{From: job.From, To: job.To, Kind: kind}, id)
			if errors.Is(err, roster.ErrNotFound) || err == nil && link.Gone {
				continue
			}
			if err != nil {
				return connector.Found{}, err
			}
			fields, err := now.targetRecord(ctx, job.To, kind, link.Target)
			if errors.Is(err, roster.ErrNotFound) {
				continue
			}
			return connector.Found{Kind: kind, Fields: fields}, err
		}
	}
	return connector.Found{}, fmt.Errorf("look for a record live: %w", roster.ErrNotFound)
}

// targetRecord reads one record of a target, without the ids in it, which are the
// target's own.
func (p view) targetRecord(ctx context.Context, ref string, kind sdk.Kind, id string) (_ map[string]string, err error) {
	conn, err := p.connectReadOnly(ctx, ref, sdk.AbilityGetter)
	if fault, ok := errors.AsType[*roster.Fault](err); ok && fault.Code == "adapter.ability" {
		return nil, fmt.Errorf("connection %s cannot be asked for a record: %w", ref, roster.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	page, err := conn.Get(ctx, sdk.GetRequest{Kind: kind, IDs: []string{id}})
	if err != nil {
		return nil, err
	}
	if page.Rows != 1 || page.Row(0).ID() != id {
		return nil, fmt.Errorf("connection %s does not have the record: %w", ref, roster.ErrNotFound)
	}
	fields := map[string]string{}
	for i, name := range page.Columns {
		if name == roster.OwnerField || name == roster.LeadSourceField {
			continue
		}
		if text, ok := cellText(page.Row(0).Cell(i)); ok {
			fields[name] = text
		}
	}
	return fields, nil
}

func cellText(c sdk.Cell) (string, bool) {
	switch c.Kind() {
	case sdk.CellString, sdk.CellNumber:
		return string(c.Bytes()), true
	case sdk.CellBool:
		return strconv.FormatBool(c.Bytes()[0] == 1), true
	case sdk.CellJSON:
		var text string
		err := json.Unmarshal(c.Bytes(), &text)
		return text, err == nil
	default:
		return "", false
	}
}
