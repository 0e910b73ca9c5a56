package main

import (
	"context"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/recordlog"
	"github.com/rosterd/rosterd/internal/roster"
)

// RecordLog shows what became of records.
func (o operations) RecordLog(ctx context.Context, f admin.LogFilter) (admin.LogPage, error) {
	page, err := o.p.records.Read(ctx, recordlog.Query{
		Account: f.Account, Job: f.Job, Club: f.Club, Level: f.Level, Since: f.Since, Limit: f.Limit, After: f.After,
	})
	if err != nil {
		return admin.LogPage{}, err
	}
	return admin.LogPage{
		Lines: o.logLines(page.Lines), More: page.More, Next: page.Next, Lost: page.Lost, Damaged: page.Damaged,
	}, nil
}

// logLines are lines of the record log for an operator.
func (o operations) logLines(lines []recordlog.Line) []admin.LogLine {
	return toldLines(o.p.now().cfg.Accounts, lines)
}

func toldLines(accounts map[string]roster.Account, lines []recordlog.Line) []admin.LogLine {
	zones := zones{accounts: accounts, known: map[string]*time.Location{}}
	out := make([]admin.LogLine, len(lines))
	for i := range lines {
		l := &lines[i]
		account, _, _ := strings.Cut(l.Job, "/")
		zone := zones.of(account, l.Club)
		out[i] = admin.LogLine{
			At: l.At.In(zone), Zone: zone.String(), Level: l.Level, Code: l.Code, Job: l.Job, Run: l.Run, Kind: l.Kind,
			Record: l.Record, Target: l.Target, Club: l.Club, Text: l.Sentence(),
		}
	}
	return out
}

// zones finds the zones in which records are told of.
type zones struct {
	accounts map[string]roster.Account
	known    map[string]*time.Location
}

// of is the zone of a club, or else of its account; UTC where neither is configured
// any more.
func (z zones) of(account, club string) *time.Location {
	a := z.accounts[account]
	name := a.Timezone
	if c, ok := a.Clubs[club]; ok && c.Timezone != "" {
		name = c.Timezone
	}
	if zone, ok := z.known[name]; ok {
		return zone
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		zone = time.UTC // the configuration was checked; the system's zones may be gone since
	}
	z.known[name] = zone
	return zone
}
