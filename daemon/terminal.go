package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/rosterd/rosterd/internal/turnup"
)

// screen is the terminal that a command runs at.
type screen struct {
	in  *os.File
	out io.Writer
	// ahead is what was read behind the end of a line.
	ahead []byte
}

// terminal is where a person can be asked: standard input and output are one, and
// no program reads the output.
func (c *cli) terminal() (turnup.Terminal, bool) {
	in, ok1 := c.stdin.(*os.File)
	out, ok2 := c.stdout.(*os.File)
	if !ok1 || !ok2 || c.json || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return nil, false
	}
	if c.screen == nil {
		c.screen = &screen{in: in, out: out}
	}
	return c.screen, true
}

// Say shows a line.
func (s *screen) Say(line string) { fmt.Fprintln(s.out, line) }

// Line asks for a line.
func (s *screen) Line(ctx context.Context, prompt string) (string, error) {
	fmt.Fprint(s.out, prompt)
	line, err := s.read(ctx)
	return strings.TrimSpace(line), err
}

// Secret asks for a line that is not shown. What the terminal did before is put back
// also when the command is interrupted.
func (s *screen) Secret(ctx context.Context, prompt string) (_ string, err error) {
	fd := int(s.in.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", fmt.Errorf("keep the terminal from showing a secret: %w", err)
	}
	quiet := *before
	quiet.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return "", fmt.Errorf("keep the terminal from showing a secret: %w", err)
	}
	defer func() {
		fmt.Fprintln(s.out) // the person's own line break is not shown either
		err = errors.Join(err, unix.IoctlSetTermios(fd, unix.TCSETS, before))
	}()
	fmt.Fprint(s.out, prompt)
	return s.read(ctx)
}

var errNoAnswer = errors.New("the input has ended before all was answered, and nothing was written")

// lookAgain is how long a read waits, in milliseconds, before it looks whether the
// command was interrupted.
const lookAgain = 100

// read reads a line. The terminal hands over whole lines, so that a wait for one can
// be given up.
func (s *screen) read(ctx context.Context) (string, error) {
	for {
		if line, rest, ok := bytes.Cut(s.ahead, []byte("\n")); ok {
			s.ahead = rest
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		if err := ctx.Err(); err != nil {
			return "", turnup.ErrStopped
		}
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(s.in.Fd()), Events: unix.POLLIN}}, lookAgain) //nolint:gosec // a descriptor is small
		if errors.Is(err, unix.EINTR) || err == nil && ready == 0 {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("read from the terminal: %w", err)
		}
		buf := make([]byte, 8<<10)
		n, err := s.in.Read(buf)
		s.ahead = append(s.ahead, buf[:n]...)
		if n == 0 || errors.Is(err, io.EOF) {
			return "", errNoAnswer
		}
		if err != nil {
			return "", fmt.Errorf("read from the terminal: %w", err)
		}
	}
}
