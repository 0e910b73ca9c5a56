package connector_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
)

// BenchmarkASave measures a save with its two fsyncs, and a request that is
// refused after it was read.
func BenchmarkASave(b *testing.B) {
	dir := b.TempDir()
	keys, err := store.LoadKeyring(dir)
	if err != nil {
		b.Fatal(err)
	}
	s, err := bolt.Open(b.Context(), dir, keys)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c, err := connector.New(connector.Options{
		Endpoints: []*connector.Endpoint{endpoint(b, conn, "CRM", "456", "")}, Store: s, Key: []byte("a key"), Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Limits: connector.Limits{Address: 1 << 30, Provider: 1 << 30},
	})
	if err != nil {
		b.Fatal(err)
	}
	handler := c.Handler(http.NotFoundHandler())
	for name, token := range map[string]string{"saved": secret + "CRM", "refused": "guess"} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n++
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, userAt, strings.NewReader(user(fmt.Sprint(n%1000), "")))
				r.Header.Set("Authorization", bearer(token))
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
