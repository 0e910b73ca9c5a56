package adapters_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestConnectionsOfOneAdapterShareAProcess(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	a, b := open(t, h, connection("fake", "")), open(t, h, connection("fake", ""))
	if one, two := valuesOf(a), valuesOf(b); one[0] != two[0] {
		t.Fatalf("processes %s and %s, want one", one[0], two[0])
	}
}

func TestAConnectionSaysWhatItCanDo(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	c := open(t, h, connection("fake", "checker only"))
	if c.Has(sdk.AbilitySource) || !c.Has(sdk.AbilityChecker) {
		t.Fatalf("abilities %v", c.Abilities())
	}
	_, err := c.Read(t.Context(), members)
	wantClass(t, err, sdk.ClassFail)
	if !errors.Is(err, adapters.ErrAbility) {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAClosedConnectionIsClosedInItsProcess(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	file := filepath.Join(t.TempDir(), "closed")
	conn := connection("fake", "")
	conn.Settings = roster.NewSecret(`{"file":"` + file + `"}`)
	c := open(t, h, conn)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(t.Context(), members); !errors.Is(err, adapters.ErrClosed) {
		t.Fatal(err)
	}
}

func TestStoppingAnAdapterClosesItsConnections(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	file := filepath.Join(t.TempDir(), "closed")
	conn := connection("fake", "")
	conn.Settings = roster.NewSecret(`{"file":"` + file + `"}`)
	open(t, h, conn)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
}

func TestErrorsOfAnAdapterKeepTheirClass(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake")
	_, err := h.Open(t.Context(), connection("fake", "bad settings"))
	wantClass(t, err, sdk.ClassFail)
	if e := sdk.AsError(err); e.Code != sdk.CodeConfig || !strings.Contains(err.Error(), "acme/fake") {
		t.Fatalf("%+v", e)
	}
	_, err = open(t, h, connection("fake", "retry")).Read(t.Context(), members)
	wantClass(t, err, sdk.ClassRetry)
	if e := sdk.AsError(err); e.Code != sdk.CodeChanged || e.After != time.Minute {
		t.Fatalf("%+v", e)
	}
}

func TestAMissingAdapterIsNamedWithWhatIsThere(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake", "noise")
	for _, name := range []string{"absent", "../fake", "run", ""} {
		_, err := h.Open(t.Context(), connection(name, ""))
		if !errors.Is(err, adapters.ErrNotInstalled) || !strings.Contains(err.Error(), "fake, noise") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestAProgramThatIsNotUsableSaysWhy(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "other-protocol", "outside", "early", "misnamed")
	for name, want := range map[string]struct {
		is   error
		text string
	}{
		"other-protocol": {adapters.ErrProtocol, "speaks version 7, this rosterd version 1"},
		"outside":        {adapters.ErrStart, "outside the directory"},
		"early":          {adapters.ErrStart, "exit status 3"},
		"misnamed":       {adapters.ErrStart, `holds the adapter "another"`},
	} {
		_, err := h.Describe(t.Context(), name)
		if !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAProgramThatIsNotReadyInTimeIsKilled(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) { o.StartTimeout = 200 * time.Millisecond }, "silent")
	_, err := h.Describe(t.Context(), "silent")
	if !errors.Is(err, adapters.ErrStart) || !strings.Contains(err.Error(), "not ready in time") {
		t.Fatal(err)
	}
}

func TestTheListHoldsGoodAndBadPrograms(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil, "fake", "other-protocol")
	list, err := h.List(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	if f := list[0]; f.Err != nil || f.Info.Version != "1.2.3" || len(f.Info.Abilities) != 11 {
		t.Errorf("%+v", f)
	}
	if o := list[1]; !errors.Is(o.Err, adapters.ErrProtocol) || o.Name != "other-protocol" {
		t.Errorf("%+v", o)
	}
}

func TestWhatAnAdapterPrintsGoesToTheLog(t *testing.T) {
	t.Parallel()
	var log logged
	h := newHost(t, func(o *adapters.Options) { o.Logger = log.logger() }, "noise")
	valuesOf(open(t, h, connection("noise", "log")))
	for _, want := range []string{
		"starting up", "not through os.Stdout", "printed by the author",
		`level=WARN msg="a warning" adapter=noise connection=acme/noise count=3 who=nobody`,
	} {
		await(t, want, func() bool { return strings.Contains(log.String(), want) })
	}
}

func TestTheHostsEnvironmentStaysWithTheHost(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "leaked")
	t.Setenv("NOTIFY_SOCKET", "leaked")
	t.Setenv("TZ", "UTC")
	h := newHost(t, nil, "fake")
	env := valuesOf(open(t, h, connection("fake", "environment")))
	allowed := []string{"TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "ROSTERD_ADAPTER"}
	if !slices.Contains(env, "TZ=UTC") {
		t.Error("TZ did not reach the adapter")
	}
	for _, e := range env {
		key, value, _ := strings.Cut(e, "=")
		if value == "leaked" || !strings.HasPrefix(key, "PLUGIN_") && !slices.Contains(allowed, key) {
			t.Errorf("%s reached the adapter", key)
		}
	}
}

func TestARuntimeDirectoryWithoutRoomForSocketsIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(shortDir(t), strings.Repeat("d", adapters.MaxRuntimeDir))
	_, err := adapters.NewHost(adapters.Options{Dir: t.TempDir(), RuntimeDir: dir})
	if err == nil || !strings.Contains(err.Error(), "choose a shorter one") {
		t.Fatal(err)
	}
}

func TestALongestRuntimeDirectoryWorks(t *testing.T) {
	t.Parallel()
	base := shortDir(t)
	dir := filepath.Join(base, strings.Repeat("d", adapters.MaxRuntimeDir-len(base)-1))
	h := newHost(t, func(o *adapters.Options) { o.RuntimeDir = dir }, "fake")
	if _, err := h.Describe(t.Context(), "fake"); err != nil {
		t.Fatal(err)
	}
}

func TestTheRuntimeDirectoryIsPrivateAndWiped(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	left, kept := filepath.Join(dir, "plugin-dir123"), filepath.Join(dir, "admin.sock")
	for _, d := range []string{left, kept} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	newHost(t, func(o *adapters.Options) { o.RuntimeDir = dir })
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Error("sockets were left", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Error(st.Mode(), err)
	}
}
