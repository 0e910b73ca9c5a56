package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// sitting is a person at a terminal, with what the screen has shown so far.
type sitting struct {
	master *os.File
	mu     sync.Mutex
	shown  []byte
	// seen is how much of it was waited for.
	seen int
}

// openTerminal makes a pseudo-terminal: the end of the person and that of a program.
func openTerminal() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, master.Close())
	}
	return master, slave, nil
}

// watch keeps what the screen shows until the program has closed it.
func (s *sitting) watch() {
	buf := make([]byte, 4096)
	for {
		n, err := s.master.Read(buf)
		s.mu.Lock()
		s.shown = append(s.shown, buf[:n]...)
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// sees reports whether the screen shows something that was not waited for yet.
func (s *sitting) sees(pattern *regexp.Regexp) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := pattern.FindIndex(s.shown[s.seen:])
	if at == nil {
		return false
	}
	s.seen += at[1]
	return true
}

func (s *sitting) screen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.ReplaceAll(string(s.shown), "\r\n", "\n")
}

// converse runs a command at a terminal. Of the file a line "< PATTERN" waits until
// the screen shows that, "> TEXT" types a line, and "^ C" the key Ctrl with C. What
// the screen has shown is the output of the command.
func converse(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: converse CODE FILE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	master, slave, err := openTerminal()
	ts.Check(err)
	cmd := exec.Command(filepath.Join(binaries, args[2]), args[3:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), environment(ts)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(cmd.Start())
	ts.Check(slave.Close())
	s, watched := &sitting{master: master}, make(chan struct{})
	go func() { defer close(watched); s.watch() }()
	problem := s.play(os.Expand(ts.ReadFile(args[1]), ts.Getenv))
	if problem != "" {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
	}
	got := code(cmd.Wait())
	<-watched // the program has closed its end
	ts.Check(master.Close())
	_, err = ts.Stdout().Write([]byte(s.screen()))
	ts.Check(err)
	if problem != "" || got != want {
		fail(ts, "%s\nexit code %d, want %d; the screen:\n%s", problem, got, want, s.screen())
	}
}

// play says what is wrong with the dialogue.
func (s *sitting) play(dialogue string) (problem string) {
	for line := range strings.Lines(dialogue) {
		what, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch what {
		case "<":
			pattern := regexp.MustCompile(text)
			if !poll(func() bool { return s.sees(pattern) }) {
				return "the screen never shows " + strconv.Quote(text)
			}
		case ">", "^":
			if what == ">" {
				text += "\n"
			} else {
				text = string(text[0] & 0x1f)
			}
			if _, err := s.master.WriteString(text); err != nil {
				return err.Error()
			}
		}
	}
	return ""
}
