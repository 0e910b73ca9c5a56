package export_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
)

// BenchmarkPage serves a page of 100 clients over the loopback, beside a file
// of the same size from net/http's own file server: the floor.
func BenchmarkPage(b *testing.B) {
	clients := make(people, 1000)
	for i := range clients {
		clients[i] = fmt.Sprintf(`{"first_name":"Ann%d","external_id":"%d","notes":%q}`, i, i, strings.Repeat("n", 290))
	}
	body, err := pageClients(clients).AppendClients(nil, 0, 100)
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "page.json"), body, 0o600); err != nil {
		b.Fatal(err)
	}
	b.Run("file_server", func(b *testing.B) {
		pull(b, http.FileServer(http.Dir(dir)), func(int) string { return "/page.json" })
	})
	b.Run("export", func(b *testing.B) {
		w := newWorld(b)
		w.options.Limits.Business, w.options.Repeats = 1<<20, 1<<30
		w.start()
		w.deliver(w.imp("run-1", pageClients(clients)))
		w.awaitState(roster.SessionOpen)
		pull(b, w.sessions.Handler(), func(i int) string {
			return fmt.Sprintf("/c/%s/app/clients/export?business_uid=b1&staff_uid=s1&page=%d&per_page=100", secret, i%10+1)
		})
	})
}

func pull(b *testing.B, handler http.Handler, target func(i int) string) {
	b.Helper()
	server := httptest.NewServer(handler)
	b.Cleanup(server.Close)
	client := server.Client()
	i := 0
	for b.Loop() {
		request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+target(i), http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, response.Body)
		if err != nil || response.StatusCode != http.StatusOK {
			b.Fatal(response.Status, err)
		}
		_ = response.Body.Close()
		b.SetBytes(n)
		i++
	}
}

// pageClients append without joining first, as a change set does.
type pageClients []string

func (p pageClients) Len() int { return len(p) }

func (p pageClients) IDs(from, to int) ([]string, error) { return people(p).IDs(from, to) }

func (p pageClients) AppendClients(dst []byte, from, to int) ([]byte, error) {
	for i, client := range p[from:to] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, client...)
	}
	return dst, nil
}
