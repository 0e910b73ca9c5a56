package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/audit"
	"github.com/rosterd/rosterd/internal/store"
)

// accountant writes down what is changed. It serves the operator's API, of the
// daemon as of a command that works on the stored state.
type accountant struct {
	log  *audit.Log
	path string
	key  []byte
}

func newAccountant(stateDir string, names *store.Names) (*accountant, error) {
	key, err := names.Derive("audit log")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(stateDir, audit.File)
	return &accountant{log: audit.New(path, time.Now), path: path, key: key}, nil
}

// Begin writes down what is about to be done.
func (a *accountant) Begin(who, what string, with map[string]string, request string) (uint64, error) {
	return a.log.Begin(who, what, with, request)
}

// End writes down what came of it.
func (a *accountant) End(of uint64, status int, code string) error {
	return a.log.End(of, status, code)
}

// Audited returns the latest entries.
func (a *accountant) Audited(ctx context.Context, limit int) ([]audit.Entry, error) {
	var latest []audit.Entry
	err := audit.Read(a.path, func(e audit.Entry) error {
		if latest = append(latest, e); len(latest) >= 2*limit {
			latest = slices.Delete(latest, 0, len(latest)-limit)
		}
		return ctx.Err()
	})
	return latest[max(0, len(latest)-limit):], err
}

// Masked is the digest of an id, the same for the same id.
func (a *accountant) Masked(id string) string {
	mac := hmac.New(sha256.New, a.key)
	mac.Write([]byte(id))
	const chars = 12
	return "digest:" + strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)))[:chars]
}

func (a *accountant) close() error { return a.log.Close() }

// accountFor writes down a change that a command makes to a state while no daemon
// runs, and does it.
func accountFor(stateDir, what string, do func() error) error {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return store.Explain(fmt.Errorf("make the state directory: %w", err))
	}
	log := audit.New(filepath.Join(stateDir, audit.File), time.Now)
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	seq, err := log.Begin(who, what, nil, "")
	if err != nil {
		return errors.Join(store.Explain(err), log.Close())
	}
	err = do()
	code := ""
	if err != nil {
		code = asFault(err).Code
	}
	return errors.Join(err, log.End(seq, 0, code), log.Close())
}

func (c *cli) auditCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "audit", Short: "Show what people have changed, and that the account of it is whole", Args: exactly(),
		Long: `Show the latest changes: when, who asked for them, for what, and what came of it.
Each is written down before it is carried out. Who a caller on the Unix socket is, the
operating system says. An id that may tell of a person is shown as a digest.

Each entry names the hash of the one before it, in state_dir/audit.jsonl. An entry that was
changed or taken out ends the command with 65, naming its file and line. One who may
write to state_dir may write the whole log anew: to notice that, too, keep the hash of the
last entry elsewhere from time to time, as "rosterd audit --limit 1 --json" prints it.`,
		Example: "  rosterd audit\n  rosterd audit --limit 1 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("--limit is a number from 1, and not %d", limit)
			}
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			// Changes have two entries each.
			entries, err := client.AuditLog(cmd.Context(), min(limit, 500)*2)
			if err != nil {
				return err
			}
			c.showAudit(entries, limit)
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many changes, the latest last; at most 500")
	return cmd
}

func (c *cli) showAudit(entries []audit.Entry, limit int) {
	if c.json {
		c.print(entries[max(0, len(entries)-limit):])
		return
	}
	outcomes := map[uint64]audit.Entry{}
	var changes []audit.Entry
	for _, e := range entries {
		if e.Of > 0 {
			outcomes[e.Of] = e
		} else {
			changes = append(changes, e)
		}
	}
	if len(changes) == 0 {
		fmt.Fprintln(c.stdout, "nothing was changed yet")
		return
	}
	c.table("AT\tWHO\tWHAT\tOUTCOME", func(line func(...any)) {
		for _, e := range changes[max(0, len(changes)-limit):] {
			line(e.At.Local().Format(dueFormat), e.Who, whatOf(e), outcomeOf(outcomes[e.Seq]))
		}
	})
}

// whatOf is a request with its parameters.
func whatOf(e audit.Entry) string {
	words := []string{e.What}
	for _, name := range slices.Sorted(maps.Keys(e.With)) {
		words = append(words, name+"="+e.With[name])
	}
	return strings.Join(words, " ")
}

func outcomeOf(e audit.Entry) string {
	switch {
	case e.Seq == 0:
		return "not known"
	case e.Code != "":
		return e.Code
	case e.Status == 0:
		return "done"
	}
	return "done (" + strconv.Itoa(e.Status) + ")"
}
