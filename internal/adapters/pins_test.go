package adapters_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// copies makes a directory of adapters with a copy of the test binary under
// each name.
func copies(t *testing.T, names ...string) string {
	t.Helper()
	dir := shortDir(t)
	for _, name := range names {
		copySelf(t, filepath.Join(dir, name), "")
	}
	return dir
}

// copySelf copies the test binary, with something behind it that changes its
// digest.
func copySelf(t *testing.T, to, tail string) {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = self.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, io.MultiReader(self, strings.NewReader(tail)))
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}

// replaceSelf puts another program into the place of an adapter.
func replaceSelf(t *testing.T, path, tail string) {
	t.Helper()
	copySelf(t, path+".new", tail)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// lock pins what the directory holds.
func lock(t *testing.T, dir string) string {
	t.Helper()
	h := newHost(t, func(o *adapters.Options) { o.Dir = dir })
	list, err := h.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var pins []adapters.Pin
	for _, in := range list {
		if in.Err != nil {
			t.Fatal(in.Err)
		}
		pins = append(pins, in.Pin)
	}
	path := filepath.Join(t.TempDir(), "plugins.lock")
	// A program that still runs cannot be written to.
	if err := errors.Join(adapters.WriteLock(path, pins), h.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAMissingFileOfPinsIsAWarningAndABrokenOneStopsStarts(t *testing.T) {
	t.Parallel()
	var log logged
	path := filepath.Join(t.TempDir(), "plugins.lock")
	h := newHost(t, func(o *adapters.Options) { o.Lock, o.Logger = path, log.logger() }, "fake")
	if _, err := h.Describe(t.Context(), "fake"); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "level=WARN msg=\"adapters are started without"); n != 1 {
		t.Errorf("%d warnings in %s", n, log.String())
	}
	if err := os.WriteFile(path, []byte("not pins"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Describe(t.Context(), "fake"); !errors.Is(err, adapters.ErrPin) || !strings.Contains(err.Error(), "plugins.lock:1") {
		t.Error(err)
	}
}

func TestOnlyPinnedProgramsAreStarted(t *testing.T) {
	t.Parallel()
	dir := copies(t, "fake")
	pins := lock(t, dir)
	h := newHost(t, func(o *adapters.Options) { o.Dir, o.Lock = dir, pins })
	if _, err := h.Describe(t.Context(), "fake"); err != nil {
		t.Fatal(err)
	}
	copySelf(t, filepath.Join(dir, "added"), "")
	_, err := h.Open(t.Context(), connection("added", ""))
	wantClass(t, err, sdk.ClassFail)
	if !errors.Is(err, adapters.ErrPin) || !strings.Contains(err.Error(), "`rosterd adapter lock`") {
		t.Error(err)
	}
}

func TestAReplacedProgramRunsOnAndIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	dir := copies(t, "fake")
	pins := lock(t, dir)
	h := newHost(t, func(o *adapters.Options) { o.Dir, o.Lock = dir, pins })
	c := open(t, h, connection("fake", ""))
	pid := valuesOf(c)[0]
	replaceSelf(t, filepath.Join(dir, "fake"), "another")
	if now := valuesOf(c)[0]; now != pid {
		t.Error("the process was replaced")
	}
	bad := open(t, h, connection("fake", "crash"))
	_, err := bad.Read(t.Context(), members)
	wantClass(t, err, sdk.ClassRetry)
	_, err = c.Read(t.Context(), members)
	wantClass(t, err, sdk.ClassFail)
	if !errors.Is(err, adapters.ErrPin) || !strings.Contains(err.Error(), "adapter lock --update") || strings.Count(err.Error(), "SHA-256") < 1 {
		t.Error(err)
	}
	// Accepting the change needs no restart of the host.
	if err := os.Rename(lock(t, dir), pins); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(t.Context(), members); err != nil {
		t.Error(err)
	}
}

func TestWhatWasVerifiedIsWhatRuns(t *testing.T) {
	t.Parallel()
	dir := copies(t, "fake")
	pins := lock(t, dir)
	path := filepath.Join(dir, "fake")
	// The keeper's command replaces the program between its check and its
	// start; what would be started by the path is not an adapter at all.
	keeper := filepath.Join(t.TempDir(), "keeper")
	script := "#!/bin/sh\nprintf '#!/bin/sh\\necho replaced >&2; exit 7\\n' >" + path + ".new\nchmod 700 " + path +
		".new\nmv " + path + ".new " + path + "\nexec /proc/" + itoa(os.Getpid()) + "/exe \"$@\"\n"
	if err := os.WriteFile(keeper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	h := newHost(t, func(o *adapters.Options) {
		o.Dir, o.Lock, o.Keeper = dir, pins, []string{keeper, adapters.KeeperCommand}
	})
	if _, err := h.Describe(t.Context(), "fake"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text[:min(len(text), 100)]), "replaced") {
		t.Fatal("the program was not replaced", err)
	}
	h = newHost(t, func(o *adapters.Options) { o.Dir, o.Lock = dir, pins })
	if _, err := h.Describe(t.Context(), "fake"); !errors.Is(err, adapters.ErrPin) {
		t.Error(err)
	}
}

func TestAProgramThatIsWrittenToAfterItsCheckIsNotUsed(t *testing.T) {
	t.Parallel()
	dir := copies(t, "fake")
	path := filepath.Join(dir, "fake")
	// The orders come when the program was read: the keeper's command waits for
	// them, writes to the file in its place and passes them on.
	keeper := filepath.Join(t.TempDir(), "keeper")
	script := "#!/bin/sh\norders=$(cat <&3)\necho more >>" + path + "\nexec /proc/" + itoa(os.Getpid()) + "/exe \"$@\" 3<<END\n$orders\nEND\n"
	if err := os.WriteFile(keeper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	h := newHost(t, func(o *adapters.Options) {
		o.Dir, o.Lock, o.Keeper = dir, lock(t, dir), []string{keeper, adapters.KeeperCommand}
	})
	_, err := h.Describe(t.Context(), "fake")
	if !errors.Is(err, adapters.ErrPin) || !strings.Contains(err.Error(), "written to while it was started") {
		t.Fatal(err)
	}
}

func TestTheFileOfPinsIsDeterministicAndRefusesNonsense(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "plugins.lock")
	a := adapters.Pin{Name: "a", Version: "1", Protocol: 1, SHA256: strings.Repeat("0a", 32)}
	b := adapters.Pin{Name: "b", Version: "2", Protocol: 1, SHA256: strings.Repeat("0b", 32)}
	var texts []string
	for _, pins := range [][]adapters.Pin{{a, b}, {b, a}} {
		if err := adapters.WriteLock(path, pins); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if texts[0] != texts[1] || strings.Count(texts[0], "\n") != 2 {
		t.Errorf("%s\n%s", texts[0], texts[1])
	}
	if got, err := adapters.ReadLock(path); err != nil || len(got) != 2 || got[0] != a || got[1] != b {
		t.Error(got, err)
	}
	line, _, _ := strings.Cut(texts[0], "\n")
	for _, bad := range []string{
		"nonsense", line + "\n" + line, `{"name":"a","sha256":"00"}`, `{"name":"../a"}`, strings.Replace(line, "name", "nane", 1),
	} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := adapters.ReadLock(path); err == nil || !strings.Contains(err.Error(), "plugins.lock:") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
		t.Error("something was left beside the file", list, err)
	}
}
