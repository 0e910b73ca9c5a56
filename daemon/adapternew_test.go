package main_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// scaffolded writes an adapter into a folder that points to this source.
func scaffolded(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "adapter")
	out, err := exec.CommandContext(t.Context(), binaries+"/rosterd", "adapter", "new", "my-gym", "--dir", dir).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("make test")) {
		t.Fatalf("%v\n%s", err, out)
	}
	repository, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	// The checksums of what the SDK needs, since nothing can be asked for them.
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600); err != nil {
		t.Fatal(err)
	}
	goCommand(t, dir, "mod", "edit", "-replace", "github.com/rosterd/rosterd="+repository)
	return dir
}

// goCommand runs the go command in the folder of an adapter, without a network.
func goCommand(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestAWrittenAdapterBuildsAndKeepsTheContract(t *testing.T) {
	t.Parallel()
	dir := scaffolded(t)
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(mod), "module my-gym\n") || !strings.Contains(string(mod), "require github.com/rosterd/rosterd v1.2.3-test\n") {
		t.Errorf("go.mod:\n%s", mod)
	}
	goCommand(t, dir, "vet", ".")
	goCommand(t, dir, "test", "./...")
	goCommand(t, dir, "build", "-o", "bin/my-gym", ".")
	settings := filepath.Join(dir, "settings.json")
	gym(t, settings)
	if out, err := adapterTest(t, dir, settings); err != nil || !strings.Contains(out, "my-gym 0.1.0 keeps the contract") {
		t.Errorf("%v\n%s", err, out)
	}

	// An adapter whose cursor is one record too far.
	path := filepath.Join(dir, "adapter.go")
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Replace(source, []byte("cursorAt(after)"), []byte("cursorAt(after+1)"), 1)
	if err := os.WriteFile(path, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	goCommand(t, dir, "build", "-o", "bin/my-gym", ".")
	out, err := adapterTest(t, dir, settings)
	if err == nil || !strings.Contains(out, "failed    source/member/limit") || !strings.Contains(out, "are lost: 2, 4, 6") {
		t.Errorf("%v\n%s", err, out)
	}
}

func adapterTest(t *testing.T, dir, settings string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binaries+"/rosterd", "adapter", "test", filepath.Join(dir, "bin/my-gym"), "--settings", settings).CombinedOutput()
	return string(out), err
}

// gym serves the API that a written adapter reads, and writes the settings for
// it.
func gym(t *testing.T, settings string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		members := []map[string]any{}
		for id := after + 1; id <= 12 && len(members) < limit; id++ {
			members = append(members, map[string]any{"id": id, "club": "1", "first_name": "Ann"})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"members": members})
	}))
	t.Cleanup(server.Close)
	text := `{"settings": {"base_url": "` + server.URL + `", "token": "secret"}}`
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnAdapterIsNotWrittenOverAnything(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, dir, says string }{
		{"my-gym", full, "is not empty"},
		{"my-gym", filepath.Join(full, "a"), "cannot be used"},
		{"my-gym", "my-gym", "in rosterd's own source"},
		{"My_Gym", t.TempDir(), "kebab-case"},
		{"csv", t.TempDir(), "comes with rosterd"},
		{"net", t.TempDir(), "net-crm"},
	} {
		out, err := exec.CommandContext(t.Context(), binaries+"/rosterd", "adapter", "new", tt.name, "--dir", tt.dir).CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.says) {
			t.Errorf("%s in %s: %v\n%s", tt.name, tt.dir, err, out)
		}
	}
	if entries, err := os.ReadDir(full); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

// The names that are refused are those of the adapters in the tree, and the Go
// version is the module's.
func TestWhatAWrittenAdapterKnowsOfThisTree(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("adapternew.go")
	if err != nil {
		t.Fatal(err)
	}
	mains, err := filepath.Glob("../plugins/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatal(mains, err)
	}
	for _, path := range mains {
		if name := filepath.Base(filepath.Dir(path)); !bytes.Contains(source, []byte(strconv.Quote(name))) {
			t.Errorf("the name %s is not refused", name)
		}
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(strings.Split(string(mod), "\n"), func(line string) bool { return strings.HasPrefix(line, "go ") })
	version := strings.TrimPrefix(strings.Split(string(mod), "\n")[i], "go ")
	if !bytes.Contains(source, []byte(strconv.Quote(version))) {
		t.Errorf("go.mod has go %s, and a written adapter another", version)
	}
}
