package systemd

import (
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pass puts copies of files at consecutive numbers, as the service manager does,
// and returns the first number.
func pass(t *testing.T, from int, files ...*os.File) int {
	t.Helper()
	for i, file := range files {
		if err := unix.Dup3(int(file.Fd()), from+i, 0); err != nil {
			t.Fatal(err)
		}
	}
	return from
}

func tcp(t *testing.T) *os.File {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func udp(t *testing.T) *os.File {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	file, err := conn.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func passing(pid, count int, names string) func(string) string {
	env := map[string]string{"LISTEN_PID": strconv.Itoa(pid), "LISTEN_FDS": strconv.Itoa(count), "LISTEN_FDNAMES": names}
	return func(name string) string { return env[name] }
}

func TestAPassedSocketListensAndIsNotInherited(t *testing.T) {
	first := pass(t, 200, tcp(t))
	found, err := take(passing(7, 1, "public"), 7, first, []string{"public"})
	if err != nil {
		t.Fatal(err)
	}
	l := found["public"]
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err := unix.FcntlInt(uintptr(first), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
		t.Errorf("the passed file is still open: %v", err)
	}
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("a child inherits the listener: flags %d, %v", flags, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNotKnownIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		files []*os.File
		names string
		want  string
	}{
		"another name":    {[]*os.File{tcp(t)}, "rosterd.socket", "FileDescriptorName=public"},
		"no name":         {[]*os.File{tcp(t)}, "", "FileDescriptorName=public"},
		"the same twice":  {[]*os.File{tcp(t), tcp(t)}, "public:public", "two are called"},
		"too few names":   {[]*os.File{tcp(t), tcp(t)}, "public", "2 sockets have 1 names"},
		"a datagram":      {[]*os.File{udp(t)}, "public", "public"},
		"one of them bad": {[]*os.File{tcp(t), udp(t)}, "public:other", `"other"`},
	} {
		t.Run(name, func(t *testing.T) {
			first := pass(t, 300, c.files...)
			found, err := take(passing(7, len(c.files), c.names), 7, first, []string{"public"})
			if !errors.Is(err, ErrSockets) || !strings.Contains(err.Error(), c.want) || found != nil {
				t.Errorf("got %v, %v; want %s", found, err, c.want)
			}
			for i := range c.files {
				if _, err := unix.FcntlInt(uintptr(first+i), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
					t.Errorf("file %d is still open", i)
				}
			}
		})
	}
}

func TestSocketsOfAnotherProcessAreLeftAlone(t *testing.T) {
	first := pass(t, 400, tcp(t))
	defer unix.Close(first)
	for _, env := range []func(string) string{passing(8, 1, "public"), passing(7, 0, ""), func(string) string { return "" }} {
		if found, err := take(env, 7, first, []string{"public"}); err != nil || len(found) != 0 {
			t.Errorf("got %v, %v", found, err)
		}
	}
	for _, count := range []int{-1, 65} {
		if _, err := take(passing(7, count, "public"), 7, first, nil); !errors.Is(err, ErrSockets) {
			t.Errorf("%d sockets: %v", count, err)
		}
	}
	if _, err := unix.FcntlInt(uintptr(first), unix.F_GETFD, 0); err != nil {
		t.Errorf("the file was closed: %v", err)
	}
	if slices.Contains(os.Environ(), "LISTEN_PID="+strconv.Itoa(os.Getpid())) {
		t.Skip("this test was started with sockets")
	}
	if found, err := Sockets(os.Getenv, os.Getpid(), "public"); err != nil || found != nil {
		t.Errorf("got %v, %v", found, err)
	}
}
