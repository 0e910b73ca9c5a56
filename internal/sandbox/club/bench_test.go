package club_test

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rosterd/rosterd/internal/sandbox/club"
)

// BenchmarkCreatesOverLoopback counts both sides: the platform, and a caller
// with as many kept connections as there are processors.
func BenchmarkCreatesOverLoopback(b *testing.B) {
	p := club.New(club.Options{Token: "t"})
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	p.Start(l)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	url := "http://" + l.Addr().String() + "/v1/prospects"
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			body := strings.NewReader(ann("m" + strconv.FormatInt(n.Add(1), 10)))
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, body)
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Authorization", "Bearer t")
			resp, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusCreated {
				b.Errorf("answer %d", resp.StatusCode)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "creates/s")
	client.CloseIdleConnections()
	if err := p.Close(); err != nil {
		b.Error(err)
	}
}
