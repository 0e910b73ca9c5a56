package adapters_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// confined says that this kernel has Landlock.
var confined = func() bool {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return errno == 0 && v > 0
}()

func needConfinement(t *testing.T) {
	t.Helper()
	if !confined {
		t.Skip("NOT TESTED: this kernel has no Landlock, so that nothing keeps adapters from the files of rosterd")
	}
}

// site is a folder for a test: data/ for adapters and state/ for rosterd.
func site(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"data/in.csv", "data/drop/one.csv", "state/rosterd.db", "rosterd.yaml"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// toucher is a connection that names path and tries tries.
func toucher(t *testing.T, ref, path string, tries ...string) roster.Connection {
	t.Helper()
	text, err := json.Marshal(map[string]string{"mode": "touch", "path": path, "try": strings.Join(tries, "\n")})
	if err != nil {
		t.Fatal(err)
	}
	return roster.Connection{Ref: ref, Adapter: "fake", Settings: roster.NewSecret(string(text))}
}

func ownOf(dir string) func(*adapters.Options) {
	return func(o *adapters.Options) {
		o.Private = []string{filepath.Join(dir, "state"), filepath.Join(dir, "rosterd.yaml")}
		o.WorkDir = dir
	}
}

func TestAConfinedAdapterHasItsFilesAndNothingOfTheDaemons(t *testing.T) {
	t.Parallel()
	needConfinement(t)
	dir := site(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	environ := fmt.Sprintf("/proc/%d/environ", os.Getpid())
	h := newHost(t, ownOf(dir), "fake")
	got := valuesOf(open(t, h, toucher(t, "acme/gym", in("data/in.csv"),
		in("data/in.csv"), in("data/drop/one.csv"), in("state/rosterd.db"), in("rosterd.yaml"), in("state"),
		">"+in("data/in.csv"), ">"+in("data/other"), ">/tmp/rosterd-outside", "/etc/shadow",
		environ, "/usr/share")))
	want := []string{
		"ok " + in("data/in.csv"), "denied " + in("data/drop/one.csv"), "denied " + in("state/rosterd.db"),
		"denied " + in("rosterd.yaml"), "denied " + in("state"),
		"denied >" + in("data/in.csv"), "denied >" + in("data/other"), "denied >/tmp/rosterd-outside", "denied /etc/shadow",
		"denied " + environ, "ok /usr/share",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAConfinedAdapterWritesInItsTemporaryFolder(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	env := valuesOf(open(t, h, connection("fake", "environment")))
	i := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, "TMPDIR=") })
	file := filepath.Join(strings.TrimPrefix(env[i], "TMPDIR="), "scratch")
	if got := valuesOf(open(t, h, toucher(t, "acme/gym", "", ">"+file, file)))[1]; got != "ok "+file {
		t.Error(got)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the temporary folder was left")
	}
}

func TestAFolderOrAPatternOpensItsFixedPart(t *testing.T) {
	t.Parallel()
	needConfinement(t)
	dir := site(t)
	h := newHost(t, ownOf(dir), "fake")
	one := filepath.Join(dir, "data/drop/one.csv")
	for _, path := range []string{filepath.Join(dir, "data/drop"), "data/drop/*.csv", "data/dr[o]p/*"} {
		c := open(t, h, toucher(t, "acme/"+path, path, one, filepath.Join(dir, "rosterd.yaml")))
		if got := valuesOf(c); got[0] != "ok "+one || !strings.HasPrefix(got[1], "denied") {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestOneProcessIsLetThroughToWhatAllConnectionsName(t *testing.T) {
	t.Parallel()
	needConfinement(t)
	dir := site(t)
	in, drop := filepath.Join(dir, "data/in.csv"), filepath.Join(dir, "data/drop/one.csv")
	a, b := toucher(t, "acme/a", in, in, drop), toucher(t, "acme/b", drop, drop)
	h := newHost(t, func(o *adapters.Options) {
		o.Connections = func(sdk.Info) []roster.Connection { return []roster.Connection{a, b} }
	}, "fake")
	if got := valuesOf(open(t, h, a)); got[0] != "ok "+in || got[1] != "ok "+drop {
		t.Error(got)
	}
	pid := valuesOf(open(t, h, connection("fake", "")))[0]
	open(t, h, b)
	if now := valuesOf(open(t, h, connection("fake", "")))[0]; now != pid {
		t.Error("the process was replaced for a connection that was known")
	}
}

func TestAConnectionWithAnotherPathReplacesTheProcess(t *testing.T) {
	t.Parallel()
	needConfinement(t)
	dir := site(t)
	in, drop := filepath.Join(dir, "data/in.csv"), filepath.Join(dir, "data/drop/one.csv")
	h := newHost(t, nil, "fake")
	first := open(t, h, toucher(t, "acme/a", in, in))
	slow := open(t, h, connection("fake", "slow"))
	ended := make(chan error, 1)
	go func() {
		_, err := slow.Read(t.Context(), members)
		ended <- err
	}()
	second := open(t, h, toucher(t, "acme/b", drop, drop))
	if one, two := valuesOf(first), valuesOf(second); one[0] != "ok "+in || two[0] != "ok "+drop {
		t.Error(one, two)
	}
	if err := <-ended; err != nil {
		t.Error("a call under way was cut off:", err)
	}
}

func TestAFileThatIsReplacedIsReadByAnotherProcess(t *testing.T) {
	t.Parallel()
	needConfinement(t)
	dir := site(t)
	in := filepath.Join(dir, "data/in.csv")
	h := newHost(t, nil, "fake")
	c := open(t, h, toucher(t, "acme/a", in, in))
	if got := valuesOf(c); got[0] != "ok "+in {
		t.Fatal(got)
	}
	if err := os.Rename(filepath.Join(dir, "data/drop/one.csv"), in); err != nil {
		t.Fatal(err)
	}
	await(t, "the file to be read", func() bool { return valuesOf(c)[0] == "ok "+in })
}

func TestAnErrorAboutAReplacedFileIsWorthAnotherTry(t *testing.T) {
	t.Parallel()
	needConfinement(t)
	dir := site(t)
	in := filepath.Join(dir, "data/in.csv")
	stopped := time.Now()
	h := newHost(t, func(o *adapters.Options) { o.Now = func() time.Time { return stopped } }, "fake")
	conn := toucher(t, "acme/a", in, in)
	conn.Settings = roster.NewSecret(strings.Replace(conn.Settings.Reveal(), "touch", "open path", 1))
	c := open(t, h, conn)
	if _, err := c.Read(t.Context(), members); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "data/drop/one.csv"), in); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(t.Context(), members)
	wantClass(t, err, sdk.ClassRetry)
	if sdk.AsError(err).Code != sdk.CodeChanged {
		t.Error(err)
	}
	if _, err := c.Read(t.Context(), members); err != nil {
		t.Error(err)
	}
}

func TestSettingsThatNameTheDaemonsFilesAreRefused(t *testing.T) {
	t.Parallel()
	dir := site(t)
	if err := os.Symlink(filepath.Join(dir, "state"), filepath.Join(dir, "data/link")); err != nil {
		t.Fatal(err)
	}
	h := newHost(t, ownOf(dir), "fake")
	for _, path := range []string{"/", ".", "*.csv", "state", "state/rosterd.db", "rosterd.yaml", "data/link/rosterd.db", dir} {
		_, err := h.Open(t.Context(), toucher(t, "acme/gym", path, path))
		wantClass(t, err, sdk.ClassFail)
		if e := sdk.AsError(err); e.Code != sdk.CodeConfig || !strings.Contains(err.Error(), "to a folder of its own") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
