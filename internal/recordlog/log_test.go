package recordlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/recordlog"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

var month = recordlog.Retention{Age: 30 * 24 * time.Hour, Bytes: 1 << 30}

// journal is a log in a folder, at a time that the test sets.
type journal struct {
	*recordlog.Log

	dir  string
	now  time.Time
	said bytes.Buffer
}

func newJournal(t *testing.T, keep recordlog.Retention) *journal {
	t.Helper()
	j := &journal{dir: t.TempDir(), now: noon}
	j.open(t, keep)
	return j
}

// open begins another life on the same folder.
func (j *journal) open(t *testing.T, keep recordlog.Retention) {
	t.Helper()
	keys, err := store.NewKeyring(bytes.Repeat([]byte{7}, store.MasterKeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	j.Log, err = recordlog.Open(j.dir, keys, keep, slog.New(slog.NewTextHandler(&j.said, nil)), func() time.Time { return j.now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
}

// write keeps entries as a batch of a job, a second behind the one before.
func (j *journal) write(job string, entries ...roster.LogEntry) {
	j.now = j.now.Add(time.Second)
	j.Log.Log(roster.LogBatch{At: j.now, Run: "r1", Job: job, To: "acme/clubsys", Entries: entries})
}

func (j *journal) read(t *testing.T, q recordlog.Query) recordlog.Page {
	t.Helper()
	page, err := j.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func (j *journal) files(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(j.dir, recordlog.Dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func entry(id string, level roster.LogLevel) roster.LogEntry {
	code := [...]string{roster.LogCreated, roster.LogUpdated, roster.CodeDeliverRefused}[level]
	return roster.LogEntry{Level: level, Code: code, Kind: sdk.KindProspect, Record: id, Target: "t-" + id, Club: "downtown"}
}

func records(page recordlog.Page) []string {
	var ids []string
	for _, line := range page.Lines {
		ids = append(ids, line.Record)
	}
	return ids
}

func wantRecords(t *testing.T, page recordlog.Page, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, records(page)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestLinesComeBackAsTheyWereKept(t *testing.T) {
	j := newJournal(t, month)
	kept := []roster.LogEntry{
		entry("1", roster.LogInfo),
		{Level: roster.LogWarning, Code: roster.LogUpdated, Kind: sdk.KindMember, Record: "a@example.com", Target: "9", Missing: roster.LogOwner | roster.LogLeadSource, Detail: "field x was cut to 3 characters"},
		{Level: roster.LogError, Code: roster.CodeReadRejected, Kind: sdk.KindMember, Detail: "it has no id (line 3)"},
		{Level: roster.LogError, Code: roster.CodeReadRejected, Kind: sdk.KindMember, Club: "airport", Missing: roster.LogLeadSource},
	}
	j.write("acme/leads", kept...)
	page := j.read(t, recordlog.Query{Limit: 10})
	var want []recordlog.Line
	for _, e := range kept {
		want = append(want, recordlog.Line{At: noon.Add(time.Second), Run: "r1", Job: "acme/leads", To: "acme/clubsys", LogEntry: e})
	}
	if diff := cmp.Diff(want, page.Lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	for _, path := range j.files(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, hidden := range []string{"example.com", "downtown", "prospect", "no id"} {
			if bytes.Contains(data, []byte(hidden)) {
				t.Errorf("%s holds %q in clear", filepath.Base(path), hidden)
			}
		}
	}
}

func TestTheLastLinesAreFoundFirstAndTheOthersBehindAPlace(t *testing.T) {
	j := newJournal(t, month)
	var all []string
	for b := range 5 {
		var batch []roster.LogEntry
		for i := range 3 {
			all = append(all, fmt.Sprintf("%d%d", b, i))
			batch = append(batch, entry(all[len(all)-1], roster.LogInfo))
		}
		if b == 3 {
			j.Close()
			j.open(t, month) // another life has a file of its own
			j.now = noon.Add(time.Hour)
		}
		j.write("acme/leads", batch...)
	}
	page := j.read(t, recordlog.Query{Limit: 4})
	wantRecords(t, page, all[len(all)-4:]...)
	if !page.More {
		t.Error("more lines are not told of")
	}
	if page = j.read(t, recordlog.Query{Limit: len(all)}); page.More {
		t.Error("more lines are told of than there are")
	}
	wantRecords(t, page, all...)

	// Behind each other, whatever the size of a page.
	for size := 1; size <= len(all); size++ {
		var got []string
		at := recordlog.Begin
		for range len(all) + 1 {
			page := j.read(t, recordlog.Query{Limit: size, After: at})
			got, at = append(got, records(page)...), page.Next
			if !page.More {
				break
			}
		}
		if !slices.Equal(got, all) {
			t.Fatalf("in pages of %d: %v", size, got)
		}
	}
}

func TestWhoFollowsFindsEachLineOnce(t *testing.T) {
	j := newJournal(t, month)
	page := j.read(t, recordlog.Query{Limit: 10})
	wantRecords(t, page)
	for i := range 5 {
		j.write("acme/leads", entry(fmt.Sprint(i), roster.LogInfo), entry("error", roster.LogError))
		page = j.read(t, recordlog.Query{Limit: 10, After: page.Next, Level: roster.LogError})
		wantRecords(t, page, "error")
		if page = j.read(t, recordlog.Query{Limit: 10, After: page.Next}); len(page.Lines) > 0 {
			t.Fatalf("%v came twice", records(page))
		}
	}
	if _, err := j.Read(t.Context(), recordlog.Query{After: "../secret.1.2"}); !errors.Is(err, roster.ErrInvalid) {
		t.Errorf("a place that is none: %v", err)
	}
}

func TestAQueryFindsWhatItSelectsAndOpensNothingElse(t *testing.T) {
	j := newJournal(t, month)
	j.write("acme/leads", entry("1", roster.LogInfo), entry("2", roster.LogError))
	airport := entry("3", roster.LogWarning)
	airport.Club = "airport"
	j.write("acme/leads", airport)
	j.write("other/leads", entry("4", roster.LogInfo))
	j.now = noon.Add(48 * time.Hour)
	j.write("acme/members", entry("5", roster.LogError))
	for name, test := range map[string]struct {
		query recordlog.Query
		want  []string
	}{
		"everything": {recordlog.Query{}, []string{"1", "2", "3", "4", "5"}},
		"account":    {recordlog.Query{Account: "acme"}, []string{"1", "2", "3", "5"}},
		"job":        {recordlog.Query{Job: "acme/leads"}, []string{"1", "2", "3"}},
		"club":       {recordlog.Query{Club: "airport"}, []string{"3"}},
		"warnings":   {recordlog.Query{Level: roster.LogWarning}, []string{"2", "3", "5"}},
		"errors":     {recordlog.Query{Level: roster.LogError}, []string{"2", "5"}},
		"since":      {recordlog.Query{Since: noon.Add(24 * time.Hour)}, []string{"5"}},
		"record":     {recordlog.Query{Where: func(l *recordlog.Line) bool { return l.Record == "4" }}, []string{"4"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.query.Limit = 10
			wantRecords(t, j.read(t, test.query), test.want...)
			test.query.After = recordlog.Begin
			wantRecords(t, j.read(t, test.query), test.want...)
		})
	}

	// Of another job, or without an error, a block that cannot be opened is not missed.
	spoil(t, j.files(t)[0], []byte("other/leads"), 40)
	if page := j.read(t, recordlog.Query{Limit: 10, Account: "acme"}); page.Damaged != 0 {
		t.Error("a block of another account was opened")
	}
	if page := j.read(t, recordlog.Query{Limit: 10, Level: roster.LogError}); page.Damaged != 0 {
		t.Error("a block without an error was opened")
	}
	page := j.read(t, recordlog.Query{Limit: 10})
	wantRecords(t, page, "1", "2", "3", "5")
	if page.Damaged != 1 {
		t.Errorf("%d damaged blocks, want 1", page.Damaged)
	}
}

// spoil changes a byte of a file, so many behind some text.
func spoil(t *testing.T, path string, behind []byte, by int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, behind)+len(behind)+by] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestABlockThatACrashHasCutIsPassedOver(t *testing.T) {
	j := newJournal(t, month)
	j.write("acme/leads", entry("1", roster.LogInfo))
	path := j.files(t)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j.write("acme/leads", entry("2", roster.LogInfo))
	both, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := len(whole); size < len(both); size++ {
		if err := os.WriteFile(path, both[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		page := j.read(t, recordlog.Query{Limit: 10})
		if diff := cmp.Diff([]string{"1"}, records(page)); diff != "" || page.Damaged > 0 {
			t.Fatalf("cut at %d of %d: %v, %d damaged", size, len(both), records(page), page.Damaged)
		}
	}
	j.open(t, month)
	j.write("acme/leads", entry("3", roster.LogInfo))
	wantRecords(t, j.read(t, recordlog.Query{Limit: 10}), "1", "3")
	wantRecords(t, j.read(t, recordlog.Query{Limit: 10, After: recordlog.Begin}), "1", "3")
}

func TestDamageCostsNoMoreThanItsBlock(t *testing.T) {
	for name, by := range map[string]int{"what stands in clear": -20, "what is sealed": 40} {
		t.Run(name, func(t *testing.T) {
			j := newJournal(t, month)
			j.write("acme/one", entry("1", roster.LogInfo))
			j.write("acme/two", entry("2", roster.LogInfo))
			j.write("acme/six", entry("3", roster.LogInfo))
			spoil(t, j.files(t)[0], []byte("acme/two"), by)
			wantRecords(t, j.read(t, recordlog.Query{Limit: 10}), "1", "3")
		})
	}
}

func TestABlockOpensOnlyWhereItWasWritten(t *testing.T) {
	j := newJournal(t, month)
	j.write("acme/leads", entry("1", roster.LogInfo))
	path := j.files(t)[0]
	if err := os.Rename(path, strings.Replace(path, "00001", "00002", 1)); err != nil {
		t.Fatal(err)
	}
	if page := j.read(t, recordlog.Query{Limit: 10}); page.Damaged != 1 || len(page.Lines) > 0 {
		t.Errorf("a block of another file was opened: %v", page)
	}
}

func TestLinesThatCannotBeKeptAreCountedAndToldOnce(t *testing.T) {
	j := newJournal(t, month)
	blocked := filepath.Join(j.dir, recordlog.Dir)
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j.write("acme/leads", entry("1", roster.LogInfo), entry("2", roster.LogInfo))
	j.write("acme/leads", entry("3", roster.LogError))
	if got := j.Lost(); got != 3 {
		t.Errorf("%d lines lost, want 3", got)
	}
	if n := strings.Count(j.said.String(), "are lost"); n != 1 {
		t.Errorf("it was told %d times:\n%s", n, &j.said)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	j.write("acme/leads", entry("4", roster.LogInfo))
	page := j.read(t, recordlog.Query{Limit: 10})
	wantRecords(t, page, "4")
	if page.Lost != 3 {
		t.Errorf("the log tells of %d lost lines, want 3", page.Lost)
	}
}

func TestAFullDiskCostsLinesAndNothingElse(t *testing.T) {
	j := newJournal(t, month)
	disk := filepath.Join(j.dir, recordlog.Dir)
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("NOT TESTED: a full disk needs a tmpfs, and mounting one failed (%v): run the tests as root", err)
	}
	t.Cleanup(func() {
		j.Close()
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	j.write("acme/leads", entry("1", roster.LogInfo))
	ballast := filepath.Join(disk, "ballast")
	fill := func() error { return os.WriteFile(ballast, make([]byte, 1<<21), 0o600) }
	if err := fill(); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	j.write("acme/leads", entry("2", roster.LogError))
	wantRecords(t, j.read(t, recordlog.Query{Limit: 10}), "1")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	j.write("acme/leads", entry("3", roster.LogInfo))
	page := j.read(t, recordlog.Query{Limit: 10})
	wantRecords(t, page, "1", "3")
	if page.Lost != 1 {
		t.Errorf("%d lost lines, want 1", page.Lost)
	}
}

func TestANoisyDayTakesAQuarterOfTheRoomAndKeepsItsErrors(t *testing.T) {
	keep := recordlog.Retention{Age: month.Age, Bytes: 1 << 20}
	j := newJournal(t, keep)
	batch := make([]roster.LogEntry, 500)
	for i := range batch {
		batch[i] = entry(fmt.Sprint(i), roster.LogInfo)
	}
	for range 100 {
		j.write("acme/leads", batch...)
	}
	j.write("acme/leads", entry("last", roster.LogError), entry("left", roster.LogInfo))
	page := j.read(t, recordlog.Query{Limit: 1})
	wantRecords(t, page, "last")
	if page.Lost == 0 || j.Lost() == 0 {
		t.Error("what was left out is not counted")
	}
	size := sizeOf(t, j)
	if size < keep.Bytes/4 || size > keep.Bytes/4+keep.Bytes/16 {
		t.Errorf("the day took %d of %d bytes", size, keep.Bytes)
	}
	j.now = noon.Add(24 * time.Hour)
	j.write("acme/leads", entry("next", roster.LogInfo))
	wantRecords(t, j.read(t, recordlog.Query{Limit: 1}), "next")
}

func sizeOf(t *testing.T, j *journal) (bytes int64) {
	t.Helper()
	for _, path := range j.files(t) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	return bytes
}

func TestOldDaysGoAndThenTheOldestFiles(t *testing.T) {
	j := newJournal(t, month)
	for day := range 40 {
		j.now = noon.Add(time.Duration(day) * 24 * time.Hour)
		j.write("acme/leads", entry(fmt.Sprint(day), roster.LogInfo))
	}
	j.Close()
	n, err := j.Sweep(month)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(j.files(t)); got != 31 { // the days that are over and the one at hand
		t.Errorf("%d files are left, want 31 (%d were removed)", got, n)
	}
	one := sizeOf(t, j) / 31
	if _, err := j.Sweep(recordlog.Retention{Age: month.Age, Bytes: 3*one + 10}); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, j.read(t, recordlog.Query{Limit: 10}), "37", "38", "39")
}

func TestErasingAPersonRemovesTheirLinesAndNoOthers(t *testing.T) {
	j := newJournal(t, month)
	j.write("acme/leads", entry("1", roster.LogInfo), entry("gone", roster.LogError), entry("2", roster.LogInfo))
	j.write("other/leads", entry("gone", roster.LogInfo))
	j.write("acme/leads", entry("gone", roster.LogInfo))
	j.write("acme/leads", entry("with", roster.LogInfo), entry("gone", roster.LogInfo))
	follower := j.read(t, recordlog.Query{Limit: 10}).Next
	j.write("acme/leads", entry("3", roster.LogInfo))
	before := sizeOf(t, j)
	n, err := j.Erase("acme", func(job string, e *roster.LogEntry) bool { return job == "acme/leads" && e.Record == "gone" })
	if err != nil || n != 3 {
		t.Fatalf("%d lines erased, %v", n, err)
	}
	page := j.read(t, recordlog.Query{Limit: 10})
	wantRecords(t, page, "1", "2", "gone", "with", "3")
	if page.Lines[2].Job != "other/leads" || page.Damaged != 0 {
		t.Errorf("%+v", page)
	}
	if after := sizeOf(t, j); after >= before {
		t.Errorf("the log takes %d bytes, and took %d", after, before)
	}
	j.write("acme/leads", entry("4", roster.LogInfo))
	wantRecords(t, j.read(t, recordlog.Query{Limit: 10, After: follower}), "3", "4")
	if n, err := j.Erase("acme", func(string, *roster.LogEntry) bool { return false }); n != 0 || err != nil {
		t.Errorf("%d lines erased again, %v", n, err)
	}
}

func TestALogThatIsSealedAnewOpensWithTheNextKeyAlone(t *testing.T) {
	j := newJournal(t, month)
	j.write("acme/leads", entry("1", roster.LogInfo), entry("2", roster.LogError))
	j.write("acme/leads", entry("3", roster.LogInfo))
	keyring := func(b byte) *store.Keyring {
		keys, err := store.NewKeyring(bytes.Repeat([]byte{b}, store.MasterKeyBytes))
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	j.Close()
	for _, want := range []int{2, 0} { // the second time there is nothing left to do
		if n, err := recordlog.Reseal(j.dir, j.dir, keyring(7), keyring(8)); n != want || err != nil {
			t.Fatalf("%d blocks, want %d, %v", n, want, err)
		}
	}
	if page := j.read(t, recordlog.Query{Limit: 10}); page.Damaged != 2 || len(page.Lines) > 0 {
		t.Errorf("the old key opens %v", records(page))
	}
	if _, err := recordlog.Reseal(j.dir, j.dir, keyring(8), keyring(7)); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, j.read(t, recordlog.Query{Limit: 10}), "1", "2", "3")
}

func TestTheLogIsReadAndErasedWhileItIsWritten(t *testing.T) {
	j := newJournal(t, recordlog.Retention{Age: month.Age, Bytes: 1 << 20})
	var wg sync.WaitGroup
	const batches = 200
	for job := range 2 {
		wg.Go(func() {
			for i := range batches {
				j.Log.Log(roster.LogBatch{At: noon, Run: "r", Job: fmt.Sprintf("acme/j%d", job), Entries: []roster.LogEntry{entry(fmt.Sprint(i), roster.LogInfo)}})
			}
		})
	}
	for i := range 20 {
		if _, err := j.Read(t.Context(), recordlog.Query{Limit: 10}); err != nil {
			t.Error(err)
		}
		if _, err := j.Erase("acme", func(_ string, e *roster.LogEntry) bool { return e.Record == fmt.Sprint(10*i) }); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	page := j.read(t, recordlog.Query{Limit: 2 * batches, After: recordlog.Begin})
	if page.Damaged > 0 || len(page.Lines) < 2*batches-40 {
		t.Errorf("%d lines, %d damaged", len(page.Lines), page.Damaged)
	}
}

// BenchmarkLog keeps the records of a batch of 500, as a sync of a large chain has
// them.
func BenchmarkLog(b *testing.B) {
	keys, err := store.NewKeyring(bytes.Repeat([]byte{7}, store.MasterKeyBytes))
	if err != nil {
		b.Fatal(err)
	}
	keep := recordlog.Retention{Age: 100 * 366 * 24 * time.Hour, Bytes: 256 << 20}
	l, err := recordlog.Open(b.TempDir(), keys, keep, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	batch := roster.LogBatch{At: noon, Run: "20261129-120000-abcdef", Job: "acme/leads", To: "acme/clubsys"}
	for i := range 500 {
		e := entry(fmt.Sprintf("12-P%d", i), roster.LogInfo)
		e.Club = []string{"downtown", "airport"}[i%2]
		batch.Entries = append(batch.Entries, e)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		batch.At = noon.Add(time.Duration(n/2000) * 24 * time.Hour) // a day is never full
		l.Log(batch)
	}
	if l.Lost() > 0 {
		b.Fatal("lines were lost")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
}
