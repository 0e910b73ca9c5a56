package connector_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	secret = "a-secret-of-the-crm-4Rt"
	former = "the-former-secret-of-the-crm"
	conn   = "acme/crm"
	userAt = "/connector/api/2011-11/user"
)

// world is the interface over real HTTP, on a real store.
type world struct {
	t       *testing.T
	dir     string
	store   *bolt.Store
	options connector.Options
	server  *httptest.Server
	log     lockedBuffer
	mu      sync.Mutex
	woken   []string
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// settingsOf are a connection's settings, with more of them behind the secrets.
func settingsOf(provider, secret, more string) roster.Secret {
	return roster.NewSecret(fmt.Sprintf(`{"provider":%q,"secret":%q,"former_secret":%q%s}`, provider, secret, former+provider, more))
}

func endpoint(tb testing.TB, ref, provider, client, settings string) *connector.Endpoint {
	tb.Helper()
	e, err := connector.NewEndpoint(roster.Connection{
		Ref: ref, Adapter: roster.AdapterInbound, ClientID: client, Clubs: map[string]string{"downtown": "12", "airport": "13"},
		Settings: settingsOf(provider, secret+provider, settings),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func newWorld(t *testing.T, settings string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.options = connector.Options{
		Endpoints: []*connector.Endpoint{endpoint(t, conn, "CRM", "456", settings), endpoint(t, "bolt/crm", "OTHER", "789", "")},
		Key:       []byte("a key"), Logger: slog.New(slog.NewJSONHandler(&w.log, nil)), Now: time.Now,
		Limits: connector.Limits{Address: 1_000_000, Provider: 1_000_000},
		Saved: func(conn string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.woken = append(w.woken, conn)
		},
	}
	w.open()
	t.Cleanup(func() {
		w.server.Close()
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// open opens the store and serves, as a daemon does that starts.
func (w *world) open() {
	w.t.Helper()
	keys, err := store.LoadKeyring(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.store, err = bolt.Open(w.t.Context(), w.dir, keys); err != nil {
		w.t.Fatal(err)
	}
	w.options.Store = w.store
	w.serve()
}

func (w *world) serve() {
	w.t.Helper()
	if w.server != nil {
		w.server.Close()
	}
	c, err := connector.New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.server = httptest.NewServer(c.Handler(http.NotFoundHandler()))
}

// reply is an answer without its date.
type reply struct {
	status int
	body   string
	header http.Header
}

// call makes one request. Headers are name and value in turn.
func (w *world) call(method, path, body string, headers ...string) reply {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.SetBasicAuth("CRM", secret+"CRM")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := w.server.Client().Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	response.Header.Del("Date")
	return reply{response.StatusCode, string(text), response.Header}
}

func (w *world) post(path, body string, headers ...string) reply {
	w.t.Helper()
	return w.call(http.MethodPost, path, body, headers...)
}

func (w *world) saved(body string) reply {
	w.t.Helper()
	got := w.post(userAt, body)
	if got.status != http.StatusOK {
		w.t.Fatalf("%d %s", got.status, got.body)
	}
	return got
}

// waits are the fields of what waits of a kind, by id, sorted by arrival.
func (w *world) waits(kind sdk.Kind) []string {
	w.t.Helper()
	e := w.options.Endpoints[0]
	source := connector.Source{Store: w.store, Endpoint: e}
	page, err := source.Read(context.Background(), sdk.ReadRequest{Kind: kind, Limit: 500})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := page.Validate(); err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for i := range page.Rows {
		row := page.Row(i)
		text := row.ID() + "@" + row.Club()
		for j, name := range page.Columns {
			switch cell := row.Cell(j); {
			case name == "received_at", cell.Kind() == sdk.CellAbsent:
			case cell.Kind() == sdk.CellNull:
				text += " " + name + "=null"
			case cell.Kind() == sdk.CellBool:
				text += fmt.Sprintf(" %s=%d", name, cell.Bytes()[0])
			default:
				text += " " + name + "=" + string(cell.Bytes())
			}
		}
		out = append(out, text)
	}
	return out
}

func bearer(token string) string { return "Bearer " + token }

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// anyID masks the UUIDs of errors, which differ by intent.
func anyID(text string) string {
	return regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllString(text, "UUID")
}

// user is a body with the four mandatory values and more.
func user(record, more string) string {
	return userOf("CRM", "456", "12", record, more)
}

func userOf(provider, client, club, record, more string) string {
	return `<user><providerInfo><identifier>` + provider + `</identifier><clientID>` + client + `</clientID><clubID>` + club +
		`</clubID><recordID>` + record + `</recordID></providerInfo><userInfo><firstname>Pete</firstname><lastname>Prospect</lastname>` +
		`<userStatus>ACTIVE</userStatus><userType>PROSPECT</userType>` + more + `</userInfo></user>`
}
