package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/rosterd/rosterd/internal/roster"
)

// Jobs says which jobs their schedules may start.
type Jobs interface {
	// PauseJob keeps a job from being started by its schedule, and returns how it
	// stands. A run under way goes on. A job that is paused is
	// [roster.ErrConflict], an unknown one [roster.ErrNotFound].
	PauseJob(ctx context.Context, job string, pause roster.Pause) (JobStatus, error)
	// ResumeJob ends a pause and returns how the job stands. A job that is not
	// paused is [roster.ErrConflict], an unknown one [roster.ErrNotFound].
	ResumeJob(ctx context.Context, job string) (JobStatus, error)
}

func (a *API) pauseJob(w http.ResponseWriter, r *http.Request, q *query) error {
	reason := q.reason()
	if err := q.err(); err != nil {
		return err
	}
	pause := roster.Pause{Since: a.o.Now().UTC(), By: a.caller(r), Reason: reason}
	return a.changeJob(w, r, "paused", pause.By, func(ctx context.Context, job string) (JobStatus, error) {
		return a.o.Jobs.PauseJob(ctx, job, pause)
	})
}

func (a *API) resumeJob(w http.ResponseWriter, r *http.Request, _ *query) error {
	return a.changeJob(w, r, "resumed", a.caller(r), a.o.Jobs.ResumeJob)
}

// changeJob makes a change, logs who made it, and answers with how the job stands.
func (a *API) changeJob(
	w http.ResponseWriter, r *http.Request, what, by string, change func(ctx context.Context, job string) (JobStatus, error),
) error {
	job := jobOf(r)
	status, err := change(r.Context(), job)
	if errors.Is(err, roster.ErrNotFound) {
		return a.unknownJob(r.Context(), job, err)
	}
	if err != nil {
		return err
	}
	a.o.Logger.InfoContext(r.Context(), "job changed", "request", requestID(r.Context()), "job", job, "change", what, "by", by)
	return reply(w, http.StatusOK, status)
}

func jobOf(r *http.Request) string { return r.PathValue("account") + "/" + r.PathValue("job") }

// maxReason bounds a reason in characters.
const maxReason = 200

// reason returns why something is done, which must be said.
func (q *query) reason() string {
	v := strings.TrimSpace(q.values.Get("reason"))
	if v == "" || !utf8.ValidString(v) || utf8.RuneCountInString(v) > maxReason || strings.ContainsFunc(v, unicode.IsControl) {
		q.bad.add("reason", "must be a line of text with at most "+strconv.Itoa(maxReason)+" characters")
	}
	return v
}

// connKey is the context key of the connection of a request.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// caller says who makes a request: who the operating system says is at the other
// end of the socket, or the holder of the token.
func (a *API) caller(r *http.Request) string {
	if a.o.Token.Reveal() != "" {
		return "the admin token"
	}
	c, ok := r.Context().Value(connKey{}).(syscall.Conn)
	if !ok {
		return "unknown"
	}
	uid, err := peer(c)
	if err != nil {
		return "unknown"
	}
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}

// peer returns the user at the other end of a Unix socket.
func peer(c syscall.Conn) (uint32, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
