package adapters_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/serve"
)

// hostEnv makes the test binary a host that opens one connection, prints the
// process ids of its adapter and waits to be killed.
const (
	hostEnv = "ROSTERD_TEST_HOST"
	modeEnv = "ROSTERD_TEST_MODE"
)

// TestMain lets the test binary be the adapters that the tests start: under
// which name it was started says which.
func TestMain(m *testing.M) {
	key, value := wire.Cookie()
	switch {
	case len(os.Args) > 1 && os.Args[1] == adapters.KeeperCommand:
		os.Exit(adapters.Keep())
	case os.Getenv(key) == value:
		beAdapter(filepath.Base(os.Args[0]))
	case os.Getenv(hostEnv) != "":
		beHost(os.Getenv(hostEnv))
	default:
		goleak.VerifyTestMain(m)
	}
}

func beAdapter(name string) {
	if name == "other-protocol" || name == "outside" || name == "deaf" || name == "boundless" {
		// These stand for programs that were not built with serve.Main.
		os.Stdout = os.NewFile(1, "stdout")
	}
	service := wire.NewServer(fake(name), slog.New(slog.DiscardHandler))
	switch name {
	case "other-protocol":
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig:  wire.Handshake(),
			VersionedPlugins: map[int]plugin.PluginSet{7: wire.Versions(service)[wire.ProtocolVersion]},
			GRPCServer:       wire.NewGRPCServer,
		})
	case "outside":
		fmt.Printf("1|1|unix|/tmp/elsewhere|grpc|%s\n", strings.Repeat("A", 100))
		time.Sleep(time.Minute)
	case "silent":
		time.Sleep(time.Minute)
	case "early":
		fmt.Fprintln(os.Stderr, "panic: no such luck")
		os.Exit(3)
	case "noise":
		fmt.Println("starting up")
		fmt.Fprintln(os.NewFile(1, "raw"), "not through os.Stdout")
		serve.Main(fake(name))
	case "boundless":
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig:  wire.Handshake(),
			VersionedPlugins: wire.Versions(service),
			GRPCServer:       plugin.DefaultGRPCServer,
		})
	case "deaf":
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig:  wire.Handshake(),
			VersionedPlugins: wire.Versions(service),
			GRPCServer:       wire.NewGRPCServer,
		})
		select {}
	case "misnamed":
		serve.Main(fake("another"))
	default:
		serve.Main(fake(name))
	}
}

func beHost(dir string) {
	h, err := adapters.NewHost(adapters.Options{Dir: dir, RuntimeDir: filepath.Join(dir, "run")})
	if err != nil {
		panic(err)
	}
	c, err := h.Open(context.Background(), connection("fake", os.Getenv(modeEnv)))
	if err != nil {
		panic(err)
	}
	fmt.Println(strings.Join(valuesOf(c), " "))
	select {}
}

// fakeSchema has a file that the fake writes and a path that it reads.
const fakeSchema = `{"type": "object", "properties": {
	"file": {"type": "string", "format": "path", "x-access": "write"},
	"path": {"type": "string", "format": "path"}
}}`

type settings struct {
	Mode string `json:"mode"`
	File string `json:"file"`
	Path string `json:"path"`
	Try  string `json:"try"`
	URL  string `json:"url"`
	// After is in microseconds.
	After int `json:"after"`
}

func fake(name string) sdk.Adapter {
	return sdk.Adapter{
		Name: name, Version: "1.2.3", Description: "A fake.", Settings: json.RawMessage(fakeSchema),
		Kinds: []sdk.KindInfo{{Kind: sdk.KindMember, Cursor: sdk.CursorWalk}},
		Opener: sdk.Open(func(_ context.Context, c sdk.Connection) (*fakeConn, error) {
			f := &fakeConn{conn: c, log: c.Logger}
			f.bench = sync.OnceValues(func() (*sdk.Page, error) { return benchPage(benchRows) })
			if err := json.Unmarshal(c.Settings, &f.set); err != nil {
				return nil, sdk.Fail(sdk.CodeConfig, err)
			}
			if f.set.Mode == "bad settings" {
				return nil, sdk.Fail(sdk.CodeConfig, errors.New("settings.path is missing"))
			}
			return f, nil
		}),
	}
}

type fakeConn struct {
	set   settings
	conn  sdk.Connection
	log   *slog.Logger
	bench func() (*sdk.Page, error)
}

func (f *fakeConn) Abilities() []sdk.Ability {
	if f.set.Mode == "checker only" {
		return []sdk.Ability{sdk.AbilityChecker}
	}
	return []sdk.Ability{
		sdk.AbilitySource, sdk.AbilityImportStarter, sdk.AbilityOutcomeSubscriber, sdk.AbilityChecker, sdk.AbilityTarget,
		sdk.AbilityFinder, sdk.AbilityGetter, sdk.AbilityStaffLister, sdk.AbilityStaffFinder, sdk.AbilityLeadSourceLister,
		sdk.AbilityClubLister,
	}
}

func (f *fakeConn) Close() error {
	if f.set.File == "" {
		return nil
	}
	return os.WriteFile(f.set.File, []byte("closed"), 0o600)
}

func (f *fakeConn) Check(context.Context) error { return nil }

func (f *fakeConn) ImportIdentity(context.Context) (sdk.ImportIdentity, error) {
	return sdk.ImportIdentity{BusinessUID: "b1"}, nil
}

func (f *fakeConn) StartImport(context.Context, sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	if f.set.Mode == "crash" {
		os.Exit(9)
	}
	return sdk.StartImportResponse{Outcome: sdk.OutcomeOK, SessionID: "s1"}, nil
}

func (f *fakeConn) Read(ctx context.Context, _ sdk.ReadRequest) (*sdk.Page, error) {
	pid := strconv.Itoa(os.Getpid())
	switch f.set.Mode {
	case "crash":
		os.Exit(9)
	case "crash once":
		if err := os.Mkdir(f.set.File, 0o700); err == nil {
			os.Exit(9)
		}
	case "panic":
		panic("with personal data")
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "stopped":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		<-ctx.Done()
	case "retry":
		return nil, &sdk.Error{Class: sdk.ClassRetry, Code: sdk.CodeChanged, After: time.Minute, Err: errors.New("later")}
	case "log":
		fmt.Println("printed by the author")
		f.log.Warn("a warning", "count", 3, "who", "nobody")
	case "environment":
		return onePage(os.Environ()...)
	case "pids":
		child := exec.Command("/bin/sleep", "60")
		if err := child.Start(); err != nil {
			return nil, err
		}
		return onePage(pid, strconv.Itoa(child.Process.Pid))
	case "strays":
		return f.strays(pid)
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "crash under way":
		go func() { time.Sleep(time.Duration(f.set.After) * time.Microsecond); os.Exit(9) }()
		return largePage(sdk.MaxPageBytes / 2)
	case "oversize":
		return largePage(2 * wire.MaxMessageBytes)
	case "flood":
		line := []byte(strings.Repeat("x", 1<<10) + "\n")
		for range 8 << 10 {
			if _, err := os.Stderr.Write(line); err != nil {
				return nil, err
			}
		}
	case "limits":
		return limits()
	case "slow":
		time.Sleep(300 * time.Millisecond)
	case "open path":
		if _, err := os.ReadFile(f.set.Path); err != nil {
			return nil, sdk.Fail(sdk.CodeConfig, err)
		}
	case "touch":
		return f.touch()
	case "bench":
		return f.bench()
	}
	return onePage(pid)
}

func onePage(values ...string) (*sdk.Page, error) {
	b := sdk.NewPageBuilder(sdk.KindMember, []string{"value"})
	for i, v := range values {
		b.Add(strconv.Itoa(i+1), "", "")
		b.String(v)
	}
	return b.Page(nil, true)
}

func connection(adapter, mode string) roster.Connection {
	return roster.Connection{
		Ref: "acme/" + adapter, Adapter: adapter,
		Settings: roster.NewSecret(fmt.Sprintf(`{"mode":%q}`, mode)),
	}
}

// valuesOf reads the one column of the fake adapter's page.
func valuesOf(src sdk.Source) []string {
	page, err := src.Read(context.Background(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 1000})
	if err != nil {
		panic(err)
	}
	out := make([]string, page.Rows)
	for i := range out {
		out[i] = string(page.Row(i).Cell(0).Bytes())
	}
	return out
}

// strays starts a child, a child in a session of its own, and one whose parent
// has ended, and answers with the ids of all.
func (f *fakeConn) strays(pid string) (*sdk.Page, error) {
	own := exec.Command("/bin/sleep", "60")
	own.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := own.Start(); err != nil {
		return nil, err
	}
	orphan, err := exec.Command("/bin/sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		return nil, err
	}
	return onePage(pid, strconv.Itoa(own.Process.Pid), strings.TrimSpace(string(orphan)))
}

// largePage is a page of so many bytes. One that is too large is in no form
// that the SDK would make.
func largePage(bytes int) (*sdk.Page, error) {
	if bytes > sdk.MaxPageBytes {
		page, err := onePage("x")
		page.Cells = make([]byte, bytes)
		return page, err
	}
	return onePage(strings.Repeat("x", bytes))
}

// limits tells what the process was given.
func limits() (*sdk.Page, error) {
	var core, files unix.Rlimit
	if err := errors.Join(unix.Getrlimit(unix.RLIMIT_CORE, &core), unix.Getrlimit(unix.RLIMIT_NOFILE, &files)); err != nil {
		return nil, err
	}
	privileges, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil {
		return nil, err
	}
	open := ""
	for fd := 3; fd < 5; fd++ {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK && st.Mode&unix.S_IFMT != 0 {
			open += strconv.Itoa(fd) + " "
		}
	}
	return onePage(fmt.Sprintf("core=%d", core.Max), fmt.Sprintf("files=%d", files.Max),
		fmt.Sprintf("no_new_privs=%d", privileges), "open="+open)
}

// touch tries what the settings name: each path of a line is read, a folder or
// a file, and written to with a leading >. It answers with what came of it.
func (f *fakeConn) touch() (*sdk.Page, error) {
	var out []string
	for path := range strings.SplitSeq(f.set.Try, "\n") {
		var err error
		if name, write := strings.CutPrefix(path, ">"); write {
			err = os.WriteFile(name, []byte("x"), 0o600)
		} else if st, serr := os.Stat(path); serr == nil && st.IsDir() {
			_, err = os.ReadDir(path)
		} else {
			_, err = os.ReadFile(path)
		}
		switch {
		case err == nil:
			out = append(out, "ok "+path)
		case errors.Is(err, os.ErrPermission):
			out = append(out, "denied "+path)
		default:
			out = append(out, err.Error())
		}
	}
	return onePage(out...)
}
