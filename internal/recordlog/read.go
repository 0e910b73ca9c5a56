package recordlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// Begin is the [Query].After before everything.
const Begin = "begin"

// Query selects lines. Its zero value selects nothing, since its Limit is 0.
type Query struct {
	// Account is an account's key, Job account/job, Club a club's key; empty for all.
	Account, Job, Club string
	// Level is the least grave one wanted.
	Level roster.LogLevel
	// Since is when the first line wanted was kept; zero for the oldest.
	Since time.Time
	// Where is asked of each line that the rest selects; nil for all of them. The line
	// is not kept by it.
	Where func(*Line) bool
	// Limit is the largest number wanted. After is a [Page].Next: the lines are then the
	// first ones behind it; otherwise they are the last ones.
	Limit int
	After string
}

// Line is one line of the log.
type Line struct {
	At time.Time
	// Run, Job and To are those of the line's batch.
	Run, Job, To string
	roster.LogEntry
}

// Page is what a query has found, the oldest line first.
type Page struct {
	Lines []Line
	// More says that there are lines before these, or with After behind these.
	More bool
	// Next is the place behind everything that was looked at.
	Next string
	// Lost counts the lines that could not be kept when they came, of whatever job, and
	// Damaged the blocks that could not be opened, as far as was looked.
	Lost, Damaged int
}

// spot is a place in the log: before an entry of a block of a file.
type spot struct {
	file         string
	block, entry int
}

func (s spot) String() string {
	if s.file == "" {
		return Begin
	}
	return fmt.Sprintf("%s.%d.%d", strings.TrimSuffix(s.file, fileExt), s.block, s.entry)
}

// parseSpot reads what String writes. Another text is [roster.ErrInvalid].
func parseSpot(text string) (spot, error) {
	if text == Begin {
		return spot{}, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) == 3 && isFile(parts[0]+fileExt) {
		block, err := strconv.ParseUint(parts[1], 10, 32)
		entry, err2 := strconv.ParseUint(parts[2], 10, 32)
		if err == nil && err2 == nil {
			return spot{file: parts[0] + fileExt, block: int(block), entry: int(entry)}, nil //nolint:gosec // 32 bits fit
		}
	}
	return spot{}, fmt.Errorf("%q is no place in the record log: %w", text, roster.ErrInvalid)
}

// Read finds lines. It reads while others write: a block that is being written is
// found by the next call.
func (l *Log) Read(ctx context.Context, q Query) (Page, error) {
	if q.After == "" {
		return l.last(ctx, q)
	}
	after, err := parseSpot(q.After)
	if err != nil {
		return Page{}, err
	}
	return l.behind(ctx, q, after)
}

// last finds the last lines.
func (l *Log) last(ctx context.Context, q Query) (Page, error) {
	var page Page
	files, err := list(l.dir)
	if err != nil {
		return page, err
	}
	r := reader{log: l, query: q, page: &page}
	end := spot{}
	for _, f := range slices.Backward(files) {
		if f.day() < dayOf(q.Since) || page.More {
			break
		}
		blocks, err := r.blocks(ctx, f.name)
		if err != nil {
			return page, err
		}
		if end.file == "" && len(blocks) > 0 {
			end = spot{file: f.name, block: int(blocks[len(blocks)-1].number) + 1}
		}
		for i := len(blocks) - 1; i >= 0 && !page.More; i-- {
			r.backward(&blocks[i], f.name)
		}
	}
	slices.Reverse(page.Lines)
	page.Next = end.String()
	page.Lost += l.lostLast()
	return page, nil
}

// behind finds the first lines behind a place.
func (l *Log) behind(ctx context.Context, q Query, at spot) (Page, error) {
	page := Page{Next: at.String()}
	if l.atEnd(at) {
		return page, nil
	}
	files, err := list(l.dir)
	if err != nil {
		return page, err
	}
	r := reader{log: l, query: q, page: &page}
	for _, f := range files {
		if f.name < at.file || f.day() < dayOf(q.Since) {
			continue
		}
		blocks, err := r.blocks(ctx, f.name)
		if err != nil {
			return page, err
		}
		for i := range blocks {
			b := &blocks[i]
			from := 0
			if f.name == at.file {
				if int(b.number) < at.block {
					continue
				}
				if int(b.number) == at.block {
					from = at.entry
				}
			}
			stopped := r.forward(b, f.name, from)
			page.Next = spot{file: f.name, block: int(b.number) + 1}.String()
			if page.More {
				page.Next = spot{file: f.name, block: int(b.number), entry: stopped}.String()
				return page, nil
			}
		}
	}
	return page, nil
}

// atEnd reports whether nothing has been written behind a place.
func (l *Log) atEnd(at spot) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file != nil && at == spot{file: l.name, block: int(l.number)}
}

// lostLast is how many lines were lost since the last block was written.
func (l *Log) lostLast() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.missing)
}

// reader takes the lines of a query into a page.
type reader struct {
	log   *Log
	query Query
	page  *Page
}

// blocks reads a file. One that is gone by now has none.
func (r *reader) blocks(ctx context.Context, name string) ([]block, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(r.log.dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record log: %w", err)
	}
	return cut(data), nil
}

// wanted reports whether a block may have lines of the query.
func (r *reader) wanted(b *block) bool {
	q := &r.query
	return (q.Job == "" || b.job == q.Job) && (q.Account == "" || strings.HasPrefix(b.job, q.Account+"/")) && !b.at.Before(q.Since)
}

// open opens a block that may have lines of the query.
func (r *reader) open(b *block, name string) []roster.LogEntry {
	if !b.at.Before(r.query.Since) {
		r.page.Lost += int(b.lost) // nobody knows of which job they were
	}
	if !r.wanted(b) || !b.has(r.query.Level) {
		return nil
	}
	entries, ok := r.log.open(b, name)
	if !ok {
		r.page.Damaged++
	}
	return entries
}

// open opens the entries of a block.
func (l *Log) open(b *block, name string) ([]roster.LogEntry, bool) {
	plain, err := l.sealer.Open(b.body, placeOf(nil, name, b.raw))
	if err != nil {
		return nil, false
	}
	return parseEntries(plain, b.entries())
}

// take takes an entry that the query selects, and is false where that is one too
// many.
func (r *reader) take(b *block, e roster.LogEntry) bool {
	q := &r.query
	if e.Level < q.Level || q.Club != "" && e.Club != q.Club {
		return true
	}
	line := Line{At: b.at, Run: b.run, Job: b.job, To: b.to, LogEntry: e}
	if q.Where != nil && !q.Where(&line) {
		return true
	}
	if len(r.page.Lines) >= q.Limit {
		r.page.More = true
		return false
	}
	r.page.Lines = append(r.page.Lines, line)
	return true
}

func (r *reader) backward(b *block, name string) {
	for _, e := range slices.Backward(r.open(b, name)) {
		if !r.take(b, e) {
			return
		}
	}
}

// forward takes the entries of a block from one on, and returns the one at which it
// stopped because there are too many.
func (r *reader) forward(b *block, name string, from int) int {
	entries := r.open(b, name)
	for i := min(from, len(entries)); i < len(entries); i++ {
		if !r.take(b, entries[i]) {
			return i
		}
	}
	return 0
}
