package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
)

// accountFiles says where an account's files lie.
type accountFiles struct {
	// main is the main configuration, account the account's own file, and secrets the
	// folder of its secrets.
	main, account, secrets string
	// daemon is what belongs to the user that the daemon runs as: its state, or the
	// configuration where it has none yet.
	daemon string
}

// filesOf is where the configuration looks for the file of an account.
func filesOf(cfg *config.Config, id string) (accountFiles, error) {
	main, err := filepath.Abs(cfg.Path)
	if err != nil {
		return accountFiles{}, err
	}
	files := accountFiles{main: main, secrets: filepath.Join(filepath.Dir(main), "secrets"), daemon: main}
	if _, err := os.Stat(cfg.StateDir); err == nil {
		files.daemon = cfg.StateDir
	}
	name := id + ".yaml"
	for _, pattern := range cfg.Include {
		dir, form := filepath.Split(pattern)
		matches, err := filepath.Match(form, name)
		if err == nil && matches && form != name && !strings.ContainsAny(dir, "*?[") {
			files.account = filepath.Join(dir, name)
			if _, err := os.Lstat(files.account); err == nil {
				return files, accountExists(files.account)
			}
			return files, nil
		}
	}
	return files, &roster.Fault{
		Code: "account.include", Message: cfg.Path + " includes no folder for the files of accounts",
		Hint: "write  include: [accounts.d/*.yaml]  into it, and start the daemon anew: include is not reloaded",
	}
}

// secretsFromAccount is the folder of secrets as the account's file names it.
func (f accountFiles) secretsFromAccount() string {
	if rel, err := filepath.Rel(filepath.Dir(f.account), f.secrets); err == nil {
		return rel
	}
	return f.secrets
}

// pretend is what the disk will have.
func (f accountFiles) pretend(written config.Drafted) map[string][]byte {
	files := map[string][]byte{f.account: written.Text}
	for _, secret := range written.Secrets {
		files[filepath.Join(f.secrets, secret.Name)] = []byte(secret.Value.Reveal() + "\n")
	}
	return files
}

// create writes the secrets and then the file that names them, none of which is
// there yet, and returns what takes them away again. Secrets are the daemon's user's
// alone.
func (f accountFiles) create(written config.Drafted) (undo func() error, err error) {
	var made []string
	undo = func() error {
		var errs []error
		for _, path := range slices.Backward(made) {
			err := os.Remove(path) // a folder in which somebody has put something stays
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}
	main, err := os.Stat(f.main)
	if err != nil {
		return undo, fmt.Errorf("write an account: %w", err)
	}
	daemon, err := os.Stat(f.daemon)
	if err != nil {
		return undo, fmt.Errorf("write an account: %w", err)
	}
	folders := []folder{{filepath.Dir(f.account), 0o750, main}}
	if len(written.Secrets) > 0 {
		folders = append(folders, folder{f.secrets, 0o700, daemon})
	}
	for _, one := range folders {
		fresh, err := one.make()
		if fresh {
			made = append(made, one.path)
		}
		if err != nil {
			return undo, errors.Join(notWritten(one.path, err), undo())
		}
	}
	for _, secret := range written.Secrets {
		path := filepath.Join(f.secrets, secret.Name)
		if err := writeFresh(path, []byte(secret.Value.Reveal()+"\n"), 0o600, daemon); err != nil {
			return undo, errors.Join(err, undo())
		}
		made = append(made, path)
	}
	if err := writeFresh(f.account, written.Text, main.Mode().Perm(), main); err != nil {
		return undo, errors.Join(err, undo())
	}
	made = append(made, f.account)
	return undo, nil
}

// notWritten is the fault of a file or a folder that cannot be made.
func notWritten(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &roster.Fault{
			Code: "account.denied", Message: path + " cannot be made: permission denied; nothing was written",
			Hint: "run the command as a user who may write beside the configuration, as with sudo",
		}
	}
	return fmt.Errorf("write an account: %w", err)
}

// writeFresh writes a file that is not there, for the owner of another.
func writeFresh(path string, text []byte, mode fs.FileMode, like fs.FileInfo) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return accountExists(path)
	}
	if err != nil {
		return notWritten(path, err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, sameOwner(path, like), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write an account: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// folder is one that files are put into.
type folder struct {
	path string
	mode fs.FileMode
	like fs.FileInfo
}

// make makes it where it is not there, for the owner of like.
func (f folder) make() (fresh bool, err error) {
	if _, err := os.Stat(f.path); err == nil {
		return false, nil
	}
	if err := os.MkdirAll(f.path, f.mode); err != nil {
		return false, err
	}
	return true, sameOwner(f.path, f.like)
}

// sameOwner gives a path to the owner and the group of a file: root writes for the
// user that the daemon runs as. Who may not give files away keeps it.
func sameOwner(path string, like fs.FileInfo) error {
	stat, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err := os.Chown(path, int(stat.Uid), int(stat.Gid))
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// write puts the files there and looks at them as the daemon will. What cannot be
// meant is removed again.
func (t *turnUp) write(ctx context.Context, added accountAdded) ([]config.Fault, error) {
	undo, err := t.files.create(added.written)
	if err != nil {
		return nil, err
	}
	findings, err := t.findingsOf(ctx, added.Open)
	if err != nil {
		return nil, errors.Join(err, undo())
	}
	return append(findings, added.unasked...), nil
}

// findingsOf is what is wrong with the file of the account, which may be pretended.
// What stops the daemon from starting, or is wrong and not merely open, is an error.
func (t *turnUp) findingsOf(ctx context.Context, open []config.Open) ([]config.Fault, error) {
	if _, err := t.load(true); err != nil {
		return nil, err
	}
	all, _, err := t.findings(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", t.files.account, err)
	}
	own, wrong := []config.Fault{}, []config.Fault{}
	for _, f := range all {
		if path, err := filepath.Abs(f.File); err != nil || path != t.files.account {
			continue
		}
		own = append(own, f)
		if f.Severity == config.SeverityError && (f.Code != config.CodeMissing || len(open) == 0) {
			wrong = append(wrong, f)
		}
	}
	if len(wrong) > 0 {
		return nil, &config.Faults{List: wrong}
	}
	slices.SortStableFunc(own, func(a, b config.Fault) int { return cmp.Compare(a.Line, b.Line) })
	return own, nil
}
