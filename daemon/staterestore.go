package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/backup"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

func (c *cli) stateRestoreCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the place of the state, with the daemon stopped", Args: exactly("FILE"),
		Long: `Put a verified backup into state_dir, which must hold no state; with --force what
is there is moved into a folder of its own beside it. The master key has to be the
one that the backup was made with.

A backup does not know what was created behind it. The next start therefore only
reconciles: every sync searches the target for each record before it creates it,
until a run of it has walked the whole source and is ok. Where a target cannot be
searched, its runs end blocked until ` + "`rosterd state accept`" + ` names the job. An
import is not held up: what it delivers the target itself tells apart.`,
		Example: "  rosterd state restore /backups/rosterd-20261128-030000.tar.gz",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.load(true)
			if err != nil {
				return err
			}
			var done restored
			err = accountFor(cfg.StateDir, "state restore", func() error {
				done, err = restoreState(cmd.Context(), cfg, args[0], force, time.Now())
				return err
			})
			if err != nil {
				return asData(err)
			}
			c.showRestored(cfg, done)
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "move the state that is there aside")
	return cmd
}

// restored is what came of a restore.
type restored struct {
	Manifest backup.Manifest `json:"manifest"`
	Dir      string          `json:"dir"`
	// Aside is the folder into which the earlier state was moved.
	Aside string `json:"aside,omitempty"`
	// Erased says that rosterd.erased is there, by which whoever was erased behind the
	// backup is erased again.
	Erased bool `json:"erased_again"`
	// KeyMissing says that the master key is not in its place.
	KeyMissing bool `json:"key_missing"`
}

// restoreState puts a backup in the place of the state. A crash leaves the earlier
// state, no state, or the restored one with its mark: the database comes last.
func restoreState(ctx context.Context, cfg *config.Config, archive string, force bool, now time.Time) (done restored, err error) {
	done.Dir = cfg.StateDir
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return done, store.Explain(fmt.Errorf("make the state directory: %w", err))
	}
	if err := store.RefuseRoot(cfg.StateDir); err != nil {
		return done, err
	}
	lock, err := store.LockDir(cfg.StateDir)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if err := store.FinishRotation(cfg.StateDir); err != nil {
		return done, err
	}
	present := stateIn(cfg.StateDir)
	if len(present) > 0 && !force {
		return done, &roster.Fault{
			Code: "state.not_empty", Message: fmt.Sprintf("there is a state in %s, and nothing was changed", cfg.StateDir),
			Hint: "with --force it is moved into a folder beside the restored one",
		}
	}
	temp, err := os.MkdirTemp(cfg.StateDir, "restore-*.tmp")
	if err != nil {
		return done, store.Explain(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if done.Manifest, err = unpackVerified(ctx, archive, temp); err != nil {
		return done, err
	}
	if done.KeyMissing, err = keyFits(cfg, done.Manifest); err != nil {
		return done, err
	}
	if len(present) > 0 {
		if done.Aside, err = moveAside(cfg.StateDir, present, now); err != nil {
			return done, err
		}
	}
	if err := store.MarkRestored(cfg.StateDir, now, done.Manifest.Made); err != nil {
		return done, err
	}
	_, missing := os.Stat(filepath.Join(cfg.StateDir, erasedFile))
	done.Erased = missing == nil
	return done, moveIn(temp, cfg.StateDir)
}

// erasedFile is the copy of the tombstones, which a restore leaves in its place.
const erasedFile = "rosterd.erased"

// stateFiles are the parts of a state, the database first: without it the others
// are nothing.
func stateFiles() []string {
	return []string{backup.Database, "rosterd.clean", "rosterd.restored", backup.ChangeSets, backup.Notes}
}

// stateIn lists the parts of a state that are there and not empty.
func stateIn(dir string) []string {
	var present []string
	for _, name := range stateFiles() {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if entries, _ := os.ReadDir(path); info.IsDir() && len(entries) == 0 {
			continue
		}
		present = append(present, name)
	}
	return present
}

// keyFits compares the master key with that of a backup.
func keyFits(cfg *config.Config, m backup.Manifest) (missing bool, err error) {
	keys, err := presentKeyring(cfg)
	if err != nil || keys == nil {
		return keys == nil, err
	}
	if keys.ID().String() != m.Key {
		return false, &roster.Fault{
			Code:    store.CodeKey,
			Message: fmt.Sprintf("the backup was made with master key %s, and the configured one is %s; nothing was changed", m.Key, keys.ID()),
			Hint:    "put the master key of the backup where keys.master names it, or as master.key into state_dir",
		}
	}
	return false, nil
}

func moveAside(dir string, present []string, now time.Time) (string, error) {
	aside := filepath.Join(dir, "replaced-"+now.UTC().Format("20060102-150405"))
	if err := os.Mkdir(aside, 0o700); err != nil {
		return "", fmt.Errorf("move the state aside: %w", err)
	}
	for _, name := range present {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(aside, name)); err != nil {
			return "", fmt.Errorf("move the state aside: %w", err)
		}
	}
	return aside, errors.Join(store.SyncDir(aside), store.SyncDir(dir))
}

// moveIn puts unpacked files in their place, the database last.
func moveIn(from, dir string) error {
	for _, name := range []string{backup.ChangeSets, backup.Notes, backup.Database} {
		source, target := filepath.Join(from, name), filepath.Join(dir, name)
		if _, err := os.Stat(source); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if name != backup.Database {
			// An empty folder is there since the daemon's first start.
			if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("restore %s: %w", name, err)
			}
			if err := store.SyncDir(source); err != nil {
				return err
			}
		}
		if err := os.Rename(source, target); err != nil {
			return fmt.Errorf("restore %s: %w", name, err)
		}
		if err := store.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) showRestored(cfg *config.Config, done restored) {
	if c.json {
		c.print(done)
		return
	}
	m := done.Manifest
	fmt.Fprintf(c.stdout, "verified  backup of %s by rosterd %s, %s in %s\n", m.Made.Format(time.RFC3339), m.Version, bytesText(m.Bytes()), counted(len(m.Files), "file"))
	if done.Aside != "" {
		fmt.Fprintf(c.stdout, "moved     the earlier state to %s\n", done.Aside)
	}
	fmt.Fprintf(c.stdout, "restored  %s\n", done.Dir)
	if done.KeyMissing {
		fmt.Fprintf(c.stdout, "! put master key %s there as master.key, mode 0600, before the start\n", m.Key)
	}
	if done.Erased {
		fmt.Fprintf(c.stdout, "erased    who was erased behind the backup is erased again at the start, by %s\n", erasedFile)
	} else {
		fmt.Fprintf(c.stdout, "! put %s there, if anybody was ever erased: the backup brings back who was erased behind it\n", erasedFile)
	}
	if len(cfg.Export.Secrets) == 0 && !cfg.Export.Unread {
		fmt.Fprintln(c.stdout, "! put export.secret there as well, or the address that targets call changes")
	}
	fmt.Fprintln(c.stdout, "next      start rosterd: each sync searches for what it would create, until a whole run or a sweep of it is ok")
	for _, job := range cfg.Jobs {
		if job.Type == roster.JobImport {
			fmt.Fprintln(c.stdout, "          imports that ended behind the backup may be announced once more when their jobs run")
			break
		}
	}
}
