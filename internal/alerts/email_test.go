package alerts_test

import (
	"errors"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/alerts"
	"github.com/rosterd/rosterd/internal/roster"
)

// message has a failure and a recovery.
func message() alerts.Message {
	return alerts.Message{
		ID: "msg_1", At: begin, Origin: "https://sync.example.com",
		Items: []alerts.Item{
			{
				ID: "i1", Since: begin,
				Condition: alerts.Condition{
					Subject: "acme/leads", Facet: "run", State: "failed", Summary: "the last run failed (adapter.auth), with 120 records read", Command: "rosterd runs r1",
				},
			},
			{ID: "i2", Since: begin, Condition: alerts.Condition{Subject: "csv", Facet: "adapter", Summary: "it runs"}},
		},
	}
}

func sender(s *mailServer, tls string) alerts.Email {
	return alerts.Email{
		Host: "127.0.0.1", Port: s.port, TLS: tls, From: "rosterd@example.com", To: []string{"ops@example.com", "ann@example.com"}, Roots: s.roots,
	}
}

func TestAMailIsTakenByAServerWithEachKindOfEncryption(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"starttls", "tls", "none"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := startMail(t, kind == "tls", nil)
			e := sender(s, kind)
			if kind != "none" {
				e.Username, e.Password = "rosterd", roster.NewSecret("hunter22")
			}
			if err := e.Send(t.Context(), message()); err != nil {
				t.Fatal(err)
			}
			got := s.received()
			if len(got) != 1 || got[0].from != "rosterd@example.com" || cmp.Diff(got[0].to, e.To) != "" || got[0].tls != (kind != "none") {
				t.Fatalf("the server has taken %+v", got)
			}
			want := []string{"/rosterd/hunter22"}
			if kind == "none" {
				want = nil
			}
			if diff := cmp.Diff(s.logins, want); diff != "" {
				t.Error(diff)
			}
			checkMail(t, got[0].text)
		})
	}
}

func checkMail(t *testing.T, text string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Subject": "rosterd: 1 need a person, 1 are well again", "Message-Id": "<msg_1@rosterd>", "Auto-Submitted": "auto-generated",
		"From": "<rosterd@example.com>",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	want := "acme/leads is failed\n  the last run failed (adapter.auth), with 120 records read\n  since 2026-03-01T09:30:00Z\n  rosterd runs r1\n\n" +
		"csv is well again\n  it runs\n\nThis is the rosterd at https://sync.example.com .\n"
	if diff := cmp.Diff(strings.ReplaceAll(string(body), "\r\n", "\n"), want); diff != "" {
		t.Error(diff)
	}
}

func TestWhatAMailServerDoesNotTakeIsSaidWithoutNamingPeople(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		change func(*mailServer)
		send   func(*alerts.Email)
		want   string
	}{
		"a recipient is refused": {
			change: func(s *mailServer) { s.refuse["RCPT"] = "550 no ann@example.com here" },
			want:   "the mail server does not take the mail: sending SMTP RCPT TO command (550)",
		},
		"the mail is refused": {
			change: func(s *mailServer) { s.refuse["DATA"] = "451 later, ops@example.com" },
			want:   "the mail server does not take the mail: sending SMTP DATA command (451)",
		},
		"the password is wrong": {
			change: func(s *mailServer) { s.refuse["AUTH"] = "535 not hunter22" },
			send:   func(e *alerts.Email) { e.Username, e.Password = "rosterd", roster.NewSecret("hunter22") },
			want:   "the mail server cannot be used: it answered 535",
		},
		"there is no encryption": {
			change: func(s *mailServer) { s.noTLS = true },
			want:   "the mail server cannot be used",
		},
		"the certificate is from nobody": {
			send: func(e *alerts.Email) { e.Roots = nil },
			want: "the mail server cannot be used: tls: failed to verify certificate: x509: certificate signed by unknown authority",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startMail(t, false, x.change)
			e := sender(s, "starttls")
			if x.send != nil {
				x.send(&e)
			}
			err := e.Send(t.Context(), message())
			fault, ok := errors.AsType[*roster.Fault](err)
			if !ok || fault.Code != "alert.email" || fault.Message != x.want || fault.Hint == "" {
				t.Errorf("got %v, want %s", err, x.want)
			}
			for _, secret := range []string{"hunter22", "ann@", "ops@"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%v names %s", err, secret)
				}
			}
			if got := s.received(); len(got) != 0 {
				t.Errorf("the server has taken %v", got)
			}
		})
	}
}

func TestAMailThatWasTakenIsNotSentAgainForWhatComesAfter(t *testing.T) {
	t.Parallel()
	s := startMail(t, false, func(s *mailServer) { s.refuse["RSET"], s.refuse["QUIT"] = "421 closing", "421 closing" })
	if err := sender(s, "starttls").Send(t.Context(), message()); err != nil {
		t.Error(err)
	}
}

func TestAMailWhoseAnswerIsLostMayHaveBeenTaken(t *testing.T) {
	t.Parallel()
	for answer, unsure := range map[string]bool{"": true, "554 no": false} {
		s := startMail(t, false, func(s *mailServer) { s.refuse["."] = answer })
		err := sender(s, "starttls").Send(t.Context(), message())
		if err == nil || errors.Is(err, alerts.ErrUnsure) != unsure {
			t.Errorf("after the answer %q: %v", answer, err)
		}
	}
}
