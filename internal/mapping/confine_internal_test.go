package mapping

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ProbeArg makes the test binary a program that says what it can reach.
const ProbeArg = "map-probe"

// Probe tries to read a file, to make one beside it, to remove it and to dial
// an address, and says what worked.
func Probe(args []string) {
	file, address := args[0], args[1]
	if _, err := os.ReadFile(file); err == nil {
		fmt.Println("read")
	}
	if err := os.WriteFile(file+".new", nil, 0o600); err == nil {
		fmt.Println("made")
	}
	if err := os.Remove(file); err == nil {
		fmt.Println("removed")
	}
	if err := os.Truncate(file, 0); err == nil {
		fmt.Println("emptied")
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		fmt.Println("dialled")
		_ = conn.Close()
	}
	if err := exec.Command("/bin/true").Run(); err == nil {
		fmt.Println("started")
	}
	if err := unix.Kill(os.Getppid(), 0); err == nil {
		fmt.Println("signalled")
	}
	fmt.Println("done")
}

// The limits that a worker sets on itself keep it from opening anything. This
// is the other wall, which holds from its first instruction on.
func TestWhatTheLauncherStartsReachesNoFileAndNoNetwork(t *testing.T) {
	t.Parallel()
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		t.Skip("NOT TESTED: this kernel has no Landlock")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := newLauncher("/proc/self/exe")
	defer l.close()
	var out, complaint strings.Builder
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", ProbeArg, file, listener.Addr().String())
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = strings.NewReader(""), &out, &complaint, []string{}
	if err := l.start(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err, complaint.String())
	}
	allowed := map[string]bool{"done": true, "dialled": version < 4, "emptied": version < 3, "signalled": version < 6}
	for word := range strings.FieldsSeq(out.String()) {
		if !allowed[word] {
			t.Errorf("a program that the launcher started %s what it must not", word)
		}
	}
	if !strings.Contains(out.String(), "done") {
		t.Errorf("it did not come to its end: %s", complaint.String())
	}
}

func TestAWorkerThatCannotBeConfinedIsNotStarted(t *testing.T) {
	t.Parallel()
	l := newLauncher("\x00")
	defer l.close()
	if err := l.start(t.Context(), exec.Command("/bin/true")); !errors.Is(err, unix.EINVAL) {
		t.Errorf("%v, want a refusal", err)
	}
}
