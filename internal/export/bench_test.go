package export_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
)

// benchPeople are clients of some 350 bytes.
func benchPeople(n int) people {
	all := make(people, n)
	for i := range all {
		all[i] = fmt.Sprintf(`{"first_name":"Ann%d","external_id":"%d","notes":%q}`, i, i, strings.Repeat("n", 290))
	}
	return all
}

// BenchmarkPage serves pages of 100 clients over the loopback, none of them
// twice, from a sealed change set and with every page noted in the database.
// Beside it net/http's own file server serves a file of the same size: the
// floor.
func BenchmarkPage(b *testing.B) {
	all := benchPeople(50_000)
	body, err := all.AppendClients(nil, 0, 100)
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "page.json"), body, 0o600); err != nil {
		b.Fatal(err)
	}
	b.Run("file_server", func(b *testing.B) {
		p := newPuller(b, http.FileServer(http.Dir(dir)))
		for b.Loop() {
			p.get("/page.json")
		}
	})
	b.Run("export", func(b *testing.B) { benchExport(b, all) })
}

func benchExport(b *testing.B, all people) {
	b.Helper()
	dir := b.TempDir()
	keys, err := store.LoadKeyring(dir)
	if err != nil {
		b.Fatal(err)
	}
	db, err := bolt.Open(b.Context(), dir, keys)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	w := newWorld(b)
	w.options.Store, w.options.Outcomes = db, db
	w.options.Limits.Business, w.options.SessionGap = 1<<20, time.Nanosecond
	w.start()
	clients := freeze(b, dir, keys, all)
	p := newPuller(b, w.sessions.Handler())
	page := func(n int) string {
		return fmt.Sprintf("/c/%s/app/clients/export?business_uid=b1&staff_uid=s1&page=%d&per_page=100", secret, n)
	}
	// A session has 500 pages: when they are served the next begins, off the
	// clock.
	var d *delivery
	n, runs := 500, 0
	for b.Loop() {
		if n == 500 {
			b.StopTimer()
			if d != nil {
				p.get(page(501))
				p.get(page(-1))
				<-d.done
			}
			runs++
			d = w.deliver(w.imp(fmt.Sprint("run-", runs), clients))
			awaitOpen(b, db, runs)
			n = 0
			b.StartTimer()
		}
		n++
		p.get(page(n))
	}
}

func awaitOpen(b *testing.B, db *bolt.Store, run int) {
	b.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		all, err := db.Sessions(b.Context(), roster.SessionFilter{Run: fmt.Sprint("run-", run)})
		if err == nil && len(all) == 1 && all[0].State == roster.SessionOpen {
			return
		}
	}
	b.Fatal("no session is open")
}

// puller is a target with a kept connection.
type puller struct {
	b      *testing.B
	url    string
	client *http.Client
}

func newPuller(b *testing.B, handler http.Handler) *puller {
	b.Helper()
	server := httptest.NewServer(handler)
	b.Cleanup(server.Close)
	return &puller{b: b, url: server.URL, client: server.Client()}
}

func (p *puller) get(target string) {
	request, err := http.NewRequestWithContext(p.b.Context(), http.MethodGet, p.url+target, http.NoBody)
	if err != nil {
		p.b.Fatal(err)
	}
	response, err := p.client.Do(request)
	if err != nil {
		p.b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		p.b.Fatal(response.Status, err)
	}
	_ = response.Body.Close()
	p.b.SetBytes(n)
}

// BenchmarkRefusal asks 10,000 times in every wrong way, by turns so that the
// machine's moods meet all of them alike, and reports the median of each beside
// that of a wrong secret. A caller must not learn from the time what was wrong.
func BenchmarkRefusal(b *testing.B) {
	const tries, allowed = 10_000, 1.25
	w := newWorld(b)
	w.options.Limits.Address = 1 << 20
	dir := b.TempDir()
	keys, err := store.LoadKeyring(dir)
	if err != nil {
		b.Fatal(err)
	}
	db, err := bolt.Open(b.Context(), dir, keys)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	w.options.Store, w.options.Outcomes = db, db
	w.start()
	w.deliver(w.imp("run-1", newPeople(4)))
	awaitOpen(b, db, 1)
	server := httptest.NewServer(w.sessions.Handler())
	b.Cleanup(server.Close)
	ways := []string{
		"/c/guess/app/clients/export?business_uid=b1&staff_uid=s1&page=1&per_page=2",
		"/c/" + secret + "/app/clients/export?business_uid=b2&staff_uid=s1&page=1&per_page=2",
		"/c/" + secret + "/app/clients/export?business_uid=b1&staff_uid=s2&page=1&per_page=2",
		"/c/" + secret + "/app/clients/export?business_uid=b1&staff_uid=s1&page=0&per_page=2",
	}
	took := make([][]time.Duration, len(ways))
	for b.Loop() {
		for i := range tries {
			way := i % len(ways)
			took[way] = append(took[way], refused(b, server.URL+ways[way]))
		}
	}
	median := func(way int) float64 {
		slices.Sort(took[way])
		return float64(took[way][len(took[way])/2])
	}
	secretTook := median(0)
	for i, name := range []string{"secret", "business", "staff", "query"} {
		ratio := median(i) / secretTook
		b.ReportMetric(ratio, name+"/secret")
		if ratio > allowed || ratio < 1/allowed {
			b.Errorf("a wrong %s takes %.2f times as long as a wrong secret", name, ratio)
		}
	}
}

func refused(b *testing.B, url string) time.Duration {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	took := time.Since(begun)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		b.Fatal(response.Status)
	}
	return took
}
