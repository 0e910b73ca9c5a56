package export_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/netutil"

	"github.com/rosterd/rosterd/internal/export"
	"github.com/rosterd/rosterd/internal/roster"
)

// TestHalfSentRequestsAreDroppedAndOthersServed opens more connections than the
// listener takes, each with half a request, and asks for a page meanwhile.
func TestHalfSentRequestsAreDroppedAndOthersServed(t *testing.T) {
	const callers, limit, headerTimeout = 300, 100, 200 * time.Millisecond
	w := newWorld(t)
	w.deliver(w.imp("run-1", newPeople(4)))
	w.awaitOpen()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := export.NewServer(w.sessions.Handler(), slog.New(slog.DiscardHandler))
	server.ReadHeaderTimeout = headerTimeout
	served := make(chan error, 1)
	go func() { served <- server.Serve(netutil.LimitListener(listener, limit)) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	slow := make([]net.Conn, callers)
	for i := range slow {
		if slow[i], err = (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String()); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(slow[i], "GET /c/"+secret+"/app/clients/export?business_uid=b1 HTTP/1.1\r\nHost: "); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = slow[i].Close() })
	}
	url := "http://" + listener.Addr().String() + "/c/" + secret + "/app/clients/export?business_uid=b1&staff_uid=s1&page=1&per_page=2"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	response, err := (&http.Transport{}).RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("a whole request: %v, %v", response, err)
	}
	_ = response.Body.Close()
	if took := time.Since(begun); took > 20*callers/limit*headerTimeout {
		t.Errorf("a whole request was served after %s", took)
	}
	for i, conn := range slow {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Fatalf("half-sent request %d was not dropped: %v", i, err)
		}
	}
}

func TestARequestIsHeldUntilItsRunGoesOn(t *testing.T) {
	inBubble(t, func(w *world) {
		imp := w.imp("run-1", newPeople(4))
		d := w.deliver(imp)
		synctest.Wait()
		w.mustServe(1, 2)
		d.stop()
		w.start()
		begun := time.Now()
		status := make(chan int, 2)
		go func() { status <- w.page(2, 2).Code }()
		go func() { status <- w.ask("business_uid=b1&staff_uid=s2&page=2&per_page=2").Code }()
		if got := <-status; got != http.StatusNotFound || time.Since(begun) > 0 {
			w.t.Errorf("another staff member is answered %d after %s, want 404 at once", got, time.Since(begun))
		}
		time.Sleep(9 * time.Second)
		d = w.deliver(imp)
		if got := <-status; got != http.StatusOK || time.Since(begun) != 9*time.Second {
			w.t.Errorf("answered %d after %s, want 200 as soon as the run goes on", got, time.Since(begun))
		}
		d.stop()
		begun = time.Now()
		if got := w.page(2, 2).Code; got != http.StatusServiceUnavailable || time.Since(begun) != 10*time.Second {
			w.t.Errorf("a run that does not go on: %d after %s, want 503 after 10 s", got, time.Since(begun))
		}
	})
}

func TestOnlySomeRequestsAreHeldAtOneTime(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.deliver(w.imp("run-1", newPeople(4)))
		synctest.Wait()
		d.stop()
		begun := time.Now()
		answered := make(chan time.Duration)
		for range 70 {
			go func() {
				w.page(1, 2)
				answered <- time.Since(begun)
			}()
		}
		held := 0
		for range 70 {
			if <-answered == 10*time.Second {
				held++
			}
		}
		if held != 64 {
			w.t.Errorf("%d requests were held, want 64", held)
		}
	})
}

func TestTwoSecretsAreValidWhileOneIsChanged(t *testing.T) {
	w := newWorld(t)
	const next = "the-next-secret-4Rt"
	w.options.Secrets = []roster.Secret{roster.NewSecret(next), {}, roster.NewSecret(secret)}
	w.start()
	w.deliver(w.imp("run-1", newPeople(4)))
	w.awaitOpen()
	if got := w.sessions.APIURI().Reveal(); got != "https://sync.example.com/c/"+next {
		t.Errorf("the address to print is %s, want that of the first secret", got)
	}
	for path, want := range map[string]int{next: 200, secret: 200, "": 404, next + secret: 404} {
		target := fmt.Sprintf("/c/%s/app/clients/export?business_uid=b1&staff_uid=s1&page=1&per_page=2", path)
		if got := w.request(target).Code; got != want {
			t.Errorf("secret %q: status %d, want %d", path, got, want)
		}
	}
	w.options.Secrets = w.options.Secrets[:1]
	w.start()
	if got := w.page(1, 2).Code; got != http.StatusNotFound {
		t.Errorf("the former secret: status %d, want 404", got)
	}
}
