package club_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/sandbox/club"
)

// always is a plan in which every create meets a fault.
func always(f club.Fault) club.Plan { return club.Plan{club.CallCreate: {f: 1}} }

func TestEachFaultDoesWhatItsNameSays(t *testing.T) {
	isReset := func(r reply) bool { return errors.Is(r.err, syscall.ECONNRESET) || errors.Is(r.err, io.EOF) }
	for fault, tt := range map[club.Fault]struct {
		holds    func(r reply) bool
		executed int
	}{
		club.TooMany:     {func(r reply) bool { return r.status == 429 && r.header.Get("Retry-After") != "" }, 0},
		club.Unavailable: {func(r reply) bool { return r.status == 503 && r.header.Get("Retry-After") != "" }, 0},
		club.ErrorBefore: {func(r reply) bool { return r.status == 500 }, 0},
		club.ErrorAfter:  {func(r reply) bool { return r.status == 500 }, 1},
		club.ResetBefore: {isReset, 0},
		club.LoseAnswer:  {isReset, 1},
		club.FailureInside: {func(r reply) bool {
			return r.status == 200 && r.field("ok") == "false" && r.field("error", "code") == "internal"
		}, 0},
		club.Redirect: {func(r reply) bool { return r.status == 307 && r.header.Get("Location") == "/v1/prospects" }, 0},
		club.CutBody: {func(r reply) bool {
			return r.status == 201 && errors.Is(r.err, io.ErrUnexpectedEOF) && strings.HasPrefix(r.body, `{"id":"`)
		}, 1},
		club.WrongID: {func(r reply) bool { return r.status == 201 && r.field("id") == "12-P1" }, 1},
		club.PlainOK: {func(r reply) bool { return r.status == 200 && r.field("first_name") == "Ann" }, 1},
	} {
		t.Run(string(fault), func(t *testing.T) {
			s := newSite(t, club.Options{Faults: always(fault), Records: []club.Record{{
				ID: "12-P1", Kind: club.Prospect, Fields: map[string]string{"club_id": "12", "first_name": "Old", "last_name": "One"},
			}}})
			if r := s.post("/v1/prospects", ann("m1")); !tt.holds(r) {
				t.Errorf("answer %d %v %q, error %v", r.status, r.header, r.body, r.err)
			}
			got, state := s.tally("external_ref", "m1"), s.State()
			if got.Posts != 1 || got.Executed != tt.executed || len(s.Records(club.Prospect)) != 1+tt.executed {
				t.Errorf("tally %+v, want %d executed", got, tt.executed)
			}
			if state.Received["prospect.create"] != 1 || state.Faults[fault] != 1 {
				t.Errorf("state %+v", state)
			}
			want(t, s.get("/v1/prospects"), 200) // only creates are in the plan
		})
	}
}

func TestAWrongIDIsNobodysWhereThereIsNoOtherRecord(t *testing.T) {
	s := newSite(t, club.Options{Faults: always(club.WrongID)})
	id := want(t, s.post("/v1/prospects", ann("m1")), 201).field("id")
	want(t, s.get("/v1/prospects/"+id), 404)
}

func TestAHangingRequestEndsWhenItsCallerOrThePlatformDoes(t *testing.T) {
	for fault, executed := range map[club.Fault]int{club.Hang: 0, club.HangAfter: 1} {
		s := newSite(t, club.Options{Faults: always(fault)})
		ask := func(ctx context.Context, marker string) chan reply {
			answered := make(chan reply, 1)
			go func() { answered <- s.do(http.MethodPost, "/v1/prospects", ann(marker), call{ctx: ctx}) }()
			for got := (club.Tally{}); got.Posts == 0 || got.Executed != executed; got = s.tally("external_ref", marker) {
				want(t, s.do(http.MethodGet, "/control/state", "", call{base: s.control}), 200)
			}
			return answered
		}
		ctx, cancel := context.WithCancel(t.Context())
		answered := ask(ctx, "m1")
		cancel()
		if r := <-answered; !errors.Is(r.err, context.Canceled) {
			t.Errorf("%s: error %v", fault, r.err)
		}
		answered = ask(t.Context(), "m2")
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if r := <-answered; r.err == nil {
			t.Errorf("%s: answered %d", fault, r.status)
		}
		if n := len(s.Records(club.Prospect)); n != 2*executed {
			t.Errorf("%s: %d records, want %d", fault, n, 2*executed)
		}
	}
}

func TestBothFormsOfRetryAfterSayWhenToComeBack(t *testing.T) {
	c := newClock()
	c.move(300 * time.Millisecond)
	forms := map[string]int{}
	s := newSite(t, club.Options{Faults: always(club.TooMany), RetryAfter: 90 * time.Second, Now: c.now})
	for i := range 40 {
		after := s.post("/v1/prospects", ann(strconv.Itoa(i))).header.Get("Retry-After")
		at, err := http.ParseTime(after)
		switch {
		case after == "90":
			forms["seconds"]++
		case err == nil && at.Sub(c.now()) >= 90*time.Second && at.Sub(c.now()) < 92*time.Second:
			forms["date"]++
		default:
			t.Fatalf("Retry-After %q", after)
		}
	}
	if forms["seconds"] < 5 || forms["date"] < 5 {
		t.Errorf("forms %v", forms)
	}
	s = newSite(t, club.Options{Faults: always(club.Unavailable), RetryAfterForm: club.RetryAfterNone})
	if r := want(t, s.post("/v1/prospects", ann("")), 503); r.header.Get("Retry-After") != "" {
		t.Errorf("header %v", r.header)
	}
}

func TestALateRequestTakesEffectAfterItsCallerIsGone(t *testing.T) {
	s := newSite(t, club.Options{Faults: always(club.Late), ExecLag: time.Second})
	if r := s.post("/v1/prospects", ann("m1")); r.err == nil {
		t.Fatalf("answered %d", r.status)
	}
	if state := s.State(); state.Waiting != 1 || state.Created[club.Prospect] != 0 {
		t.Errorf("before: %+v", state)
	}
	want(t, s.do(http.MethodPost, "/control/wait", "", call{base: s.control}), 204)
	if state := s.State(); state.Waiting != 0 || state.Created[club.Prospect]+state.Expired != 1 || state.Executed["prospect.create"]+state.Expired != 1 {
		t.Errorf("after: %+v", state)
	}
}

func TestALateRequestNeverTakesEffectBeyondItsLag(t *testing.T) {
	c := newClock()
	s := newSite(t, club.Options{Faults: always(club.Late), ExecLag: 200 * time.Millisecond, Now: c.now})
	s.post("/v1/prospects", ann("m1"))
	c.move(201 * time.Millisecond)
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state := s.State(); state.Expired != 1 || state.Created[club.Prospect] != 0 {
		t.Errorf("state %+v", state)
	}
}

func TestCloseLetsTakeEffectWhatIsDue(t *testing.T) {
	s := newSite(t, club.Options{Faults: always(club.Late), ExecLag: time.Hour})
	s.post("/v1/prospects", ann("m1"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait returned %v while a request is due", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := s.tally("external_ref", "m1"); got.Executed != 1 {
		t.Errorf("tally %+v", got)
	}
}

func TestTheIndexLagHidesANewRecordAndThenShowsIt(t *testing.T) {
	c := newClock()
	s := newSite(t, club.Options{IndexLag: time.Minute, Now: c.now})
	id := want(t, s.post("/v1/prospects", ann("m1")), 201).field("id")
	queries := []string{"", "?external_ref=m1", "?email=ann@example.com", "?updated_since=2026-01-01T00:00:00Z"}
	found := func() (n int) {
		for _, q := range queries {
			n += len(want(t, s.get("/v1/prospects"+q), 200).items())
		}
		return n
	}
	if n := found(); n != 0 {
		t.Errorf("%d lists show it at once", n)
	}
	want(t, s.get("/v1/prospects/"+id), 200)
	c.move(time.Minute - time.Nanosecond)
	if n := found(); n != 0 {
		t.Errorf("%d lists show it too early", n)
	}
	c.move(time.Nanosecond)
	if n := found(); n != len(queries) {
		t.Errorf("%d lists show it afterwards, want %d", n, len(queries))
	}
}

func TestLookAlikesAppearAtAnyMomentAndAreNobodysDuplicate(t *testing.T) {
	s := newSite(t, club.Options{Faults: club.Plan{club.CallCreate: {club.LookAlike: 1}}, ExecLag: 5 * time.Millisecond})
	for i := range 30 {
		body := strings.Replace(ann("m"+strconv.Itoa(i)), "Lee", "Lee"+strconv.Itoa(i), 1)
		want(t, s.post("/v1/prospects", body), 201)
	}
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, after := 0, 0
	api := map[string]bool{}
	for _, r := range s.Records(club.Prospect) {
		name := r.Fields["last_name"]
		switch {
		case r.By == "api":
			api[name] = true
		case r.By != "somebody" || r.Fields["external_ref"] != "" || r.Fields["email"] != "Ann@Example.com":
			t.Errorf("look-alike %+v", r)
		case api[name]:
			after++
		default:
			before++
		}
	}
	if before < 3 || after < 3 || before+after != 30 || len(s.Duplicates()) != 0 {
		t.Errorf("%d before, %d after, duplicates %v", before, after, s.Duplicates())
	}
}

func TestALookAlikeIsInTheWayWhereAddressesAreUnique(t *testing.T) {
	s := newSite(t, club.Options{Class: club.ClassBPrime, Faults: club.Plan{club.CallCreate: {club.LookAlike: 1}}})
	statuses := map[int]int{}
	for i := range 20 {
		statuses[s.post("/v1/prospects", strings.Replace(ann(""), "Ann@", "ann"+strconv.Itoa(i)+"@", 1)).status]++
	}
	if statuses[201] == 0 || statuses[409] == 0 || statuses[201]+statuses[409] != 20 || len(s.Records(club.Prospect)) != 20 {
		t.Errorf("statuses %v, %d records", statuses, len(s.Records(club.Prospect)))
	}
}

func TestFaultsFollowFromTheSeedWhateverTheOrder(t *testing.T) {
	plan := club.Plan{club.CallCreate: {club.ErrorBefore: 0.3, club.ErrorAfter: 0.3, club.TooMany: 0.2}}
	play := func(seed uint64, order func(i int) int) map[string][]int {
		s := newSite(t, club.Options{Seed: seed, Faults: plan})
		got := map[string][]int{}
		for i := range 60 {
			marker := "m" + strconv.Itoa(order(i)%30)
			got[marker] = append(got[marker], s.post("/v1/prospects", ann(marker)).status)
		}
		return got
	}
	forwards := play(7, func(i int) int { return i })
	if diff := cmp.Diff(forwards, play(7, func(i int) int { return 59 - i })); diff != "" {
		t.Errorf("the order matters:\n%s", diff)
	}
	if cmp.Equal(forwards, play(8, func(i int) int { return i })) {
		t.Error("the seed does not matter")
	}
	counts := map[int]int{}
	for _, statuses := range forwards {
		for _, s := range statuses {
			counts[s]++
		}
	}
	if counts[500] < 20 || counts[429] < 4 || counts[201] < 4 {
		t.Errorf("answers %v", counts)
	}
}

func TestFaultsByPersonAreTheSameForEveryMarker(t *testing.T) {
	play := func(markers string) (statuses []int) {
		s := newSite(t, club.Options{Seed: 7, FaultsByPerson: true, Faults: club.Plan{club.CallCreate: {club.ErrorBefore: 0.5}}})
		for i := range 30 {
			who := strings.Replace(ann(markers+strconv.Itoa(i)), "Ann@", "ann"+strconv.Itoa(i)+"@", 1)
			statuses = append(statuses, s.post("/v1/prospects", who).status)
		}
		return statuses
	}
	one := play("m")
	if diff := cmp.Diff(one, play("another")); diff != "" {
		t.Errorf("the markers matter:\n%s", diff)
	}
	if !slices.Contains(one, 500) || !slices.Contains(one, 201) {
		t.Errorf("answers %v", one)
	}
}

func TestAnotherProcessMayAskAndSet(t *testing.T) {
	s := newSite(t, club.Options{Seed: 3})
	control := func(method, path, body string) reply { return s.do(method, path, body, call{base: s.control}) }
	want(t, control(http.MethodPost, "/control/faults", `{"faults":{"*":{"error_before":1}},"exec_lag":"1s"}`), 204)
	want(t, s.get("/v1/prospects"), 500)
	want(t, s.get("/v1/clubs"), 500)
	want(t, control(http.MethodPost, "/control/faults", `{"index_lag":"2s"}`), 204)
	if got := control(http.MethodGet, "/control/faults", "").body; got != `{"faults":{"*":{"error_before":1}},"exec_lag":"1s","index_lag":"2s"}` {
		t.Errorf("settings %s", got)
	}
	for _, bad := range []string{`{"faults":{"fly":{"hang":1}}}`, `{"index_lag":"soon"}`, `nonsense`} {
		want(t, control(http.MethodPost, "/control/faults", bad), 400)
	}
	want(t, control(http.MethodPost, "/control/faults", `{"faults":{}}`), 204)
	want(t, control(http.MethodPost, "/control/records", `[{"kind":"staff","id":"s9","club_id":"12","email":"x@example.com"}]`), 204)
	want(t, control(http.MethodPost, "/control/records", `{"kind":"prospect","club_id":"12","first_name":"Bo","custom":{"a":1}}`), 204)
	want(t, control(http.MethodPost, "/control/records", `{"kind":"cat"}`), 400)
	want(t, control(http.MethodPost, "/control/records", `7`), 400)
	if got := s.get("/v1/staff?email=X@example.com").items(); len(got) != 1 || got[0] != "s9" {
		t.Errorf("staff %v", got)
	}
	var records []club.Record
	if err := json.Unmarshal([]byte(control(http.MethodGet, "/control/records?kind=prospect", "").body), &records); err != nil {
		t.Fatal(err)
	}
	if len(records) != 1 || records[0].By != "somebody" || records[0].Fields["first_name"] != "Bo" || string(records[0].Custom["a"]) != "1" {
		t.Errorf("records %+v", records)
	}
	want(t, s.post("/v1/prospects", ann("m1")), 201)
	want(t, control(http.MethodPost, "/control/records", `{"kind":"staff","id":"s9","club_id":"13"}`), 204)
	if r := want(t, s.get("/v1/staff/s9"), 200); r.field("club_id") != "13" || r.field("email") != "" || len(s.Records(club.Staff)) != 1 {
		t.Errorf("changed by somebody: %s", r.body)
	}
	if got := s.get("/v1/staff?email=X@example.com").items(); len(got) != 0 {
		t.Errorf("found %v by an address that is gone", got)
	}
	var creates []club.Tally
	if err := json.Unmarshal([]byte(control(http.MethodGet, "/control/creates", "").body), &creates); err != nil || len(creates) != 2 {
		t.Errorf("creates %+v, error %v", creates, err)
	}
	var state club.State
	if err := json.Unmarshal([]byte(control(http.MethodGet, "/control/state", "").body), &state); err != nil || state.Created[club.Prospect] != 1 ||
		state.Records[club.Prospect] != 2 || state.Faults[club.ErrorBefore] != 2 {
		t.Errorf("state %+v, error %v", state, err)
	}
}

func TestManyCallersAtOnceLoseAndDoubleNothing(t *testing.T) {
	p := club.New(club.Options{Seed: 5, ExecLag: 10 * time.Millisecond, Faults: club.Plan{club.CallAny: {
		club.LoseAnswer: 0.1, club.Late: 0.1, club.ErrorBefore: 0.1, club.CutBody: 0.1, club.WrongID: 0.1, club.LookAlike: 0.2,
	}}})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Start(l)
	s := &site{Platform: p, url: "http://" + l.Addr().String(), client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 25 {
				s.post("/v1/prospects", ann(fmt.Sprint(i, "-", j)))
				s.get("/v1/prospects?per_page=5")
			}
		})
	}
	all.Wait()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	state, executed, posts := p.State(), 0, 0
	for _, tally := range p.Creates() {
		if tally.By == "external_ref" {
			executed += tally.Executed
			posts += tally.Posts
		}
	}
	if posts != 200 || executed != state.Created[club.Prospect] || executed < 150 || state.Waiting != 0 ||
		executed+state.Expired+state.Faults[club.ErrorBefore] < 200 {
		t.Errorf("%d posts, %d executed, state %+v", posts, executed, state)
	}
}
