package bolt_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
)

var (
	flips     = flag.Int("chaos.flips", 60, "how many damaged databases TestChaosNoDamagedDatabaseIsBelieved makes")
	flipsSeed = flag.Uint64("chaos.seed", 1, "what their damage is drawn from")
)

// chaosPatience is long for a database that is verified in milliseconds.
const chaosPatience = 5 * time.Second

// chaosDir and chaosFrom tell a child process that it reads damaged databases,
// where it finds the golden one, and at which to begin.
const (
	chaosDir  = "BOLT_CHAOS_DIR"
	chaosFrom = "BOLT_CHAOS_FROM"
)

// The ways in which a database is damaged, and what may come of it.
const (
	flipped   = "flipped bit"
	zeroed    = "zeroed page"
	truncated = "truncated"
	stale     = "stale page"
	garbage   = "garbage page"

	refused  = "refused"  // by Verify, or when it was opened
	told     = "told"     // by an error while it was read
	died     = "died"     // and took the process along, after Verify
	harmless = "harmless" // all is read as it was
	undone   = "undone"   // the last transaction is not there, as a whole
	wrong    = "WRONG"    // something else is read, and nobody is told
)

// TestChaosNoDamagedDatabaseIsBelieved damages a database at random, and opens
// and reads it as the daemon does, in a child process that may die or hang
// while it verifies. All damage must be refused or harmless. Only after an
// unclean shutdown may an old meta page undo the last transaction.
func TestChaosNoDamagedDatabaseIsBelieved(t *testing.T) {
	if dir := os.Getenv(chaosDir); dir != "" {
		readDamaged(t, dir)
		return
	}
	g := newGolden(t)
	g.keep(t)
	counts := map[string]int{}
	for next := 0; next < *flips; {
		next = watchChild(t, g.dir, next, counts)
	}
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%5d  %s", counts[key], key)
		kind, came, _ := strings.Cut(key, ": ")
		if came != refused && came != harmless && (came != undone || kind != "killed, "+stale) {
			t.Errorf("%d times %s", counts[key], key)
		}
	}
}

// keep puts what the child needs beside the golden database.
func (g *golden) keep(t *testing.T) {
	t.Helper()
	files := map[string][]byte{"content": []byte(g.content), "undone": []byte(g.undone)}
	for i, file := range g.earlier {
		files[fmt.Sprint("earlier", i)] = file
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(g.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func loadGolden(t *testing.T, dir string) *golden {
	t.Helper()
	read := func(name string) []byte {
		file, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	g := &golden{dir: dir, content: string(read("content")), undone: string(read("undone"))}
	for i := range goldenStages {
		g.earlier = append(g.earlier, read(fmt.Sprint("earlier", i)))
	}
	g.file = g.earlier[goldenStages-1]
	return g
}

// watchChild counts what a child says until it has read all or has died, and
// returns where the next one begins.
func watchChild(t *testing.T, dir string, next int, counts map[string]int) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1",
		"-chaos.flips="+strconv.Itoa(*flips), "-chaos.seed="+strconv.FormatUint(*flipsSeed, 10))
	cmd.Env = append(os.Environ(), chaosDir+"="+dir, chaosFrom+"="+strconv.Itoa(next))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A child that says nothing for long hangs.
	hung := time.AfterFunc(chaosPatience, func() { _ = cmd.Process.Kill() })
	defer hung.Stop()
	kind, verified := "", false
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		hung.Reset(chaosPatience)
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "CHAOS-BEGIN":
			kind, verified = rest, false
		case "CHAOS-VERIFIED":
			verified = true
		case "CHAOS-END":
			counts[kind+": "+rest]++
			if rest == wrong {
				t.Logf("%d is %s after %s", next, wrong, kind)
			}
			kind = ""
			next++
		}
	}
	err = cmd.Wait()
	switch {
	case kind == "" && err != nil:
		t.Fatalf("the child ended between two databases: %v", err)
	case kind != "" && !verified:
		// A verifying process that dies is what the daemon takes for a refusal.
		counts[kind+": "+refused]++
		next++
	case kind != "":
		counts[kind+": "+died]++
		next++
	}
	return next
}

// readDamaged is the child: it damages and reads one database after the other.
func readDamaged(t *testing.T, dir string) {
	t.Helper()
	g := loadGolden(t, dir)
	from, err := strconv.Atoi(os.Getenv(chaosFrom))
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	key, err := os.ReadFile(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, "master.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := from; i < *flips; i++ {
		file, kind := g.damaged(rand.New(rand.NewPCG(*flipsSeed, uint64(i))))
		state, closed := "killed", i%3 == 0
		if closed {
			state = "closed"
		}
		g.put(t, work, file, closed)
		fmt.Fprintf(os.Stdout, "\nCHAOS-BEGIN %s, %s\n", state, kind)
		came := g.judge(t, work)
		fmt.Fprintf(os.Stdout, "\nCHAOS-END %s\n", came)
	}
}

// judge reads a damaged database and says what came of it.
func (g *golden) judge(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "rosterd.db")
	if err := bolt.Verify(path); err != nil {
		return refused
	}
	fmt.Fprintf(os.Stdout, "\nCHAOS-VERIFIED\n")
	content, err := read(t, dir)
	// A database that broke stays open and would keep the next one out.
	defer func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}()
	switch {
	case content == "" && (errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrSealed) || errors.Is(err, store.ErrSchema)):
		return refused
	case content == g.content:
		return harmless
	case strings.Contains(content, store.ErrDamaged.Error()), strings.Contains(content, store.ErrSealed.Error()):
		return told
	case content == g.undone:
		return undone
	}
	return wrong
}

// damaged returns a damaged copy of the golden database.
func (g *golden) damaged(random *rand.Rand) (file []byte, kind string) {
	file = slices.Clone(g.file)
	size := os.Getpagesize()
	page := random.IntN(len(file)/size) * size
	switch kind = []string{flipped, flipped, zeroed, truncated, stale, stale, garbage}[random.IntN(7)]; kind {
	case flipped:
		file[random.IntN(len(file))] ^= 1 << random.IntN(8)
	case zeroed:
		clear(file[page:][:size])
	case truncated:
		file = file[:random.IntN(len(file))]
	case garbage:
		for i := range size {
			file[page+i] = byte(random.Uint32())
		}
	case stale:
		// Only a page that was something else before says anything.
		for range 100 {
			earlier := g.earlier[random.IntN(goldenStages-1)]
			page = random.IntN(len(earlier)/size) * size
			if page+size <= len(earlier) && !slices.Equal(earlier[page:][:size], file[page:][:size]) {
				copy(file[page:], earlier[page:][:size])
				break
			}
		}
	}
	return file, kind
}
