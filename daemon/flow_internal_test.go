package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
)

func TestAScriptThatCannotGoOnIsAFaultOfTheRun(t *testing.T) {
	t.Parallel()
	err := scriptFault(fmt.Errorf("map a page: %w", &mapping.ScriptError{File: "members.lua", Line: 3, Message: "it does not end"}))
	fault, ok := errors.AsType[*roster.Fault](err)
	if !ok || fault.Code != "mapping.script" || !strings.HasPrefix(fault.Message, "members.lua:3: it does not end") || fault.Hint == "" {
		t.Errorf("%#v, want a fault with the code mapping.script, the script's place and a hint", err)
	}
	other := errors.New("no worker")
	if got := scriptFault(other); !errors.Is(got, other) || scriptFault(nil) != nil {
		t.Errorf("%v, want other errors to stay what they are", got)
	}
}
