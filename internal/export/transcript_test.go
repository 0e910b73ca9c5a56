package export_test

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata with what the package answers")

// TestEveryTranscriptHolds plays the transcripts of the protocol. A transcript
// is a list of steps: "request", which is followed by its "response";
// "session", which shows what is stored; "restart", which kills the daemon and
// starts it again; "wait", which lets time pass; "retry" and "close", which are
// an operator's commands. "setup" describes the run and the target.
func TestEveryTranscriptHolds(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("transcripts: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, parseArchive(string(raw))) })
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(raw), got); diff != "" {
				t.Errorf("%s (-want +got; rewrite with -update):\n%s", file, diff)
			}
		})
	}
}

// player plays one transcript.
type player struct {
	*world
	clients  int
	delivery *delivery
}

func play(t *testing.T, script *archive) string {
	t.Helper()
	p := &player{world: newWorld(t)}
	out := &archive{comment: script.comment}
	for _, step := range script.parts {
		switch step.name {
		case "setup":
			p.setup(step.data)
		case "response":
			continue
		case "session":
			step.data = p.describe()
		case "request":
			out.parts = append(out.parts, step)
			step = part{name: "response", data: p.play(step.data)}
		default:
			p.act(step.name)
		}
		synctest.Wait()
		out.parts = append(out.parts, step)
	}
	p.delivery.stop()
	return out.String()
}

// setup begins the delivery that the setup describes.
func (p *player) setup(text string) {
	imp := p.imp("run-1", nil)
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "clients":
			p.clients = p.number(value)
		case "clients a session":
			p.options.MaxClients = p.number(value)
		case "repeats":
			p.options.Repeats = p.number(value)
		case "staff":
			imp.Identity.StaffUID = strings.TrimPrefix(value, "not configured")
		case "announcement":
			p.starter.answer(sdk.Outcome(value))
		default:
			p.t.Fatalf("setup has no %q", key)
		}
	}
	p.start()
	imp.Clients = newPeople(p.clients)
	p.delivery = p.deliver(imp)
}

// act does what a step without an answer says.
func (p *player) act(step string) {
	name, argument, _ := strings.Cut(step, " ")
	var err error
	switch name {
	case "restart":
		p.delivery.stop()
		p.start()
		imp := p.imp("run-1", newPeople(p.clients))
		imp.Identity.StaffUID = ""
		p.delivery = p.deliver(imp)
	case "announcement":
		p.starter.answer(sdk.Outcome(argument))
	case "wait":
		var d time.Duration
		if d, err = time.ParseDuration(argument); err == nil {
			time.Sleep(d)
		}
	case "retry":
		err = p.sessions.Retry(p.t.Context(), "session-1")
	case "close":
		err = p.sessions.Close(p.t.Context(), "session-1", argument)
	default:
		p.t.Fatalf("a transcript has no step %q", step)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) number(text string) int {
	p.t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// play sends one request and returns the answer as it goes over the line.
func (p *player) play(text string) string {
	p.t.Helper()
	line, body, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(text), "{secret}", secret), "\n\n")
	method, target, _ := strings.Cut(line, " ")
	recorder := httptest.NewRecorder()
	p.sessions.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(p.t.Context(), method, target, strings.NewReader(body)))
	var out strings.Builder
	fmt.Fprintf(&out, "HTTP/1.1 %d %s\n", recorder.Code, http.StatusText(recorder.Code))
	if err := recorder.Header().Write(&crlf{&out}); err != nil {
		p.t.Fatal(err)
	}
	fmt.Fprintf(&out, "\n%s\n", strings.TrimSuffix(recorder.Body.String(), "\n"))
	return out.String()
}

// crlf drops the carriage returns of HTTP, which a transcript does not show.
type crlf struct{ to *strings.Builder }

func (c *crlf) Write(data []byte) (int, error) {
	c.to.WriteString(strings.ReplaceAll(string(data), "\r", ""))
	return len(data), nil
}

// describe shows the session as it is stored, and the delivery's end.
func (p *player) describe() string {
	p.t.Helper()
	var out strings.Builder
	s := p.session()
	if p.options.MaxClients > 0 {
		fmt.Fprintf(&out, "part: %d, clients %d..%d\n", s.Part, s.From, s.To)
	}
	fmt.Fprintf(&out, "state: %s\nannounced: %d\nstaff: %s\nserved: %s\nlast page served: %t\n",
		s.State, p.starter.count(), s.Staff, ranges(s.Served), s.LastServed)
	if s.Reason != "" {
		fmt.Fprintf(&out, "reason: %s\n", s.Reason)
	}
	if s.Outcome != nil {
		o := s.Outcome
		fmt.Fprintf(&out, "outcome: %d created, %d updated, %d kept, %d failed, %d unknown; in quarantine: %s\n",
			o.Created, o.Updated, o.Kept, o.Failed, s.ServedCount()-o.Sum(), p.store.quarantined())
	}
	if p.delivery.ended() {
		r := p.delivery.result
		fmt.Fprintf(&out, "delivery: %s, %d served, %d unserved: %s\n", r.State, r.Served, r.Unserved, ranges(r.UnservedRanges))
		if fault, ok := errors.AsType[*roster.Fault](p.delivery.err); ok {
			fmt.Fprintf(&out, "fault: %s: %s\n", fault.Code, fault.Message)
		}
	}
	return out.String()
}

func ranges(all []roster.Range) string {
	if len(all) == 0 {
		return "none"
	}
	var parts []string
	for _, r := range all {
		parts = append(parts, fmt.Sprintf("%d..%d", r.From, r.To))
	}
	return strings.Join(parts, " ")
}
