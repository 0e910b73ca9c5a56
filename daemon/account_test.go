package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rosterd/rosterd/internal/config"
)

func TestANewAccountBelongsToWhomTheConfigurationBelongs(t *testing.T) {
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
	path := filepath.Join(dir, "accounts.d", "acme.yaml")
	if err := writeAccount(&config.Config{Path: main}, path, []byte("accounts: {}\n")); err != nil {
		t.Fatal(err)
	}
	for at, mode := range map[string]os.FileMode{path: 0o640, filepath.Dir(path): 0o750} {
		info, err := os.Stat(at)
		if err != nil {
			t.Fatal(err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || stat.Uid != 12 || stat.Gid != 345 || info.Mode().Perm() != mode {
			t.Errorf("%s is of %+v, mode %s", at, info.Sys(), info.Mode())
		}
	}
}
