package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/backup"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/recordlog"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Backup writes a backup of the state while it is in use.
func (o operations) Backup(ctx context.Context, w io.Writer) error {
	began := time.Now()
	m, err := backup.Write(ctx, w, backup.Source{
		Dir: o.p.now().cfg.StateDir, CopyTo: o.p.store.CopyTo, Version: version, Now: time.Now,
	})
	if err != nil {
		return err
	}
	o.p.log.Info("state backed up", "bytes", m.Bytes(), "files", len(m.Files), "duration_ms", time.Since(began).Milliseconds())
	return nil
}

// StateStats says what the state holds.
func (o operations) StateStats(ctx context.Context) (admin.StateStats, error) {
	dir := o.p.now().cfg.StateDir
	s, err := o.p.store.Stats(ctx)
	if err != nil {
		return admin.StateStats{}, err
	}
	out := admin.StateStats{
		Dir: dir, Schema: s.Schema, Key: o.p.key, Bytes: s.Bytes, Free: s.Free, Runs: map[string]int{}, Sessions: s.Sessions,
		OpenSessions: s.OpenSessions, Links: s.Links, Intents: s.Intents, Parked: s.Parked, Quarantined: s.Quarantined,
		Searching: o.p.now().searching(),
	}
	for state, n := range s.Runs {
		out.Runs[string(state)] = n
	}
	for _, b := range s.Buckets {
		out.Buckets = append(out.Buckets, admin.BucketStats(b))
	}
	if at, _, ok := o.p.restored.Since(); ok {
		out.Restored = &at
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err == nil {
		out.DiskFree = int64(disk.Bavail) * disk.Bsize
	}
	if out.LogFiles, out.LogBytes, err = sizeOf(filepath.Join(dir, recordlog.Dir)); err != nil {
		return out, err
	}
	out.ChangeSets, out.ChangeSetBytes, err = sizeOf(filepath.Join(dir, backup.ChangeSets))
	return out, err
}

// sizeOf counts the files of a folder.
func sizeOf(dir string) (n int, bytes int64, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, 0, nil
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			n, bytes = n+1, bytes+info.Size()
		}
	}
	return n, bytes, err
}

// Cursors tells how far a job has read.
func (o operations) Cursors(ctx context.Context, ref string) ([]admin.CursorInfo, error) {
	job, ok := o.p.now().jobs[ref]
	if !ok {
		return nil, fmt.Errorf("job %q: %w", ref, roster.ErrNotFound)
	}
	var out []admin.CursorInfo
	for _, kind := range job.Kinds {
		cursor, err := o.p.store.Cursor(ctx, ref, kind)
		if err != nil {
			return nil, err
		}
		out = append(out, admin.CursorInfo{Kind: kind, Cursor: cursorText(cursor), Bytes: len(cursor)})
	}
	return out, nil
}

// shownCursor bounds what is shown of a cursor.
const shownCursor = 120

// cursorText shows a cursor as its adapter wrote it, or in base64 where that is no
// text.
func cursorText(cursor sdk.Cursor) string {
	text := string(cursor)
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		text = "base64:" + base64.StdEncoding.EncodeToString(cursor)
	}
	if len(text) > shownCursor {
		return text[:shownCursor] + "..."
	}
	return text
}

// Rewind sets how far a job has read.
func (o operations) Rewind(ctx context.Context, ref string, to admin.Rewind) ([]admin.CursorInfo, error) {
	job, ok := o.p.now().jobs[ref]
	if !ok {
		return nil, fmt.Errorf("job %q: %w", ref, roster.ErrNotFound)
	}
	cursors, err := o.rewindTo(ctx, job, to)
	if err != nil {
		return nil, err
	}
	err = o.p.runner.WhileIdle(ctx, ref, func() error { return o.p.store.SetCursors(ctx, ref, cursors) })
	if err != nil {
		return nil, err
	}
	return o.Cursors(ctx, ref)
}

func (o operations) rewindTo(ctx context.Context, job roster.Job, to admin.Rewind) (map[sdk.Kind]sdk.Cursor, error) {
	cursors := map[sdk.Kind]sdk.Cursor{}
	for _, kind := range job.Kinds {
		if to.Kind == "" || to.Kind == kind {
			cursors[kind] = nil
		}
	}
	if len(cursors) == 0 {
		return nil, &roster.Fault{
			Code: "cursor.kind", Message: fmt.Sprintf("job %s reads no records of kind %s", job.Ref, to.Kind), Hint: "its kinds are " + join(job.Kinds),
		}
	}
	if to.Run == "" {
		return cursors, nil
	}
	run, err := o.p.store.Run(ctx, to.Run)
	if err != nil {
		return nil, err
	}
	if run.Job != job.Ref || len(run.Behind) == 0 {
		return nil, &roster.Fault{
			Code: "cursor.run", Message: fmt.Sprintf("run %s does not say where job %s began to read", run.ID, job.Ref),
			Hint: "name a run of the job that was a sync with read: changes, or rewind to the beginning",
		}
	}
	for kind := range cursors {
		cursors[kind] = run.Behind[kind]
	}
	return cursors, nil
}

// logRetention says how much of the record log is kept.
func logRetention(cfg *config.Config) recordlog.Retention {
	return recordlog.Retention{Age: cfg.Retention.Log, Bytes: cfg.Retention.LogBytes}
}

// pruneEvery is how often old runs are forgotten.
const pruneEvery = 24 * time.Hour

// prune forgets old runs until ctx ends.
func (p *parts) prune(ctx context.Context) {
	for {
		p.pruneOnce(ctx)
		if sleep(ctx, pruneEvery) != nil {
			return
		}
	}
}

func (p *parts) pruneOnce(ctx context.Context) {
	keep := p.now().cfg.Retention
	runs, err := p.store.PruneRuns(ctx, time.Now().Add(-keep.Runs), keep.Keep)
	for _, id := range runs {
		// A run that waited to be approved leaves a change set.
		if err := p.changes.Remove(id); err != nil {
			p.log.Warn("change set not removed; the next start removes it", "run", id, "err", err)
		}
	}
	if err != nil && ctx.Err() == nil {
		p.log.Warn("old runs not forgotten; it is tried again tomorrow", "err", err)
	}
	if _, err := p.records.Sweep(logRetention(p.now().cfg)); err != nil {
		p.log.Warn("old lines of the record log not removed; it is tried again tomorrow", "err", err)
	}
	if len(runs) > 0 {
		p.log.Info("old runs are forgotten", "runs", len(runs), "older_than_h", int(keep.Runs.Hours()), "kept_per_job", keep.Keep)
	}
	for what, sweep := range p.sweeps(keep) {
		if err := sweep(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("not forgotten; it is tried again tomorrow", "what", what, "err", err)
		}
	}
}

// sweeps are what ends the things that hold something of people and have no end of
// their own.
func (p *parts) sweeps(keep config.Retention) map[string]func(context.Context) error {
	now := time.Now()
	return map[string]func(context.Context) error{
		"plans that are too old":           p.dropOrphans,
		"clients of sessions":              p.sessions.Forget,
		"what was pushed and nobody reads": p.dropUnread,
		"refused records":                  func(ctx context.Context) error { return p.expireQuarantine(ctx, now.Add(-keep.Quarantine)) },
		"histories": func(ctx context.Context) error {
			return p.expired(p.store.ExpireHistory(ctx, now.Add(-keep.History)))("histories")
		},
		"links of records that are gone": func(ctx context.Context) error {
			if keep.Gone == 0 {
				return nil
			}
			return p.expired(p.store.ExpireGone(ctx, now.Add(-keep.Gone)))("links of records that are gone")
		},
	}
}

func (p *parts) expired(n int, err error) func(what string) error {
	return func(what string) error {
		if n > 0 {
			p.log.Info("what is over is forgotten", "what", what, "entries", n)
		}
		return err
	}
}

// expireQuarantine forgets old refused records. They are not sent any more, so that
// somebody should know.
func (p *parts) expireQuarantine(ctx context.Context, before time.Time) error {
	counts, err := p.store.ExpireQuarantine(ctx, before)
	for job, n := range counts {
		p.log.Warn("refused records are forgotten: nobody has mended them for retention.quarantine", "job", job, "records", n)
	}
	return err
}

// dropUnread removes what was pushed to connections and no job reads any more.
func (p *parts) dropUnread(ctx context.Context) error {
	var errs []error
	for ref := range pushedTo(p.now().cfg) {
		errs = append(errs, p.dropRead(ctx, ref))
	}
	return errors.Join(errs...)
}

// keyID is the id of the master key, for people.
func keyID(keys *store.Keyring) string { return keys.ID().String() }
