package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/internal/store/bolt"
)

// stateVerifyName is the hidden command that verifies a database.
const stateVerifyName = "state-verify"

// verifyStack bounds what a page that leads back to itself can make of the
// verifying process.
const verifyStack = 32 << 20

func (c *cli) stateVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: stateVerifyName + " PATH", Hidden: true, Args: exactly("PATH"),
		Short: "Verify a database that no daemon uses; started by the daemon",
		RunE: func(_ *cobra.Command, args []string) error {
			debug.SetMaxStack(verifyStack)
			return store.Explain(bolt.Verify(args[0]))
		},
	}
}

// A verification reads some 500 MB a second; one that takes longer than a poor
// disk needs goes round in circles.
const (
	verifyLeast      = time.Minute
	verifyBytesASec  = 5 << 20
	verifyAnswerSize = 64 << 10
)

// verifyState verifies a database in a process of its own, because a damaged
// page may end the process that reads it.
func verifyState(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("verify the database: %w", err)
	}
	limit := verifyLeast + time.Duration(info.Size()/verifyBytesASec)*time.Second
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// The kernel ends the child with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var answer bytes.Buffer
	cmd := exec.CommandContext(bounded, "/proc/self/exe", stateVerifyName, "--json", path)
	cmd.Env, cmd.Stdout = []string{}, &answer
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	switch exit, ended := errors.AsType[*exec.ExitError](err); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("verify %s: %w", path, ctx.Err())
	case bounded.Err() != nil:
		return store.Explain(fmt.Errorf("verify %s: %w: it could not be read in %s", path, store.ErrDamaged, limit))
	case !ended:
		return fmt.Errorf("verify %s: %w", path, err)
	default:
		return verdict(path, exit, answer.Bytes())
	}
}

// verdict reads what the child has said. One that says nothing has met damage
// that ended it.
func verdict(path string, exit *exec.ExitError, answer []byte) error {
	var said complaint
	if len(answer) > verifyAnswerSize || json.Unmarshal(answer, &said) != nil || said.Error.Message == "" {
		return store.Explain(fmt.Errorf("verify %s: %w: reading it ended the process that read it: %w", path, store.ErrDamaged, exit))
	}
	fault := &roster.Fault{Code: said.Error.Code, Message: said.Error.Message, Hint: said.Error.Hint}
	if fault.Code == store.CodeDamaged {
		return fmt.Errorf("%w: %w", store.ErrDamaged, fault)
	}
	return fault
}

// stateProblems tells what is wrong with the state directory at this moment.
func stateProblems(dir string) []admin.Finding {
	f, ok := errors.AsType[*roster.Fault](store.CheckRoom(dir))
	if !ok {
		return nil
	}
	return []admin.Finding{{Code: f.Code, Message: f.Message, Hint: f.Hint}}
}
