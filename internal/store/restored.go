package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// restoredFile marks a state directory that was put back from a backup. It is a
// file beside the database, because it has to be there before the database is.
const restoredFile = "rosterd.restored"

// Restored says which jobs of a restored state may have links missing. It serves
// concurrent calls.
type Restored struct {
	path string
	mu   sync.Mutex
	mark *restoredMark
}

type restoredMark struct {
	// Restored is when the state was put back, Backup when it was copied.
	Restored time.Time `json:"restored"`
	Backup   time.Time `json:"backup"`
	// Searched are jobs that have searched for all that they would create, Proven
	// those whose links are complete, by themselves or because a person says so.
	Searched []string `json:"searched,omitempty"`
	Proven   []string `json:"proven,omitempty"`
}

// LoadRestored reads whether a state directory was put back from a backup.
func LoadRestored(dir string) (*Restored, error) {
	r := &Restored{path: filepath.Join(dir, restoredFile)}
	text, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		r.mark = &restoredMark{}
		err = json.Unmarshal(text, r.mark)
	}
	if err != nil {
		return nil, Explain(fmt.Errorf("read %s: %w: %w", r.path, ErrDamaged, err))
	}
	return r, nil
}

// MarkRestored marks a state directory before a backup of the given time becomes
// its state.
func MarkRestored(dir string, now, backup time.Time) error {
	r := &Restored{path: filepath.Join(dir, restoredFile), mark: &restoredMark{Restored: now.UTC(), Backup: backup.UTC()}}
	return r.store()
}

// Since returns when the state was put back and how old it was; it is false for
// one that never was.
func (r *Restored) Since() (restored, backup time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mark == nil {
		return time.Time{}, time.Time{}, false
	}
	return r.mark.Restored, r.mark.Backup, true
}

// Unproven reports whether links of a job may be missing.
func (r *Restored) Unproven(job string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mark != nil && !slices.Contains(r.mark.Proven, job)
}

// Searched reports whether a job has searched for all that it would create.
func (r *Restored) Searched(job string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mark == nil || slices.Contains(r.mark.Searched, job) || slices.Contains(r.mark.Proven, job)
}

// Search notes that a job has searched for all that it would create.
func (r *Restored) Search(job string) error {
	return r.change(func(m *restoredMark) { m.Searched = with(m.Searched, job) })
}

// Prove notes that a job's links are complete.
func (r *Restored) Prove(job string) error {
	return r.change(func(m *restoredMark) { m.Proven = with(m.Proven, job) })
}

func with(jobs []string, job string) []string {
	if slices.Contains(jobs, job) {
		return jobs
	}
	return slices.Sorted(slices.Values(append(slices.Clone(jobs), job)))
}

func (r *Restored) change(change func(*restoredMark)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mark == nil {
		return nil
	}
	before := *r.mark
	change(r.mark)
	if err := r.store(); err != nil {
		*r.mark = before
		return err
	}
	return nil
}

// store replaces the file, so that a crash leaves the mark as it was.
func (r *Restored) store() error {
	text, err := json.MarshalIndent(r.mark, "", "  ")
	if err != nil {
		return err
	}
	if err := ReplaceFile(r.path, append(text, '\n')); err != nil {
		return Explain(fmt.Errorf("mark the state as restored: %w", err))
	}
	return nil
}

// ReplaceFile replaces a file as a whole, for its owner only: a crash leaves the old
// one or the new one.
func ReplaceFile(path string, content []byte) error {
	temp := path + tempExt
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}
