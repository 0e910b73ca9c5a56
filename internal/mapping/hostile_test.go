package mapping_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	// recordTime is a worker's usual deadline. Scripts that it is not to stop
	// get patience, so that a busy machine does not change their verdict.
	recordTime = time.Second
	patience   = 20 * time.Second
	// maxGrowth is how much the process that owns the workers may grow.
	maxGrowth = 50 << 20
	// maxVerdict is how long a verdict on a hostile record may take, and
	// maxSlower how many times its time a job may take beside one, where
	// nothing else runs.
	maxVerdict = 1500 * time.Millisecond
	maxSlower  = 2.0
	refused    = "refused"
	mapped     = "mapped"
)

// quiet holds verdicts to their time. Everywhere else time is told and not
// judged: a test must not fail because its machine is busy.
var quiet = flag.Bool("hostile.quiet", false, "fail where a verdict or the job beside takes too long: for a machine on which nothing else runs")

// hostileScript is a file of testdata/hostile. Its first lines say why it is
// there, what becomes of the record that asks for trouble (a code of
// quarantine, or "mapped", or "refused" for a script that does not load) and
// what is said about it.
type hostileScript struct {
	path, verdict, says string
	source              []byte
}

func hostileScripts(t *testing.T) []hostileScript {
	t.Helper()
	paths, err := filepath.Glob("testdata/hostile/*.lua")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no hostile scripts: %v", err)
	}
	scripts := make([]hostileScript, 0, len(paths))
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := hostileScript{path: path, source: source}
		for line := range strings.Lines(string(source)) {
			if text, ok := strings.CutPrefix(line, "-- verdict: "); ok {
				s.verdict = strings.TrimSpace(text)
			}
			if text, ok := strings.CutPrefix(line, "-- says: "); ok {
				s.says = strings.TrimSpace(text)
			}
		}
		if s.verdict == "" {
			t.Errorf("%s says no verdict", path)
		}
		scripts = append(scripts, s)
	}
	return scripts
}

// TestHostileScriptsCostOnlyTheirRecord runs every script of testdata/hostile
// in workers, beside an honest one that goes on all the time.
func TestHostileScriptsCostOnlyTheirRecord(t *testing.T) { //nolint:paralleltest // It measures what the process takes.
	before := heldMemory()
	beside := startBeside(t)
	// Most of the time is spent waiting for deadlines.
	atOnce := 4
	if *quiet {
		atOnce = 1
	}
	scripts := make(chan hostileScript)
	var wait sync.WaitGroup
	for range atOnce {
		wait.Go(func() {
			for s := range scripts {
				t.Run(strings.TrimSuffix(filepath.Base(s.path), ".lua"), func(t *testing.T) { timeHostile(t, s) })
			}
		})
	}
	for _, s := range hostileScripts(t) {
		if !raced || s.verdict == roster.CodeMapStopped {
			scripts <- s
		}
	}
	close(scripts)
	wait.Wait()
	slower := beside.stop()
	t.Logf("the job beside them took %.1f times its time", slower)
	if slower == 0 {
		t.Error("the job beside them finished no page")
	}
	if *quiet && slower > maxSlower {
		t.Errorf("the job beside them took %.1f times its time, want at most %.0f", slower, maxSlower)
	}
	grown := heldMemory() - before
	t.Logf("the process grew by %.1f MiB", float64(grown)/(1<<20))
	if grown > maxGrowth {
		t.Errorf("the process grew by %d MiB", grown>>20)
	}
}

func timeHostile(t *testing.T, s hostileScript) {
	t.Helper()
	begin := time.Now()
	checkHostile(t, s)
	took := time.Since(begin)
	t.Logf("%s: %s", took.Round(time.Millisecond), s.verdict)
	if *quiet && took > maxVerdict {
		t.Errorf("the verdict took %s, want at most %s", took.Round(time.Millisecond), maxVerdict)
	}
}

// heldMemory is what the runtime took from the system and did not give back:
// a peak shows in it too.
func heldMemory() int64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.Sys)
}

// besideJob is an honest job that goes on beside the hostile ones.
type besideJob struct {
	done  chan struct{}
	wait  sync.WaitGroup
	alone time.Duration
	pages int
	began time.Time
}

// startBeside times some pages of an honest script alone, and then maps more of
// them until it is told to stop.
func startBeside(t *testing.T) *besideJob {
	t.Helper()
	m := load(t, newPool(t, 1), "function map(record) return { first_name = text.title(record.name) } end")
	page := people(t, 100, nil)
	mapPage := func() {
		result, err := m.Map(t.Context(), page)
		if err != nil {
			t.Errorf("beside: %v", err)
			return
		}
		for _, r := range result.Records {
			if r.Verdict != roster.VerdictMapped {
				t.Errorf("beside: %+v", r)
			}
		}
	}
	sample := 100
	if *quiet {
		sample = 2000
	}
	j := &besideJob{done: make(chan struct{}), began: time.Now()}
	for range sample {
		mapPage()
	}
	j.alone, j.began = time.Since(j.began)/time.Duration(sample), time.Now()
	j.wait.Go(func() {
		for !t.Failed() {
			select {
			case <-j.done:
				return
			default:
				mapPage()
				j.pages++
			}
		}
	})
	return j
}

// stop ends the job and returns how many times its time it took, zero where it
// came to nothing.
func (j *besideJob) stop() float64 {
	close(j.done)
	j.wait.Wait()
	if j.pages == 0 {
		return 0
	}
	return float64(time.Since(j.began)) / float64(j.pages) / float64(j.alone)
}

func checkHostile(t *testing.T, s hostileScript) {
	t.Helper()
	opts := options(1)
	opts.RecordDeadline = patience
	if s.verdict == roster.CodeMapStopped {
		opts.RecordDeadline = recordTime
	}
	pool := mapping.NewPool(opts)
	defer func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}()
	script := mapping.Script{Name: s.path, Source: s.source}
	m, err := pool.Load(t.Context(), script, account(), roster.ImportTarget(sdk.KindMember))
	if s.verdict == refused {
		fault, ok := errors.AsType[*mapping.ScriptError](err)
		if !ok || fault.File != s.path || !strings.Contains(fault.Message, s.says) {
			t.Errorf("loading says %v, want %q", err, s.says)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	result := mapOne(t, m, people(t, 10, map[int]string{4: "yes"}))
	if len(result.Records) != 10 {
		t.Fatalf("%d records", len(result.Records))
	}
	for i, r := range result.Records {
		if i != 4 && (r.Row != i || r.Verdict != roster.VerdictMapped || r.ID != fmt.Sprintf("m-%d", i)) {
			t.Errorf("record %d is %+v", i, r)
		}
	}
	checkTrouble(t, s, result.Records[4])
}

// checkTrouble looks at the record that asked for trouble. What is said about
// it names the script, and its line where that is known, as always where the
// engine raised an error, but nothing of the record.
func checkTrouble(t *testing.T, s hostileScript, bad roster.MappedRecord) {
	t.Helper()
	if s.verdict == mapped {
		if bad.Verdict != roster.VerdictMapped {
			t.Errorf("it is %+v", bad)
		}
		return
	}
	if bad.Verdict != roster.VerdictRejected || bad.Code != s.verdict || !strings.Contains(bad.Reason, s.says) {
		t.Errorf("code %q, reason %q; want %q, %q", bad.Code, bad.Reason, s.verdict, s.says)
	}
	place := s.path + ": "
	if bad.Line > 0 || bad.Code == roster.CodeMapError {
		place = fmt.Sprintf("%s:%d: ", s.path, max(bad.Line, 1))
	}
	if !strings.HasPrefix(bad.Reason, place) {
		t.Errorf("line %d, reason %q: want the place %q", bad.Line, bad.Reason, place)
	}
	if bad.ID != "m-4" || !bytes.Contains(bad.Payload, []byte("Ann 4")) || strings.Contains(bad.Reason, "Ann") {
		t.Errorf("it is kept as %+v", bad)
	}
}
