package sdktest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

// lagging is a system whose records take effect and are found late.
type lagging struct {
	exec, index time.Duration
	mu          sync.Mutex
	visible     map[string]time.Time
	work        sync.WaitGroup
}

func (l *lagging) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		l.mu.Lock()
		at, ok := l.visible[r.URL.Query().Get("marker")]
		l.mu.Unlock()
		if ok && !time.Now().Before(at) {
			_, _ = io.WriteString(w, `"id"`)
		}
		return
	}
	marker, _ := io.ReadAll(r.Body)
	// The create takes effect also when its caller is gone.
	done := make(chan struct{})
	l.work.Go(func() {
		defer close(done)
		timer := time.NewTimer(l.exec)
		defer timer.Stop()
		<-timer.C
		l.mu.Lock()
		defer l.mu.Unlock()
		l.visible[string(marker)] = time.Now().Add(l.index)
	})
	<-done
	w.WriteHeader(http.StatusCreated)
}

// laggingClient is the adapter of a lagging system.
type laggingClient struct{ http *httpx.Client }

func (laggingClient) Target(context.Context) (sdk.TargetInfo, error) { return sdk.TargetInfo{}, nil }

func (c laggingClient) Write(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	marker, err := json.Marshal(req.Operations[0].Marker)
	if err != nil {
		return sdk.WriteResponse{}, err
	}
	sent := c.http.SendOnce(ctx, http.MethodPost, "/x", marker)
	return sdk.WriteResponse{Results: []sdk.Result{{Outcome: sent.Outcome}}}, nil
}

func (c laggingClient) Find(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
	a, err := c.http.Get(ctx, "/x", map[string][]string{"marker": {fmt.Sprintf("%q", req.Queries[0].Marker)}})
	found := sdk.FindResponse{Matches: make([][]sdk.Match, 1)}
	if err == nil && len(a.Body) > 0 {
		found.Matches[0] = []sdk.Match{{ID: req.Queries[0].Marker}}
	}
	return found, err
}

func lagCase(t *testing.T, l *lagging) sdktest.LagCase {
	t.Helper()
	l.visible = map[string]time.Time{}
	server := httptest.NewServer(l)
	t.Cleanup(func() { server.Close(); l.work.Wait() })
	client, err := httpx.New(httpx.Options{BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c := laggingClient{http: client}
	return sdktest.LagCase{
		Target: c, Finder: c, Kind: sdk.KindMember, Every: 2 * time.Millisecond, Limit: 5 * time.Second,
		Create: func(i int) sdk.Operation { return sdk.Operation{Op: sdk.OpCreate, Marker: fmt.Sprint("m", i)} },
	}
}

func TestTheIndexLagIsTheTimeUntilARecordIsFound(t *testing.T) {
	const index = 40 * time.Millisecond
	got, err := sdktest.MeasureLags(t.Context(), lagCase(t, &lagging{index: index}), 5)
	if err != nil || got.Index.Seen != 5 || got.Index.Tries != 5 || len(got.IDs) != 5 || got.Exec.Tries != 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	// The answer is read a moment after the record was made.
	if got.Index.Median < index/2 || got.Index.Max < got.Index.Median {
		t.Errorf("got %+v, want about %s", got.Index, index)
	}
}

func TestTheExecLagIsSeenInCreatesThatWereGivenUp(t *testing.T) {
	c := lagCase(t, &lagging{exec: 60 * time.Millisecond})
	c.GiveUp, c.Limit = true, 300*time.Millisecond
	got, err := sdktest.MeasureLags(t.Context(), c, 8)
	if err != nil {
		t.Fatal(err)
	}
	if got.Exec.Tries == 0 || got.Exec.Seen > got.Exec.Tries || got.Exec.Seen > 0 && got.Exec.Max <= 0 {
		t.Errorf("got %+v", got.Exec)
	}
}

func TestARecordThatIsNeverFoundIsAnError(t *testing.T) {
	c := lagCase(t, &lagging{index: time.Hour})
	c.Limit = 20 * time.Millisecond
	if got, err := sdktest.MeasureLags(t.Context(), c, 1); err == nil {
		t.Errorf("got %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sdktest.MeasureLags(ctx, c, 1); err == nil {
		t.Error("a cancelled measurement has no error")
	}
}
