package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
)

// How long a validation may take that a daemon has asked for, and how long it may
// take to end when it is to.
const (
	validatedTime   = 2 * time.Minute
	validatedEnding = 10 * time.Second
)

// validated returns what `rosterd validate` finds in a configuration. It asks that command itself: a daemon takes over what it calls
// valid, and nothing else. Scripts are loaded and adapters started by the command's
// own process, so that they harm nobody here.
func validated(ctx context.Context, path string) ([]config.Fault, error) {
	ctx, cancel := context.WithTimeout(ctx, validatedTime)
	defer cancel()
	// The kernel ends the child with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var answer bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "validate", "--json", "--config", path)
	cmd.Stdout = &answer
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = validatedEnding
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("validate %s: %w", path, ctx.Err())
	}
	return findingsOfValidate(path, answer.Bytes(), err)
}

// findingsOfValidate reads what the command has printed. Where there are faults it
// ends with an exit code of its own.
func findingsOfValidate(path string, answer []byte, err error) ([]config.Fault, error) {
	var said struct {
		Result *struct {
			Findings []config.Fault `json:"findings"`
		} `json:"result"`
		Error complaintError `json:"error"`
	}
	switch unreadable := json.Unmarshal(answer, &said); {
	case unreadable == nil && said.Result != nil:
		return said.Result.Findings, nil
	case said.Error.Message != "":
		return nil, &roster.Fault{Code: said.Error.Code, Message: said.Error.Message, Hint: said.Error.Hint}
	default:
		return nil, fmt.Errorf("validate %s: %w", path, errors.Join(err, unreadable))
	}
}
