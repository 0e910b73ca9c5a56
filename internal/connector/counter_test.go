package connector_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// tally is a counter that lists what it is told.
type tally struct {
	mu   sync.Mutex
	told []string
}

func (c *tally) tell(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, fmt.Sprintf(format, args...))
}

func (c *tally) Saved(conn string, kind sdk.Kind, unknown int) {
	c.tell("saved %s %s %d", conn, kind, unknown)
}
func (c *tally) Fetched(conn string)                          { c.tell("fetched %s", conn) }
func (c *tally) Refused(conn string, reason connector.Reason) { c.tell("refused %q %s", conn, reason) }

// TestWhatComesIsCountedByConnectionAndNothingOfASenderIsTold: a request that nobody
// proved to send is of no connection.
func TestWhatComesIsCountedByConnectionAndNothingOfASenderIsTold(t *testing.T) {
	w, c := newWorld(t, ""), &tally{}
	w.options.Counter = c
	w.options.MaxWaiting = 1
	w.serve()
	w.saved(user("123", "<unheardOf>1</unheardOf><another>2</another>"))
	w.call(http.MethodGet, userAt+"?provider=CRM&client_id=456&club_id=12&recordID=123", "")
	w.post(userAt, user("124", ""))
	w.post(userAt, userOf("CRM", "456", "12", "1", "<birthdate>soon</birthdate>"))
	w.post(userAt, user("123", ""), "Authorization", basic("CRM", "a guess that is wrong"))
	w.post(userAt, "<user>")
	w.post(userAt, userOf("CRM", "456", "99", "1", ""))
	want(t, c.told, "saved "+conn+" prospect 2", "fetched "+conn, `refused "`+conn+`" DATABASE`, `refused "`+conn+`" VALIDATION`,
		`refused "" ACCESS`, `refused "" VALIDATION`, `refused "" ACCESS`)
}
