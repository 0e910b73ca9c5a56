package admin_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/audit"
)

func (f *fake) Begin(who, what string, with map[string]string, _ string) (uint64, error) {
	defer f.lock()()
	if f.unwritable {
		return 0, fmt.Errorf("write: %w", fs.ErrPermission)
	}
	f.account = append(f.account, fmt.Sprint(who, " ", what, " ", with))
	return uint64(len(f.account)), nil
}

func (f *fake) End(of uint64, status int, code string) error {
	defer f.lock()()
	f.account = append(f.account, fmt.Sprint(of, " ", status, " ", code))
	return nil
}

func (f *fake) Audited(context.Context, int) ([]audit.Entry, error) {
	return []audit.Entry{
		{Seq: 1, At: start, Who: "ann", What: "POST /v1/reload", With: map[string]string{"dry_run": "true"}, Request: "R", Hash: "aa"},
		{Seq: 2, At: start, Of: 1, Status: 422, Code: "config.invalid", Before: "aa", Hash: "bb"},
	}, f.fault
}

func (*fake) Masked(id string) string { return "digest of " + fmt.Sprint(len(id)) }

func TestEveryChangeIsWrittenDownBeforeItIsMadeAndWithItsOutcome(t *testing.T) {
	for _, rt := range examples {
		method, _, _ := strings.Cut(rt.operation, " ")
		f := newFake()
		ask(t, newAPI(t, f, ""), method, rt.target)
		switch changes := method == http.MethodPost || strings.HasPrefix(rt.target, "/v1/state/backup"); {
		case !changes && len(f.account) > 0:
			t.Errorf("%s %s: %q", method, rt.target, f.account)
		case changes && (len(f.account) != 2 || !strings.HasPrefix(f.account[1], fmt.Sprint("1 ", rt.status, " ", rt.code))):
			t.Errorf("%s %s: %q, want %d %s", method, rt.target, f.account, rt.status, rt.code)
		}
	}
}

func TestTheAccountNamesWhoAndWhatAndNoPerson(t *testing.T) {
	f := newFake()
	ask(t, newAPI(t, f, ""), http.MethodPost, "/v1/links/set?job=acme/launch&kind=member&source=ann%40example.com&target=t1&reason=moved")
	want := "unknown POST /v1/links/set map[job:acme/launch kind:member reason:moved source:digest of 15 target:digest of 2]"
	if len(f.account) == 0 || f.account[0] != want {
		t.Errorf("account %q, want %q", f.account, want)
	}
}

func TestWordsThatNameAPersonStandInTheAccountAsADigest(t *testing.T) {
	for _, target := range []string{
		"/v1/privacy/erase?account=acme&email=ann%40example.com&reason=ann%40example.com+asks", "/v1/privacy/erase?account=acme&id=M-4711&reason=M-4711+asks",
		"/v1/runs/ann%40example.com/cancel",
	} {
		f := newFake()
		ask(t, newAPI(t, f, ""), http.MethodPost, target)
		if len(f.account) == 0 || strings.Contains(f.account[0], "ann") || strings.Contains(f.account[0], "4711") {
			t.Errorf("%s: account %q", target, f.account)
		}
	}
}

func TestWhatCannotBeWrittenDownIsNotDone(t *testing.T) {
	f := newFake()
	f.unwritable = true
	w := ask(t, newAPI(t, f, ""), http.MethodPost, "/v1/jobs/acme/launch/runs")
	if p := problemOf(t, w); w.Code != http.StatusServiceUnavailable || p.Code != "audit.unwritable" || p.Hint == "" || f.started != 0 {
		t.Errorf("%d %+v, %d runs started", w.Code, p, f.started)
	}
}

func TestAPanicOfAChangeHasAnOutcome(t *testing.T) {
	f := newFake()
	api := newAPI(t, f, "")
	f.onPause = func() { panic(personalName) }
	ask(t, api, http.MethodPost, "/v1/jobs/acme/launch/pause?reason=x")
	if len(f.account) != 2 || f.account[1] != "1 500 internal" {
		t.Errorf("account %q", f.account)
	}
}
