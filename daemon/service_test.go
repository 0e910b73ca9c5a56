package main_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/sandbox"
)

// serviceManager keeps what a daemon tells it.
type serviceManager struct{ *net.UnixConn }

func newServiceManager(t *testing.T, s *site) serviceManager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path("notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return serviceManager{conn}
}

// await reads messages until one has the line, and returns it.
func (m serviceManager) await(t *testing.T, s *site, line string) string {
	t.Helper()
	if err := m.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	var read []string
	for {
		n, err := m.Read(buffer)
		if err != nil {
			t.Fatalf("the daemon does not say %s, but %q\n%s", line, read, s.tail())
		}
		read = append(read, string(buffer[:n]))
		if strings.Contains("\n"+string(buffer[:n]), "\n"+line) {
			return string(buffer[:n])
		}
	}
}

// startAsService starts the daemon as systemd does, with sockets passed from
// file number 3 on. The shell stands for the moment between fork and exec, in
// which LISTEN_PID is known.
func (s *site) startAsService(t *testing.T, env []string, sockets ...*os.File) *daemon {
	t.Helper()
	d := &daemon{log: s.path("daemon.log")}
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d.cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, s.path("bin/rosterd"), "run", "--config", s.path("rosterd.yaml"))
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr, d.cmd.ExtraFiles = s.dir, log, log, sockets
	d.cmd.Env = append([]string{
		"PATH=/usr/bin:/bin", "HOME=/nowhere", "TMPDIR=" + os.TempDir(), "NOTIFY_SOCKET=" + s.path("notify"),
		fmt.Sprint("LISTEN_FDS=", len(sockets)),
	}, env...)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	return d
}

func TestTheServiceManagerIsToldFromStartToStop(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := newServiceManager(t, s)
	d := s.startAsService(t, []string{"WATCHDOG_USEC=2000000"})
	m.await(t, s, "EXTEND_TIMEOUT_USEC=")
	if got := m.await(t, s, "READY=1"); !strings.Contains(got, "STATUS=1 job, 0 running") {
		t.Errorf("the daemon is ready with %q", got)
	}
	conn, err := net.Dial("tcp", s.public)
	if err != nil {
		t.Errorf("ready, and the public listener is not there: %v", err)
	} else {
		conn.Close()
	}
	if err := s.client.Live(t.Context()); err != nil {
		t.Errorf("ready, and the operator's listener does not answer: %v", err)
	}
	m.await(t, s, "WATCHDOG=1")
	m.await(t, s, "WATCHDOG=1")
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.await(t, s, "STOPPING=1")
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	s.quiet(t)
}

func TestAMissingAdapterIsWarnedOfAndKeepsNothingFromStarting(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := newServiceManager(t, s)
	if err := os.Remove(s.path("bin/plugins/csv")); err != nil {
		t.Fatal(err)
	}
	d := s.startAsService(t, nil)
	m.await(t, s, "READY=1")
	s.logged(t, `"msg":"runs that need this adapter will fail","adapter":"csv"`)
	d.stop(t)
}

// TestTheServicesVariablesAndSocketsStayWithTheDaemon looks at the environment
// and the files of every process that the daemon starts for an import.
func TestTheServicesVariablesAndSocketsStayWithTheDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := newServiceManager(t, s)
	socket, address := listening(t)
	s.at(t, address)
	p, _ := s.platform(t, sandbox.Options{PerPage: 2}, nil)
	d := s.startAsService(t, []string{"WATCHDOG_USEC=60000000", "LISTEN_FDNAMES=public"}, socket)
	inode := fileOf(t, d.cmd.Process.Pid, 3)
	m.await(t, s, "READY=1")
	run, err := s.client.StartRun(t.Context(), siteJob)
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, s.ended(t, run.ID), 6, 1, 2, 3)
	if n := len(p.Imports()); n != 1 {
		t.Errorf("%d imports, want 1", n)
	}
	others := 0
	for _, process := range processesIn(s.dir) {
		pid, _, _ := strings.Cut(process, " ")
		if pid == fmt.Sprint(d.cmd.Process.Pid) {
			continue
		}
		others++
		env, err := os.ReadFile(filepath.Join("/proc", pid, "environ"))
		if err != nil {
			continue // It has ended.
		}
		for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_"} {
			if strings.Contains(string(env), name) {
				t.Errorf("%s has %s in its environment", process, name)
			}
		}
		files, _ := filepath.Glob(filepath.Join("/proc", pid, "fd", "*"))
		for _, file := range files {
			if is, _ := os.Readlink(file); is == inode {
				t.Errorf("%s has the public socket", process)
			}
		}
	}
	if others < 3 {
		t.Errorf("%d processes beside the daemon, want a keeper, an adapter and a worker at least", others)
	}
	d.stop(t)
	s.quiet(t)
}

// listening is a socket that the test has opened, and its address.
func listening(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", freeAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket, l.Addr().String()
}

// at changes what public address the site expects, and not what its
// configuration lets it listen on.
func (s *site) at(t *testing.T, address string) {
	t.Helper()
	text, err := os.ReadFile(s.path("rosterd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "rosterd.yaml", strings.Replace(string(text), `"http://`+s.public+`"`, `"http://`+address+`"`, 1))
	s.public = address
}

// fileOf names what an open file of a process is.
func fileOf(t *testing.T, pid, fd int) string {
	t.Helper()
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	if err != nil || !strings.HasPrefix(name, "socket:") {
		t.Fatalf("file %d of the daemon is %q, %v", fd, name, err)
	}
	return name
}

// TestAPassedSocketIsThePublicListener also wants callers to wait, and not to be
// refused, while the daemon is away.
func TestAPassedSocketIsThePublicListener(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := newServiceManager(t, s)
	socket, address := listening(t)
	configured := s.public
	s.at(t, address)
	answers := make(chan error, 1)
	ask := func() {
		res, err := http.Get("http://" + address + "/nothing")
		if err == nil {
			err = res.Body.Close()
		}
		answers <- err
	}
	for range 2 {
		go ask()
		d := s.startAsService(t, []string{"LISTEN_FDNAMES=public"}, socket)
		m.await(t, s, "READY=1")
		if err := <-answers; err != nil {
			t.Errorf("a caller from before the start: %v", err)
		}
		if conn, err := net.Dial("tcp", configured); err == nil {
			conn.Close()
			t.Error("the daemon listens on the configured address beside the passed socket")
		}
		d.stop(t)
	}
}

func TestASocketThatIsNotThePublicListenerIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	newServiceManager(t, s)
	socket, _ := listening(t)
	d := s.startAsService(t, []string{"LISTEN_FDNAMES=admin"}, socket)
	if got := code(d.cmd.Wait()); got != 78 || !strings.Contains(s.tail(), "FileDescriptorName=public") {
		t.Errorf("the daemon ended with %d\n%s", got, s.tail())
	}
}

// TestAFullDiskIsNoReasonToStartAgain fills the disk of the state directory: the
// daemon says so where it is asked, and is alive.
func TestAFullDiskIsNoReasonToStartAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	disk := newDisk(t, s)
	m := newServiceManager(t, s)
	d := s.startAsService(t, []string{"WATCHDOG_USEC=2000000"})
	m.await(t, s, "READY=1")
	disk.fill(t)
	m.await(t, s, "STATUS=1 job, 0 running, 1 problem (rosterd status)")
	m.await(t, s, "WATCHDOG=1")
	m.await(t, s, "WATCHDOG=1")
	disk.room(t)
	m.await(t, s, "STATUS=1 job, 0 running")
	d.stop(t)
}
