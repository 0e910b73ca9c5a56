package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/backup"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/store"
)

// configuration loads the configuration and reports whether it can be used. Only
// where it cannot, it is told although another check was asked for.
func (d *doctor) configuration(ctx context.Context, wanted bool) bool {
	findings, cfg, err := d.c.findings(ctx, false)
	d.cfg = cfg
	if err != nil {
		d.say(checkFail, "name the right file with --config", "%v", err)
		return false
	}
	usable := true
	for _, f := range findings {
		state := checkWarn
		if f.Severity == config.SeverityError {
			state, usable = checkFail, false
		}
		if wanted || state == checkFail {
			d.say(state, f.Hint, "%s:%d: %s [%s]", f.File, f.Line, f.Message, f.Code)
		}
	}
	if !wanted || !usable {
		return usable
	}
	d.say(checkOK, "", "%s is valid: %s, %s", cfg.Path, counted(len(cfg.Accounts), "account"), counted(len(cfg.Jobs), "job"))
	return true
}

// secrets looks at who may read what is secret.
func (d *doctor) secrets(context.Context) {
	paths := map[string]os.FileMode{d.cfg.Path: 0o022, d.cfg.StateDir: 0o077}
	for _, name := range []string{"master.key", "export.secret", backup.Database} {
		paths[filepath.Join(d.cfg.StateDir, name)] = 0o077
	}
	for _, path := range d.cfg.SecretFiles {
		paths[path] = 0o077
	}
	if key := d.cfg.Listen.TLS.Key; key != "" {
		paths[key] = 0o077
	}
	bad, looked := 0, 0
	for _, path := range sortedKeys(paths) {
		info, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			d.say(checkWarn, "run rosterd doctor as the daemon's user", "%s cannot be looked at: %v", path, err)
			continue
		}
		looked++
		if open := info.Mode().Perm() & paths[path]; open != 0 {
			bad++
			d.say(checkFail, "chmod go-rwx "+path, "%s is open to others than its owner (mode %04o)", path, info.Mode().Perm())
		}
	}
	if bad == 0 {
		d.say(checkOK, "", "%s readable by their owner only", counted(looked, "file"))
	}
}

// state verifies what the daemon remembers, where no daemon uses it.
func (d *doctor) state(ctx context.Context) {
	database := filepath.Join(d.cfg.StateDir, backup.Database)
	if _, err := os.Stat(database); errors.Is(err, os.ErrNotExist) {
		d.say(checkSkip, "", "there is no state in %s; the first start makes it", d.cfg.StateDir)
		return
	}
	lock, err := store.LockDir(d.cfg.StateDir)
	if errors.Is(err, store.ErrLocked) {
		d.stateInUse(ctx)
		return
	}
	if err != nil {
		d.say(checkFail, "run rosterd doctor as the daemon's user", "%v", err)
		return
	}
	err = verifyState(ctx, database)
	if err := errors.Join(err, lock.Unlock()); err != nil {
		d.say(checkFail, "restore a backup with `rosterd state restore`", "%v", err)
		return
	}
	d.say(checkOK, "", "%s was verified; no daemon runs", database)
}

func (d *doctor) stateInUse(ctx context.Context) {
	client, err := dial(d.cfg)
	if err != nil {
		d.say(checkFail, "correct listen.admin", "%v", err)
		return
	}
	status, err := client.Status(ctx)
	if err != nil {
		d.say(checkFail, "look into its log, and restart it", "a daemon uses %s and does not answer: %v", d.cfg.StateDir, err)
		return
	}
	d.say(checkOK, "", "in use by pid %d, which verified it at its start; `rosterd state check` verifies a copy", status.PID)
	for _, f := range status.Problems {
		d.say(checkWarn, f.Command, "%s", f.Message)
	}
}

// leastDisk is how much of the disk has to be free for a backup and a compaction.
const leastDisk = 2

func (d *doctor) disk(context.Context) {
	dir := d.cfg.StateDir
	for _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir); _, err = os.Stat(dir) {
		dir = filepath.Dir(dir) // the first start makes it there
	}
	if err := store.CheckRoom(dir); err != nil {
		d.say(checkFail, "make room on the disk of state_dir", "%v", err)
		return
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		d.say(checkFail, "see that the folder can be reached", "%s: %v", dir, err)
		return
	}
	free := int64(disk.Bavail) * disk.Bsize
	network := []int64{unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC}
	if slices.Contains(network, disk.Type) {
		d.say(checkFail, "move state_dir to a disk of this machine", "%s lies on a network file system, whose locks and syncs do not hold", d.cfg.StateDir)
		return
	}
	info, err := os.Stat(filepath.Join(d.cfg.StateDir, backup.Database))
	if err == nil && free < leastDisk*info.Size() {
		d.say(checkWarn, "make room, or compact with `rosterd state compact` elsewhere", "%s are free, too little for a copy of the database of %s", bytesText(free), bytesText(info.Size()))
		return
	}
	d.say(checkOK, "", "%s are free in %s", bytesText(free), d.cfg.StateDir)
}

// oldest is a time before which no clock of a running rosterd stands.
func oldest() time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) }

// clock asks the kernel whether somebody keeps its clock: schedules, certificates
// and signatures need the time.
func (d *doctor) clock(context.Context) {
	if d.now.Before(oldest()) {
		d.say(checkFail, "set the clock: timedatectl set-ntp true", "the clock stands at %s", d.now.Format(time.RFC3339))
		return
	}
	var state unix.Timex
	if _, err := unix.Adjtimex(&state); err != nil || state.Status&unix.STA_UNSYNC != 0 {
		d.say(checkWarn, "have it synchronised: timedatectl set-ntp true", "the clock stands at %s, and nothing keeps it", d.now.Format(time.RFC3339))
		return
	}
	d.say(checkOK, "", "the clock stands at %s and is synchronised, off by at most %d ms", d.now.Format(time.RFC3339), state.Maxerror/1000)
}

// leastFiles is how many open files a daemon with some adapters needs.
const leastFiles = 4096

func (d *doctor) limits(context.Context) {
	var files unix.Rlimit
	switch err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); {
	case err != nil:
		d.say(checkWarn, "", "the limit of open files cannot be read: %v", err)
	case files.Max < leastFiles:
		d.say(checkWarn, "raise it: LimitNOFILE=8192 in the unit", "%d files may be open at a time", files.Max)
	default:
		d.say(checkOK, "", "%d files may be open at a time", files.Max)
	}
	if version := adapters.Landlock(); version == 0 {
		d.say(checkWarn, "use a kernel with Landlock (5.13 and later), enabled in lsm=", "the kernel has no Landlock: adapters are not confined to their own files")
	} else {
		d.say(checkOK, "", "adapters are confined by Landlock, version %d", version)
	}
}
