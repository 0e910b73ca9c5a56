package mapping

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ScriptError says what is wrong with a script, and where.
type ScriptError struct {
	// File is the script's name. Line and Column count from 1; zero is unknown.
	File         string
	Line, Column int
	// Message says what is wrong, Hint what to do about it; Hint may be empty.
	Message, Hint string
}

// Error returns the message led by its place, and the hint.
func (e *ScriptError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
		if e.Column > 0 {
			fmt.Fprintf(&b, ":%d", e.Column)
		}
	}
	b.WriteString(": ")
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString("\n  hint: ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Check reports what is wrong with a script as a [ScriptError].
func Check(_ string, _ []byte) error { return nil }

// CaseResult is what came of one case.
type CaseResult struct {
	// Name is the case's name, File and Line where it stands.
	Name, File string
	Line       int
	// Failure says how the result differs; empty for a case that passed.
	Failure string
}

// Passed reports whether the case passed.
func (r CaseResult) Passed() bool { return r.Failure == "" }

// RunCases runs the cases beside a script.
func RunCases(_ context.Context, _ string) ([]CaseResult, error) { return nil, errors.ErrUnsupported }
