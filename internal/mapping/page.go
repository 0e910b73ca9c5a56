package mapping

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	// maxStops bounds how many records of one loaded script may be stopped.
	// Each costs a deadline and a worker: a script that never ends would hold a
	// run for days.
	maxStops = 100
	// maxCrashes is how often a worker may end for no known reason with the
	// same row at hand. The first time may be somebody's kill.
	maxCrashes = 2
)

// pageCall maps one page, over as many workers as it takes.
type pageCall struct {
	mapping *Mapping
	page    *sdk.Page
	// rows are where the page's records stand in the page that it was picked
	// from; nil for a whole page.
	rows []int
	// worker is nil when none is running.
	worker *process
	// crashes counts ends without a known reason by the row at hand, -1 for
	// none.
	crashes map[int]int
}

func (c *pageCall) run(ctx context.Context) (*roster.Mapped, error) {
	mapped, err := c.mapRows(ctx, rowSet{to: c.page.Rows})
	if err == nil && c.rows != nil {
		for i := range mapped.Records {
			mapped.Records[i].Row = c.rows[mapped.Records[i].Row]
		}
	}
	return mapped, err
}

// mapRows asks for the rows until a worker answers, leaving out the row that
// each killed worker had at hand. Where that is not known, it maps the halves
// on their own.
func (c *pageCall) mapRows(ctx context.Context, rows rowSet) (*roster.Mapped, error) {
	var stopped []roster.MappedRecord
	for {
		mapped, err := c.ask(ctx, rows)
		if err == nil {
			return merge(mapped, stopped), nil
		}
		ended, ok := errors.AsType[*endedError](err)
		if !ok {
			return nil, err
		}
		if ended.why == endStopped {
			return nil, fmt.Errorf("map a page: %w", stopCause(ctx))
		}
		c.mapping.pool.opts.Logger.WarnContext(ctx, "mapping worker ended",
			slog.String("script", c.mapping.request.Script.Name), slog.String("why", string(ended.why)), slog.Int("row", ended.row))
		blamed := rows.only()
		if ended.known && rows.has(ended.row) {
			blamed = ended.row
		}
		if ended.why == endCrash {
			if c.crashes[blamed]++; c.crashes[blamed] < maxCrashes {
				continue
			}
		}
		if blamed < 0 {
			mapped, err := c.mapHalves(ctx, rows)
			if err != nil {
				return nil, err
			}
			return merge(mapped, stopped), nil
		}
		if err := c.mapping.countStop(); err != nil {
			return nil, err
		}
		stopped = append(stopped, c.stoppedRecord(blamed, ended.why))
		rows.left = append(rows.left, blamed)
	}
}

// ask sends the page to a worker, which it starts if there is none.
func (c *pageCall) ask(ctx context.Context, rows rowSet) (*roster.Mapped, error) {
	m := c.mapping
	if c.worker == nil {
		worker, err := m.startWorker(ctx)
		if err != nil {
			return nil, err
		}
		c.worker = worker
	}
	w := c.worker
	w.sequence++
	head := appendPageHead(make([]byte, 0, 4<<10), w.sequence, rows, c.page)
	kind, body, err := w.call(ctx, m.closed, m.pool.opts.RecordDeadline, framePage, head, c.page.Ends, c.page.Cells)
	if err == nil && kind == frameMapped {
		var mapped *roster.Mapped
		if mapped, err = parseMapped(body, c.page.Rows); err == nil {
			return mapped, nil
		}
	}
	if err == nil && kind == frameRefused {
		if err = c.page.Validate(); err != nil {
			return nil, fmt.Errorf("map a page: %w", err)
		}
	}
	if err == nil {
		err = errFrame
	}
	c.worker = nil
	return nil, errors.Join(err, w.end())
}

func (c *pageCall) mapHalves(ctx context.Context, rows rowSet) (*roster.Mapped, error) {
	middle := rows.from + (rows.to-rows.from)/2
	first, err := c.mapRows(ctx, rows.part(rows.from, middle))
	if err != nil {
		return nil, err
	}
	second, err := c.mapRows(ctx, rows.part(middle, rows.to))
	if err != nil {
		return nil, err
	}
	return appendRecords(first, second)
}

// stopCause says why a call was stopped before its end.
func stopCause(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// stoppedRecord is what became of a record that a worker was killed on.
func (c *pageCall) stoppedRecord(index int, why ending) roster.MappedRecord {
	opts, row := c.mapping.pool.opts, c.page.Row(index)
	r := roster.MappedRecord{
		Row: index, Verdict: roster.VerdictRejected, Stage: roster.StageMap, Code: roster.CodeMapStopped,
		ID: row.ID(), Position: row.Position(), Club: c.mapping.request.Context.Clubs[row.Club()].Key,
		Payload: roster.Payload(c.page.Columns, row),
	}
	switch why {
	case endDeadline:
		r.Reason = tookTooLong(opts.RecordDeadline)
	case endMemory:
		r.Reason = neededTooMuch(opts.MemoryLimit)
	default:
		r.Reason = "the worker process ended twice on this record"
	}
	r.Reason = place(c.mapping.request.Script.Name, 0) + r.Reason
	return r
}

func tookTooLong(limit time.Duration) string {
	return fmt.Sprintf("the script took longer than %s for one record", limit.Round(time.Millisecond))
}

func neededTooMuch(limit int64) string {
	return fmt.Sprintf("the script needed more than %d MiB of memory", limit>>20)
}

func (m *Mapping) countStop() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stops++; m.stops <= m.pool.maxStops {
		return nil
	}
	return &ScriptError{
		File: m.request.Script.Name, Message: fmt.Sprintf("the script was stopped on more than %d records", m.pool.maxStops),
		Hint: "it does not end or needs too much memory on ordinary records: try it with `rosterd map test`",
	}
}

// merge puts stopped records to their places.
func merge(mapped *roster.Mapped, stopped []roster.MappedRecord) *roster.Mapped {
	if len(stopped) == 0 {
		return mapped
	}
	mapped.Records = append(mapped.Records, stopped...)
	slices.SortFunc(mapped.Records, func(a, b roster.MappedRecord) int { return a.Row - b.Row })
	return mapped
}

// appendRecords appends b's records, whose fields and warnings stand at other
// places.
func appendRecords(a, b *roster.Mapped) (*roster.Mapped, error) {
	var fields, warnings []int
	a.Fields, fields = union(a.Fields, b.Fields)
	a.Warnings, warnings = union(a.Warnings, b.Warnings)
	if len(a.Fields) > roster.MaxFields {
		return nil, fmt.Errorf("map a page: its records have %d fields together, at most %d are allowed", len(a.Fields), roster.MaxFields)
	}
	for _, name := range b.Unknown {
		if !slices.Contains(a.Unknown, name) && len(a.Unknown) < maxUnknown {
			a.Unknown = append(a.Unknown, name)
		}
	}
	for _, r := range b.Records {
		moveFields(&r, fields)
		for i, w := range r.Warnings {
			r.Warnings[i] = uint16(warnings[w]) //nolint:gosec // They name fields that stand in a script of 64 KiB.
		}
		a.Records = append(a.Records, r)
	}
	return a, nil
}

// union appends to a what only b has, and returns where b's elements are.
func union(a, b []string) (all []string, moved []int) {
	moved = make([]int, len(b))
	for i, text := range b {
		moved[i] = slices.Index(a, text)
		if moved[i] < 0 {
			moved[i] = len(a)
			a = append(a, text)
		}
	}
	return a, moved
}

// moveFields gives the fields of a record other positions.
func moveFields(r *roster.MappedRecord, moved []int) {
	var set roster.FieldSet
	var byPosition [roster.MaxFields]uint32
	next := 0
	for position := range positions(r.Fields) {
		set.Add(moved[position])
		if r.Shorts != nil {
			byPosition[moved[position]] = r.Shorts[next]
			next++
		}
	}
	r.Fields, next = set, 0
	for position := range positions(set) {
		if r.Shorts != nil {
			r.Shorts[next] = byPosition[position]
			next++
		}
	}
}
