package pipeline

import (
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// RecordLog is told what became of records, when that is stored.
type RecordLog interface {
	// Log takes a batch. It returns soon, keeps nothing of the batch's memory, and never
	// keeps a run from going on.
	Log(batch roster.LogBatch)
}

// note notes what became of a change, for the record log.
func (c *closing) note(one taken, as tally) {
	if c.w.r.Records == nil {
		return
	}
	if e, ok := c.entry(one, as); ok {
		c.w.logged = append(c.w.logged, e)
	}
}

// log tells the record log what was noted.
func (c *closing) log() {
	if len(c.w.logged) == 0 {
		return
	}
	c.w.r.Records.Log(roster.LogBatch{At: c.w.r.Now(), Run: c.Run, Job: c.w.run.Job, To: c.w.sync.To, Entries: c.w.logged})
}

// entry is what the record log has of a change, false for nothing.
func (c *closing) entry(one taken, as tally) (roster.LogEntry, bool) {
	it := one.item
	e := roster.LogEntry{Kind: it.kind, Record: it.source, Target: it.written(), Club: it.club}
	switch as {
	case uncounted, tallyUnchanged:
		return e, false
	case tallyCreated:
		e.Code = it.createdAs()
	case tallyUpdated:
		e.Level, e.Code = it.updatedAs()
	case tallyReopened:
		e.Code = roster.LogReferences
	case tallyDeactivated:
		e.Code = roster.LogDeactivated
		if it.op == sdk.OpDelete {
			e.Code = roster.LogDeleted
		}
	case tallyLinked:
		e.Code = roster.LogLinked
	case tallySkipped:
		e.Level, e.Code = roster.LogWarning, roster.LogTaken
		if it.left == leftNewer {
			e.Code = roster.LogOlder
		}
	case tallyWaiting:
		e.Level, e.Code, e.Detail = roster.LogError, roster.LogParked, it.reason
		if it.left == leftReview {
			e.Code = roster.LogReview
		}
	case tallyQuarantined:
		e.Level, e.Code, e.Detail = roster.LogError, it.code, it.reason
	case tallyRemaining:
		e.Level, e.Code, e.Detail = roster.LogError, it.code, "it is gone from the source, and was not deactivated: "+it.reason
	}
	if one.without {
		e.Level = max(e.Level, roster.LogWarning)
		e.Missing, e.Detail = c.missing(it), strings.Join(slices.Concat(it.warnings, it.result.Warnings), "; ")
	}
	return e, true
}

// createdAs is the outcome of a change that has made a record.
func (it *item) createdAs() string {
	switch {
	case it.found:
		return roster.LogFound
	case it.op == sdk.OpConvert:
		return roster.LogConverted
	}
	return roster.LogCreated
}

// updatedAs is the outcome of an update.
func (it *item) updatedAs() (roster.LogLevel, string) {
	switch {
	case it.note != "":
		return roster.LogWarning, roster.LogOverwritten
	case it.matched:
		return roster.LogInfo, roster.LogMatched
	case slices.Contains(it.changed, roster.ClubField):
		return roster.LogInfo, roster.LogMoved
	}
	return roster.LogInfo, roster.LogUpdated
}

// missing is what a change was delivered without because it has no link.
func (c *closing) missing(it *item) (missing roster.LogMissing) {
	if !it.refs.open {
		return 0
	}
	options := &c.w.sync.Options
	if it.owner != "" && it.refs.owner == "" && options.Owner != "ignore" {
		missing |= roster.LogOwner
	}
	if it.leadSource != "" && it.refs.leadSource == "" && options.LeadSources != "ignore" {
		missing |= roster.LogLeadSource
	}
	return missing
}

// logRefused tells the record log what was refused while a run was prepared.
func (p *preparation) logRefused() {
	if p.records == nil {
		return
	}
	entries := make([]roster.LogEntry, len(p.refused))
	for i := range p.refused {
		q := &p.refused[i]
		entries[i] = roster.LogEntry{Level: roster.LogError, Code: q.Code, Kind: q.Kind, Record: q.Record, Club: q.Club, Detail: q.Reason}
		if q.Record == "" && q.Position != "" {
			entries[i].Detail += " (" + q.Position + ")"
		}
	}
	batch := roster.LogBatch{At: p.now(), Run: p.run.ID, Job: p.run.Job, Entries: entries}
	if p.flow.Sync != nil {
		batch.To = p.flow.Sync.To
	}
	p.records.Log(batch)
}
