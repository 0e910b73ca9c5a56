package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/serve"
)

// asAdapter makes the test binary the adapter whose name it holds.
const asAdapter = "ROSTERD_TEST_ADAPTER"

func TestMain(m *testing.M) {
	if name, ok := os.LookupEnv(asAdapter); ok {
		a := gym()
		a.Name = name
		serve.Main(a)
	}
	os.Exit(m.Run())
}

type conn struct{}

func (conn) Check(context.Context) error { return nil }

func gym() sdk.Adapter {
	return sdk.Adapter{
		Name: "gym", Version: "2.0.1", Description: "Reads gyms.", Settings: json.RawMessage(`{"type":"object"}`),
		Opener: sdk.Open(func(context.Context, sdk.Connection) (conn, error) { return conn{}, nil }),
	}
}

func command(t *testing.T, name string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asAdapter+"="+name)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	return cmd, &out, &errs
}

func exitCode(err error) int {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

func TestStartedByHandItSaysWhatItIs(t *testing.T) {
	cmd, out, errs := command(t, "gym")
	if code := exitCode(cmd.Run()); code != 64 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"gym 2.0.1 is an adapter of rosterd", "plugins.dir", "gym --describe"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, errs)
		}
	}
	if out.Len() != 0 {
		t.Errorf("printed %q", out)
	}
}

func TestDescribePrintsTheInfoAsJSON(t *testing.T) {
	cmd, out, errs := command(t, "gym", "--describe")
	if err := cmd.Run(); err != nil {
		t.Fatal(err, errs)
	}
	var got sdk.Info
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	got.Settings = json.RawMessage(strings.Join(strings.Fields(string(got.Settings)), ""))
	if diff := cmp.Diff(gym().Describe(), got); diff != "" {
		t.Error(diff)
	}
}

func TestAnAdapterWithoutAProperNameDoesNotStart(t *testing.T) {
	cmd, _, errs := command(t, "My Gym")
	if code := exitCode(cmd.Run()); code != 64 || !strings.Contains(errs.String(), "kebab-case") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestItEndsWhenTheParentIsGone(t *testing.T) {
	cmd, out, errs := command(t, "gym")
	key, value := wire.Cookie()
	cmd.Env = append(cmd.Env, key+"="+value, "PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_UNIX_SOCKET_DIR="+t.TempDir())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
}
