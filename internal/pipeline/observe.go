package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// present are records of the target as they are at this moment, by their ids.
type present struct {
	page    *sdk.Page
	rows    map[string]int
	digests []uint64
}

// present reads records of the target, all of one kind.
func (w *writing) present(ctx context.Context, kind sdk.Kind, ids []string) (present, error) {
	p := present{rows: map[string]int{}}
	if len(ids) == 0 {
		return p, nil
	}
	var page *sdk.Page
	err := w.r.patiently(ctx, w.live, "target", kind, func(ctx context.Context) (err error) {
		page, err = w.sync.Get(ctx, sdk.GetRequest{Kind: kind, IDs: ids})
		return err
	})
	if err != nil {
		return p, fmt.Errorf("read the target's records: %w", err)
	}
	p.page = page
	columns := w.sync.Digests.Columns(page.Columns)
	for i := range page.Rows {
		p.rows[page.Row(i).ID()] = i
		p.digests = append(p.digests, columns.Row(page.Row(i)))
	}
	return p, nil
}

// looks reports whether updates need the target's present records: to keep what a
// replacing update would empty, to fill only what is empty, or to find out that
// both sides have changed a record.
func (w *writing) looks(target sdk.TargetKind) bool {
	if w.sync.Get == nil {
		return false
	}
	return target.Update == sdk.UpdateReplace || w.sync.TwoWay || len(w.fills()) > 0
}

// fills are the fields that are sent only where the target has nothing in them.
func (w *writing) fills() []string {
	var names []string
	for name, policy := range w.sync.Options.Policies {
		if policy == roster.PolicyFillIfEmpty {
			names = append(names, name)
		}
	}
	return names
}

// compareWithTarget fits the updates of a batch to the target's present records.
func (w *writing) compareWithTarget(ctx context.Context, b *batch) error {
	var updates []*item
	var ids []string
	for _, it := range b.items {
		if it.open() && it.op == sdk.OpUpdate {
			updates, ids = append(updates, it), append(ids, it.target)
		}
	}
	if !w.looks(b.target) {
		return w.withoutLooking(updates)
	}
	for start := 0; start < len(ids); start += sdk.DefaultBatch {
		end := min(start+sdk.DefaultBatch, len(ids))
		have, err := w.present(ctx, b.kind, ids[start:end])
		if err != nil {
			return err
		}
		for _, it := range updates[start:end] {
			if err := w.fit(b, it, have); err != nil {
				return err
			}
		}
	}
	return nil
}

// withoutLooking leaves out of updates what may be sent only where the target has
// nothing: that cannot be seen.
func (w *writing) withoutLooking(updates []*item) error {
	fills := w.fills()
	if len(fills) == 0 {
		return nil
	}
	for _, it := range updates {
		err := it.edit(func(data map[string]json.RawMessage) {
			for _, name := range fills {
				delete(data, name)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fit fits one update to the record that is there.
func (w *writing) fit(b *batch, it *item, have present) error {
	at, there := have.rows[it.target]
	if !there {
		it.leave(leftMissing)
		return nil
	}
	if w.sync.TwoWay && it.linkSeen != 0 && have.digests[at] != it.linkSeen {
		w.conflict(it, have, at)
		if !it.open() {
			return nil
		}
	}
	row := have.page.Row(at)
	return it.edit(func(data map[string]json.RawMessage) {
		for i, name := range have.page.Columns {
			cell := row.Cell(i)
			_, mapped := data[name]
			switch {
			case w.sync.Options.Policies[name] == roster.PolicyFillIfEmpty && !emptyCell(cell):
				delete(data, name)
				if b.target.Update == sdk.UpdateReplace {
					data[name] = cellJSON(cell)
				}
			case b.target.Update == sdk.UpdateReplace && !mapped && cell.Kind() != sdk.CellAbsent:
				data[name] = cellJSON(cell)
			}
		}
	})
}

// conflict settles that both sides have changed a record since they were the
// same, and notes which side lost.
func (w *writing) conflict(it *item, have present, at int) {
	note := "the target's change was overwritten"
	if w.sync.Options.Conflict == "newest" && w.targetIsNewer(it, have, at) {
		note = "the source's change was left out: the target's is newer"
		it.leave(leftNewer)
		it.seen = it.linkSeen
	}
	it.note = note
}

func (w *writing) targetIsNewer(it *item, have present, at int) bool {
	column := slices.Index(have.page.Columns, w.sync.Options.Modified)
	if column < 0 {
		w.warn("the target's records do not tell when they were changed, so that the source's changes win")
		return false
	}
	theirs, err := time.Parse(time.RFC3339, string(have.page.Row(at).Cell(column).Bytes()))
	ours, err2 := time.Parse(time.RFC3339, it.modified)
	if err != nil || err2 != nil {
		w.warn("when a record was changed is not told as RFC 3339 has it, so that the source's changes win")
		return false
	}
	return theirs.After(ours)
}

// edit changes the data of an operation.
func (it *item) edit(change func(data map[string]json.RawMessage)) error {
	var data map[string]json.RawMessage
	if err := json.Unmarshal(it.operation.Data, &data); err != nil {
		return fmt.Errorf("open a mapped record: %w", err)
	}
	before := maps.Clone(data)
	change(data)
	it.operation.Changed = slices.DeleteFunc(slices.Clone(it.operation.Changed), func(name string) bool {
		_, was := before[name]
		_, is := data[name]
		return was && !is
	})
	packed, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("pack a mapped record: %w", err)
	}
	it.operation.Data = packed
	return nil
}

func emptyCell(cell sdk.Cell) bool {
	return cell.Kind() == sdk.CellAbsent || cell.Kind() == sdk.CellNull || cell.Kind() == sdk.CellString && len(cell.Bytes()) == 0
}

// cellJSON is a value as JSON.
func cellJSON(cell sdk.Cell) json.RawMessage {
	switch cell.Kind() {
	case sdk.CellNumber, sdk.CellJSON:
		if json.Valid(cell.Bytes()) {
			return json.RawMessage(slices.Clone(cell.Bytes()))
		}
	case sdk.CellBool:
		if cell.Bytes()[0] == 1 {
			return json.RawMessage("true")
		}
		return json.RawMessage("false")
	case sdk.CellString:
		text, _ := json.Marshal(string(cell.Bytes()))
		return text
	case sdk.CellAbsent, sdk.CellNull:
	}
	return json.RawMessage("null")
}

// observe notes what the target made of the records that were written, so that
// the other direction knows its own echo from a change: targets normalise what
// they store. Where it cannot be seen, the next run in the other direction sends
// the record back once.
func (w *writing) observe(ctx context.Context, b *batch) {
	if !w.sync.TwoWay || w.sync.Get == nil {
		return
	}
	byID := map[string]*item{}
	var ids []string
	for _, it := range b.items {
		if !it.open() || it.result.Outcome != sdk.OutcomeOK || it.op == sdk.OpDelete {
			continue
		}
		if id := it.written(); id != "" {
			byID[id], ids = it, append(ids, id)
		}
	}
	for chunk := range slices.Chunk(ids, sdk.DefaultBatch) {
		have, err := w.present(ctx, b.kind, chunk)
		if err != nil {
			w.r.Logger.Warn("what was written is not observed", "run", w.run.ID, "job", w.run.Job, "kind", b.kind, "err", err)
			return
		}
		for id, at := range have.rows {
			byID[id].seen = have.digests[at]
		}
	}
}

func (w *writing) warn(text string) {
	if !slices.Contains(w.warnings, text) {
		w.warnings = append(w.warnings, text)
	}
}
