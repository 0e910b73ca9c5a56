package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/backup"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
)

func (c *cli) stateCommand() *cobra.Command {
	return group("state", "Back up, restore and look after what the daemon remembers",
		c.stateBackupCommand(), c.stateRestoreCommand(), c.stateCheckCommand(), c.stateCompactCommand(), c.stateStatsCommand(),
		c.stateAcceptCommand(), c.stateRotateKeyCommand())
}

// dataError is damage of data, which has an exit code of its own.
type dataError struct{ err error }

func (e *dataError) Error() string { return e.err.Error() }
func (e *dataError) Unwrap() error { return e.err }

// asData marks damage of a backup or of the state.
func asData(err error) error {
	if errors.Is(err, backup.ErrArchive) || errors.Is(err, store.ErrDamaged) {
		return &dataError{err}
	}
	return err
}

func (c *cli) stateBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE|FOLDER", Short: "Write a verified backup, also while the daemon runs", Args: exactly("FILE|FOLDER"),
		Long: `Write the database as it is at one moment, with the change sets of runs under way,
into one file, and verify it by reading it back. In a folder the file is named by
the time. It becomes visible under its name when it is whole and on disk.

The master key is not in it, nor are export.secret and rosterd.erased: keep them
elsewhere, because a backup without its key opens nothing, and without rosterd.erased
it brings back who was erased behind it. What is written behind the moment of the
backup is not in it.`,
		Example: "  rosterd state backup /backups\n  rosterd state backup /backups/rosterd.tar.gz",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			began := time.Now()
			path := args[0]
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				path = filepath.Join(path, "rosterd-"+began.UTC().Format("20060102-150405")+".tar.gz")
			}
			m, size, err := takeBackup(cmd.Context(), client, path)
			if err != nil {
				return asData(err)
			}
			c.showBackup(path, m, size, time.Since(began))
			return nil
		},
	}
}

// takeBackup writes a backup under another name, verifies it and renames it.
func takeBackup(ctx context.Context, client *admin.Client, path string) (m backup.Manifest, size int64, err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.partial")
	if err != nil {
		return m, 0, &roster.Fault{Code: "backup.place", Message: fmt.Sprintf("a backup cannot be written to %s: %v", dir, err), Hint: "name a folder that exists and that you may write to"}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = client.Backup(ctx, f)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return m, 0, err
	}
	if m, err = verifyArchive(ctx, f.Name(), dir); err != nil {
		return m, 0, err
	}
	info, err := os.Stat(f.Name())
	if err != nil {
		return m, 0, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return m, 0, err
	}
	return m, info.Size(), store.SyncDir(dir)
}

// verifyArchive unpacks a backup beside it, verifies its database in a process of
// its own, and removes what it has unpacked.
func verifyArchive(ctx context.Context, path, in string) (m backup.Manifest, err error) {
	dir, err := os.MkdirTemp(in, ".rosterd-verify-")
	if err != nil {
		return m, fmt.Errorf("make room to verify a backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return unpackVerified(ctx, path, dir)
}

// unpackVerified unpacks a backup into a folder and verifies its database.
func unpackVerified(ctx context.Context, path, dir string) (m backup.Manifest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return m, &roster.Fault{Code: "backup.place", Message: fmt.Sprintf("the backup cannot be read: %v", err), Hint: "name a file that `rosterd state backup` has written"}
	}
	defer f.Close()
	if m, err = backup.Unpack(f, dir); err != nil {
		return m, explainBackup(fmt.Errorf("read %s: %w", path, err))
	}
	database := filepath.Join(dir, backup.Database)
	if err := verifyState(ctx, database); err != nil {
		return m, err
	}
	h, err := bolt.ReadHeader(database)
	if err != nil {
		return m, err
	}
	if h.Key.String() != m.Key || h.Install != m.Install || h.Schema != m.Schema {
		return m, explainBackup(fmt.Errorf("read %s: %w: its database is not the one of its manifest", path, backup.ErrArchive))
	}
	return m, nil
}

// explainBackup says what a person can do about a backup that cannot be used.
func explainBackup(err error) error {
	switch {
	case errors.Is(err, backup.ErrArchive):
		return errors.Join(backup.ErrArchive, &roster.Fault{Code: "backup.damaged", Message: err.Error(), Hint: "use another backup; check them with `rosterd state check FILE`"})
	case errors.Is(err, backup.ErrFormat):
		return &roster.Fault{Code: "backup.format", Message: err.Error(), Hint: "install the rosterd that wrote it or a later one"}
	}
	return store.Explain(err)
}

// shownBackup is what a backup is told as with --json.
type shownBackup struct {
	Path     string          `json:"path"`
	Bytes    int64           `json:"bytes"`
	Manifest backup.Manifest `json:"manifest"`
}

func (c *cli) showBackup(path string, m backup.Manifest, size int64, took time.Duration) {
	if c.json {
		c.print(shownBackup{path, size, m})
		return
	}
	fmt.Fprintf(c.stdout, "copied    %s of state: the database, %s, %s of %s, in %s\n", bytesText(m.Bytes()),
		counted(m.Count(backup.ChangeSets), "change set"), "notes", counted(m.Count(backup.Notes), "session"), took.Round(10*time.Millisecond))
	fmt.Fprintf(c.stdout, "verified  %s against their checksums, and the database as a whole\n", counted(len(m.Files), "file"))
	fmt.Fprintf(c.stdout, "saved     %s (%s)\n", path, bytesText(size))
	fmt.Fprintf(c.stdout, "not in it %s: the backup opens only with master key %s, so keep both elsewhere\n", strings.Join(m.Missing, ", "), m.Key)
}

// bytesText is a size for people.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, names := float64(n)/unit, []string{"KiB", "MiB", "GiB", "TiB"}
	for len(names) > 1 && value >= unit {
		value, names = value/unit, names[1:]
	}
	return fmt.Sprintf("%.1f %s", value, names[0])
}

func (c *cli) stateCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check [FILE]", Short: "Verify the state, or a backup",
		Long: `Verify the database in a process of its own: its pages, the checksum of each value
and that of all of them. While the daemon runs, a copy of it is verified. With
FILE a backup is verified instead. Exit code 65 says that something is damaged.`,
		Example: "  rosterd state check\n  rosterd state check /backups/rosterd.tar.gz",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("`%s` takes at most one FILE", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				m, err := verifyArchive(cmd.Context(), args[0], filepath.Dir(args[0]))
				if err != nil {
					return asData(err)
				}
				c.showChecked(args[0], fmt.Sprintf("backup of %s, schema %d, master key %s, %s", m.Made.Format(time.RFC3339), m.Schema, m.Key, counted(len(m.Files), "file")))
				return nil
			}
			cfg, err := c.load(true)
			if err != nil {
				return err
			}
			what, err := c.checkState(cmd.Context(), cfg)
			if err != nil {
				return asData(err)
			}
			c.showChecked(cfg.StateDir, what)
			return nil
		},
	}
}

func (c *cli) showChecked(path, what string) {
	if c.json {
		c.print(map[string]any{"command": "state check", "ok": true, "path": path, "checked": what})
		return
	}
	fmt.Fprintf(c.stdout, "%s: %s\nno damage was found\n", path, what)
}

// checkState verifies the state directory, or a copy of it while a daemon uses it.
func (c *cli) checkState(ctx context.Context, cfg *config.Config) (string, error) {
	database := filepath.Join(cfg.StateDir, backup.Database)
	if _, err := os.Stat(database); errors.Is(err, os.ErrNotExist) {
		return "", errNoState(cfg)
	}
	lock, err := store.LockDir(cfg.StateDir)
	if errors.Is(err, store.ErrLocked) {
		return c.checkCopy(ctx, cfg)
	}
	if err != nil {
		return "", err
	}
	if err = store.FinishRotation(cfg.StateDir); err == nil {
		err = verifyState(ctx, database)
	}
	n := 0
	if err == nil {
		n, err = checkChangeSets(cfg)
	}
	if err := errors.Join(err, lock.Unlock()); err != nil {
		return "", err
	}
	return "the database and " + counted(n, "change set"), nil
}

// checkCopy verifies a copy of what a running daemon uses.
func (c *cli) checkCopy(ctx context.Context, cfg *config.Config) (_ string, err error) {
	client, err := dial(cfg)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "rosterd-check-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m, _, err := takeBackup(ctx, client, filepath.Join(dir, "copy.tar.gz"))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("a copy of the database in use, and %s", counted(m.Count(backup.ChangeSets), "change set")), nil
}

// checkChangeSets opens every change set. Without the master key they are counted.
func checkChangeSets(cfg *config.Config) (int, error) {
	keys, err := presentKeyring(cfg)
	if err != nil {
		return 0, err
	}
	entries, err := os.ReadDir(filepath.Join(cfg.StateDir, backup.ChangeSets))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	n := 0
	for _, e := range entries {
		run, ok := strings.CutSuffix(e.Name(), ".cs")
		if !ok {
			continue
		}
		n++
		if keys == nil {
			continue
		}
		if err := openOnce(cfg.StateDir, keys, run); err != nil {
			return n, err
		}
	}
	return n, nil
}

func openOnce(dir string, keys *store.Keyring, run string) error {
	sets, err := store.NewChangeSets(dir, keys)
	if err != nil {
		return err
	}
	set, err := sets.Open(run)
	if err != nil {
		return &dataError{err}
	}
	return set.Close()
}

// presentKeyring takes the master key where there is one, and makes none.
func presentKeyring(cfg *config.Config) (*store.Keyring, error) {
	if cfg.MasterKey.Reveal() == "" && !store.RotationPending(cfg.StateDir) {
		if _, err := os.Stat(filepath.Join(cfg.StateDir, "master.key")); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
	}
	return keyring(cfg)
}

func (c *cli) stateCompactCommand() *cobra.Command {
	return &cobra.Command{
		Use: "compact", Short: "Give the space of the database that is not used back to the disk", Args: exactly(),
		Long: `Write the database into a new file without what is not used, verify that and put
it in the place of the old one. The daemon has to be stopped. There has to be room
for both files.`,
		Example: "  sudo systemctl stop rosterd && sudo -u rosterd rosterd state compact && sudo systemctl start rosterd",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(true)
			if err != nil {
				return err
			}
			var before, after int64
			err = accountFor(cfg.StateDir, "state compact", func() error {
				before, after, err = bolt.Compact(cmd.Context(), cfg.StateDir, verifyState)
				return err
			})
			if err != nil {
				return asData(err)
			}
			if c.json {
				c.print(map[string]any{"command": "state compact", "ok": true, "before": before, "after": after})
				return nil
			}
			fmt.Fprintf(c.stdout, "%s became %s, verified\n", bytesText(before), bytesText(after))
			return nil
		},
	}
}

func (c *cli) stateStatsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "stats", Short: "Show what the state holds and how large it is", Args: exactly(),
		Example: "  rosterd state stats --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			s, err := client.StateStats(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				c.print(s)
				return nil
			}
			c.showStats(s)
			return nil
		},
	}
}

func (c *cli) showStats(s admin.StateStats) {
	fmt.Fprintf(c.stdout, "%s: schema %d, master key %s\n", s.Dir, s.Schema, s.Key)
	fmt.Fprintf(c.stdout, "database   %s, of which %s are not used; %s free on the disk\n", bytesText(s.Bytes), bytesText(s.Free), bytesText(s.DiskFree))
	fmt.Fprintf(c.stdout, "change sets %d (%s)\n", s.ChangeSets, bytesText(s.ChangeSetBytes))
	fmt.Fprintf(c.stdout, "record log  %s (%s)\n", counted(s.LogFiles, "file"), bytesText(s.LogBytes))
	var runs []string
	for state, n := range s.Runs {
		runs = append(runs, fmt.Sprintf("%d %s", n, state))
	}
	slices.Sort(runs)
	fmt.Fprintf(c.stdout, "runs       %s\n", strings.Join(append(runs, counted(s.Sessions, "session")), ", "))
	fmt.Fprintf(c.stdout, "links      %d, creates in doubt %d, parked %d, quarantined %d\n", s.Links, s.Intents, s.Parked, s.Quarantined)
	if s.Restored != nil {
		fmt.Fprintf(c.stdout, "restored   %s; searching before creating: %s\n", s.Restored.Format(time.RFC3339), cmp.Or(strings.Join(s.Searching, ", "), "no job"))
	}
	c.table("BUCKET\tENTRIES\tSIZE", func(line func(...any)) {
		for _, b := range s.Buckets {
			if b.Entries > 0 {
				line(b.Name, b.Entries, bytesText(b.Bytes))
			}
		}
	})
}

func (c *cli) stateAcceptCommand() *cobra.Command {
	return &cobra.Command{
		Use: "accept ACCOUNT/JOB", Short: "Let a job of a restored state create without searching first", Args: exactly("ACCOUNT/JOB"),
		Long: `Let a job create records without searching for them first. After a restore a sync
searches for everything that it would create, because a record that was created
behind the backup has no link, and ends blocked where its target cannot be
searched. Use this when you know that nothing was created behind the backup, or
have linked what was.`,
		Example: "  rosterd state accept acme/leads",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			job, err := client.AcceptJob(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				c.print(job)
				return nil
			}
			fmt.Fprintf(c.stdout, "job %s creates without searching first\n", job.Ref)
			return nil
		},
	}
}
