package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
)

func TestWhatCannotBeReadOnceItIsWrittenIsRemovedWithItsSecrets(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "rosterd.yaml")
	if err := os.WriteFile(main, []byte("version: 1\nstate_dir: state\ninclude: [\"accounts.d/*.yaml\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	up := &turnUp{cli: &cli{configPath: main, process: process{getenv: func(string) string { return "" }}}}
	cfg, err := up.load(true)
	if err != nil {
		t.Fatal(err)
	}
	if up.files, err = filesOf(cfg, "acme"); err != nil {
		t.Fatal(err)
	}
	added := accountAdded{written: config.Drafted{
		Text:    []byte("accounts: {acme: {country: XX, timezone: UTC}}\n"),
		Secrets: []config.DraftSecret{{Name: "acme-crm-password", Value: roster.NewSecret("hunter2")}},
	}}
	_, err = up.write(t.Context(), added)
	if faults, ok := errors.AsType[*config.Faults](err); !ok || strings.Contains(faults.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left are %v, error %v", entries, err)
	}
}

func TestANewAccountBelongsToWhomTheConfigurationBelongsAndItsSecretsToTheDaemon(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can give files away, and this test does not run as root")
	}
	dir := t.TempDir()
	main := filepath.Join(dir, "rosterd.yaml")
	if err := os.WriteFile(main, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(main, 12, 345); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(state, 67, 89); err != nil {
		t.Fatal(err)
	}
	files, err := filesOf(&config.Config{Path: main, StateDir: state, Include: []string{filepath.Join(dir, "accounts.d", "*.yaml")}}, "acme")
	if err != nil {
		t.Fatal(err)
	}
	undo, err := files.create(config.Drafted{
		Text:    []byte("accounts: {}\n"),
		Secrets: []config.DraftSecret{{Name: "acme-crm-password", Value: roster.NewSecret("hunter2")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(dir, "secrets", "acme-crm-password")
	for at, want := range map[string]struct {
		mode     os.FileMode
		uid, gid uint32
	}{
		files.account: {0o640, 12, 345}, filepath.Dir(files.account): {0o750, 12, 345},
		secret: {0o600, 67, 89}, filepath.Dir(secret): {0o700, 67, 89},
	} {
		info, err := os.Stat(at)
		if err != nil {
			t.Fatal(err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || stat.Uid != want.uid || stat.Gid != want.gid || info.Mode().Perm() != want.mode {
			t.Errorf("%s is of %+v, mode %s", at, info.Sys(), info.Mode())
		}
	}
	if err := undo(); err != nil {
		t.Error(err)
	}
	for _, at := range []string{files.account, filepath.Dir(files.account), secret, filepath.Dir(secret)} {
		if _, err := os.Lstat(at); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", at, err)
		}
	}
}
