package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/recordlog"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
)

func (c *cli) stateRotateKeyCommand() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use: "rotate-key", Short: "Seal the state with another master key, with the daemon stopped", Args: exactly(),
		Long: `Seal everything in the state with another master key: the database and the change
sets are written anew, verified, and put in the place of the old ones. A crash leaves
the state as it was or finished; nothing is to be repaired. Markers, digests and ids
stay what they are.

A master.key in state_dir is replaced by a key that is made, or by that of --to; the
old one is kept beside it under its id, for the backups that were made with it. Where
keys.master names the key, --to names a file with the next one, and --from one with
the present key if this shell cannot read what keys.master names. Put the next key
there before the daemon is started.`,
		Example: `  systemctl stop rosterd && rosterd state rotate-key && systemctl start rosterd
  openssl rand -hex 32 > next.key && rosterd state rotate-key --from /etc/rosterd/master.key --to next.key`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load(true)
			if err != nil {
				return err
			}
			done, err := rotateKey(cmd.Context(), cfg, from, to)
			if err != nil {
				return asData(err)
			}
			c.showRotated(done)
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "a file with the present master key")
	cmd.Flags().StringVar(&to, "to", "", "a file with the next master key")
	return cmd
}

// rotated is what came of a change of the master key.
type rotated struct {
	Dir string `json:"dir"`
	// Old and Key are the ids of the keys.
	Old string `json:"old_key_id"`
	Key string `json:"key_id"`
	// Kept is the file of the old key; empty where the key is kept elsewhere.
	Kept string `json:"kept,omitempty"`
}

func rotateKey(ctx context.Context, cfg *config.Config, from, to string) (rotated, error) {
	done := rotated{Dir: cfg.StateDir}
	if _, err := os.Stat(filepath.Join(cfg.StateDir, "rosterd.db")); err != nil && !store.RotationPending(cfg.StateDir) {
		return done, errNoState(cfg)
	}
	if err := store.SettleRotation(cfg.StateDir); err != nil {
		return done, err
	}
	o := bolt.Rotation{Verify: verifyState, Step: func(string) {}}
	old, inDir, err := oldKey(cfg, from)
	if err != nil {
		return done, err
	}
	o.From = old
	var master []byte
	switch {
	case to != "":
		o.To, master, err = store.ReadKeyFile(to)
	case inDir:
		master = store.NewMasterKey()
		o.To, err = store.NewKeyring(master)
	default:
		err = usagef("`rosterd state rotate-key` takes --to FILE with the next key, because the master key is not kept in %s", cfg.StateDir)
	}
	if err != nil {
		return done, err
	}
	if o.To.ID() == old.ID() {
		return done, &roster.Fault{Code: store.CodeKey, Message: "the next master key is the present one, " + old.ID().String() + "; nothing was changed", Hint: "make another one with `openssl rand -hex 32`"}
	}
	done.Old, done.Key = keyID(old), keyID(o.To)
	if inDir {
		o.Master, done.Kept = master, filepath.Join(cfg.StateDir, store.OldKeyFile(old.ID()))
	}
	o.Also = func(_ context.Context, into string) error {
		_, err := recordlog.Reseal(cfg.StateDir, into, old, o.To)
		return err
	}
	return done, accountFor(cfg.StateDir, "state rotate-key", func() error { return bolt.RotateKey(ctx, cfg.StateDir, o) })
}

func errNoState(cfg *config.Config) error {
	return &roster.Fault{Code: "state.missing", Message: "there is no state in " + cfg.StateDir, Hint: "the first `rosterd run` makes it; `rosterd state restore` puts a backup there"}
}

// oldKey finds the present master key, and says whether it is the one in the state
// directory.
func oldKey(cfg *config.Config, from string) (keys *store.Keyring, inDir bool, err error) {
	if from != "" {
		keys, _, err = store.ReadKeyFile(from)
		return keys, from == filepath.Join(cfg.StateDir, "master.key"), err
	}
	if key := cfg.MasterKey.Reveal(); key != "" {
		keys, err = store.NewKeyring([]byte(key))
		return keys, false, err
	}
	keys, err = presentKeyring(cfg)
	if err == nil && keys == nil {
		err = &roster.Fault{
			Code: store.CodeKey, Message: "the present master key is not known here: there is no master.key in " + cfg.StateDir + ", and what keys.master names cannot be read",
			Hint: "name a file with it: `rosterd state rotate-key --from FILE --to FILE`",
		}
	}
	return keys, true, err
}

func (c *cli) showRotated(done rotated) {
	if c.json {
		c.print(done)
		return
	}
	fmt.Fprintf(c.stdout, "%s is sealed with master key %s; %s opens nothing of it any more\n", done.Dir, done.Key, done.Old)
	if done.Kept == "" {
		fmt.Fprintln(c.stdout, "next      put the new key where keys.master names it, then start rosterd")
	} else {
		fmt.Fprintf(c.stdout, "old key   %s: keep it with the backups that were made with it, and remove it from here\n", done.Kept)
	}
	fmt.Fprintln(c.stdout, "then      make a backup, and keep the new key elsewhere, too")
}
