package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

func writing(tb testing.TB, path string) json.RawMessage {
	tb.Helper()
	raw, err := json.Marshal(map[string]string{"write": path})
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func openedTo(tb testing.TB, path string) *connection {
	tb.Helper()
	v, err := adapter().Opener.Open(tb.Context(), sdk.Connection{Name: "acme/out", Settings: writing(tb, path)})
	if err != nil {
		tb.Fatal(err)
	}
	return v.(*connection)
}

// change is a line as a reader takes it.
type change struct {
	Op         sdk.Op
	Kind       sdk.Kind
	Key        string
	ID         string
	Club       string
	Owner      string
	LeadSource string `json:"lead_source"`
	Data       json.RawMessage
}

func changes(tb testing.TB, path string) []change {
	tb.Helper()
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var all []change
	for in := bufio.NewScanner(f); in.Scan(); {
		var c change
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			tb.Fatalf("%q: %v", in.Text(), err)
		}
		all = append(all, c)
	}
	return all
}

func TestConformanceOfWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	sdktest.Run(t, sdktest.Case{
		Adapter:    adapter(),
		Connection: sdk.Connection{Name: "acme/out", Settings: writing(t, path)},
		BadSettings: []json.RawMessage{
			json.RawMessage(`{}`), json.RawMessage(`{"path":"x"}`), json.RawMessage(`{"path":"x","id":"no","write":"./x"}`),
		},
		Write: &sdktest.Writing{
			Kind: sdk.KindMember, Bad: json.RawMessage(`[]`),
			Record: func(n int) json.RawMessage { return json.RawMessage(fmt.Sprintf(`{"name":"Zoe %d"}`, n)) },
			Count: func() int {
				keys := map[string]bool{}
				for _, c := range changes(t, path) {
					keys[c.Key] = true
				}
				return len(keys)
			},
		},
	})
}

func TestEveryOperationIsALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	c := openedTo(t, path)
	res, err := c.Write(t.Context(), sdk.WriteRequest{Kind: sdk.KindProspect, Operations: []sdk.Operation{
		{Op: sdk.OpCreate, Key: `a "key" é`, Club: "7", Owner: "s-1", LeadSource: "l-1", Data: json.RawMessage(`{"name":"Zoë"}`)},
		{Op: sdk.OpUpdate, Key: "b", ID: "2", Data: json.RawMessage("{\n  \"name\": \"a\\nb\"\n}")},
		{Op: sdk.OpDeactivate, Key: "c", ID: "3"},
		{Op: sdk.OpDelete, Key: "d", ID: "4"},
		{Op: sdk.OpCreate, Data: json.RawMessage(`{}`)},
		{Op: sdk.OpCreate, Key: strings.Repeat("k", 1025), Data: json.RawMessage(`{}`)},
		{Op: sdk.OpUpdate, Key: "e", Data: json.RawMessage(`{}`)},
		{Op: sdk.OpUpdate, Key: "e", ID: "5", Data: json.RawMessage("{\n")},
		{Op: "merge", Key: "e", ID: "5"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []change{
		{Op: sdk.OpCreate, Kind: sdk.KindProspect, Key: `a "key" é`, ID: `a "key" é`, Club: "7", Owner: "s-1", LeadSource: "l-1", Data: json.RawMessage(`{"name":"Zoë"}`)},
		{Op: sdk.OpUpdate, Kind: sdk.KindProspect, Key: "b", ID: "2", Data: json.RawMessage(`{"name":"a\nb"}`)},
		{Op: sdk.OpDeactivate, Kind: sdk.KindProspect, Key: "c", ID: "3"},
		{Op: sdk.OpDelete, Kind: sdk.KindProspect, Key: "d", ID: "4"},
	}
	if diff := cmp.Diff(want, changes(t, path)); diff != "" {
		t.Error(diff)
	}
	for i, r := range res.Results {
		if i < len(want) && (r.Outcome != sdk.OutcomeOK || r.ID != want[i].ID) || i >= len(want) && (r.Outcome != sdk.OutcomeRefused || r.Class != sdk.ClassReject) {
			t.Errorf("operation %d: %+v", i+1, r)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}

func one(key string) sdk.WriteRequest {
	return sdk.WriteRequest{Kind: sdk.KindMember, Operations: []sdk.Operation{{Op: sdk.OpCreate, Key: key, Data: json.RawMessage(`{"a":1}`)}}}
}

func TestALineThatACrashCutOffIsTakenAway(t *testing.T) {
	whole := `{"op":"create","key":"1"}` + "\n"
	for name, before := range map[string]string{
		"behind others": whole + `{"op":"create","ke`,
		"alone":         `{"op":"create","ke`,
		"a long one":    whole + strings.Repeat("x", 3*chunkBytes),
		"none":          whole,
		"empty":         "",
	} {
		path := written(t, before)
		if res, err := openedTo(t, path).Write(t.Context(), one("2")); err != nil || res.Results[0].Outcome != sdk.OutcomeOK {
			t.Fatal(name, res, err)
		}
		got := changes(t, path)
		if n := strings.Count(before, "\n"); len(got) != n+1 || got[n].Key != "2" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWhatCannotBeWrittenSaysWhatIsKnown(t *testing.T) {
	dir := t.TempDir()
	held := written(t, "")
	f, err := os.Open(held)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		path  string
		class sdk.Class
	}{
		"no folder": {filepath.Join(dir, "gone", "out"), sdk.ClassFail},
		"a folder":  {dir, sdk.ClassFail},
		"a pipe":    {pipe, sdk.ClassFail},
		"busy":      {held, sdk.ClassRetry},
		"full":      {"/dev/full", sdk.ClassFail},
	} {
		res, err := openedTo(t, tt.path).Write(t.Context(), one("1"))
		if err != nil {
			t.Fatal(err)
		}
		if r := res.Results[0]; r.Outcome != sdk.OutcomeRefused || r.Class != tt.class || r.Detail == "" || strings.Contains(r.Detail, dir) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if err := openedTo(t, filepath.Join(dir, "gone", "out")).Check(t.Context()); sdk.AsError(err).Code != sdk.CodeConfig {
		t.Error(err)
	}
	fresh := filepath.Join(dir, "fresh")
	if err := openedTo(t, fresh).Check(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(fresh); err == nil {
		t.Error("the check made the file")
	}
}

func TestNothingIsAppendedWhereNothingMayBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	c := openedTo(t, path)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ctx := range []context.Context{over, sdk.WithReadOnly(t.Context())} {
		if res, err := c.Write(ctx, one("1")); err != nil || res.Results[0].Outcome != sdk.OutcomeRefused {
			t.Error(res, err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file was made")
	}
}

func TestAConnectionHasWhatItsSettingsName(t *testing.T) {
	for settings, want := range map[string][]sdk.Ability{
		`{"path":"a","id":"no"}`:             {sdk.AbilitySource, sdk.AbilityChecker},
		`{"write":"b"}`:                      {sdk.AbilityChecker, sdk.AbilityTarget},
		`{"path":"a","id":"no","write":"b"}`: {sdk.AbilitySource, sdk.AbilityChecker, sdk.AbilityTarget},
	} {
		v, err := adapter().Opener.Open(t.Context(), sdk.Connection{Settings: json.RawMessage(settings)})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, sdk.AbilitiesOf(v)); diff != "" {
			t.Errorf("%s: %s", settings, diff)
		}
	}
}

// BenchmarkWrite appends batches of records of 300 bytes, with the wait for the
// disk at the end of each; BenchmarkLines makes the lines alone.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{500, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "out")
			c, req := openedTo(b, path), many(n)
			spent := processorTime()
			for i := 0; b.Loop(); i++ {
				if res, err := c.Write(b.Context(), req); err != nil || res.Results[n-1].Outcome != sdk.OutcomeOK {
					b.Fatal(res, err)
				}
				if i%100 == 99 {
					_ = os.Truncate(path, 0)
				}
			}
			spent = processorTime() - spent
			b.ReportMetric(float64(spent)/1e3/float64(b.N*n), "cpu-µs/record")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/record")
		})
	}
}

func BenchmarkLines(b *testing.B) {
	req := many(500)
	var text []byte
	spent := processorTime()
	for b.Loop() {
		text = text[:0]
		for i := range req.Operations {
			if unfit(&req.Operations[i]) != "" {
				b.Fatal("unfit")
			}
			text = appendLine(text, req.Kind, &req.Operations[i])
		}
	}
	spent = processorTime() - spent
	b.ReportMetric(float64(spent)/1e3/float64(b.N*500), "cpu-µs/record")
}

// processorTime is what this process has used, in nanoseconds.
func processorTime() int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

func many(n int) sdk.WriteRequest {
	req := sdk.WriteRequest{Kind: sdk.KindMember}
	data := json.RawMessage(`{"first_name":"` + strings.Repeat("a", 283) + `"}`)
	for i := range n {
		req.Operations = append(req.Operations, sdk.Operation{
			Op: sdk.OpCreate, Key: fmt.Sprintf("acme/gym/member/%06d", i), Club: "12", Owner: "s-1", Data: data,
		})
	}
	return req
}
