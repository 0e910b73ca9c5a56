package admin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func (f *fake) Backup(_ context.Context, w io.Writer) error {
	if f.fault != nil {
		return f.fault
	}
	_, err := io.WriteString(w, "an archive")
	return err
}

func (f *fake) StateStats(context.Context) (admin.StateStats, error) {
	return admin.StateStats{
		Dir: "/var/lib/rosterd", Schema: 2, Key: "1a2b3c4d", Bytes: 4096, Buckets: []admin.BucketStats{{Name: "runs", Entries: 1, Bytes: 9}},
		Runs: map[string]int{"ok": 3}, Restored: &start, Searching: []string{"acme/live"},
	}, f.fault
}

func (f *fake) AcceptJob(_ context.Context, job, _ string) (admin.JobStatus, error) {
	switch job {
	case "acme/launch":
		return admin.JobStatus{Ref: job, Type: roster.JobSync, Schedule: "manual"}, f.fault
	case "acme/live":
		return admin.JobStatus{}, fmt.Errorf("job %s: %w", job, roster.ErrConflict)
	}
	return admin.JobStatus{}, fmt.Errorf("job %s: %w", job, roster.ErrNotFound)
}

func (f *fake) Cursors(_ context.Context, job string) ([]admin.CursorInfo, error) {
	if job != "acme/launch" {
		return nil, fmt.Errorf("job %s: %w", job, roster.ErrNotFound)
	}
	return []admin.CursorInfo{{Kind: sdk.KindMember, Cursor: "2026-11-01", Bytes: 10}, {Kind: sdk.KindStaff}}, f.fault
}

func (f *fake) Rewind(ctx context.Context, job string, _ admin.Rewind) ([]admin.CursorInfo, error) {
	if job == "acme/live" {
		return nil, &roster.RunningError{Job: job, Run: "r-live"}
	}
	return f.Cursors(ctx, job)
}

func (f *fake) Reload(_ context.Context, dry bool) (admin.ReloadReport, error) {
	if !dry {
		return admin.ReloadReport{}, &admin.Problem{
			Status: http.StatusUnprocessableEntity, Type: "urn:rosterd:problem:config.invalid", Title: "The configuration has faults",
			Code: "config.invalid", Detail: "it has one fault", Hint: "mend it",
			Findings: []admin.ConfigFinding{{Severity: "error", Code: "config.syntax", Message: "no YAML", File: "rosterd.yaml", Line: 3, Column: 1}},
		}
	}
	return admin.ReloadReport{Changes: []admin.ReloadChange{{What: "job", Name: "acme/launch", Change: "changed"}}}, f.fault
}

func (f *fake) Probe(_ context.Context, nonce string) (string, error) {
	return "answer-" + nonce, f.fault
}
