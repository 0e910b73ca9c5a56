package mapping

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	// MaxScriptBytes bounds a script's source.
	MaxScriptBytes = 64 << 10
	// maxNesting bounds how deep a script's blocks and brackets nest: the
	// engine's parser recurses, and its stack is the process's.
	maxNesting = 200
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

// Check loads a script as a run would and reports what is wrong with it as a
// [ScriptError]: a syntax error, an assignment to an undeclared global, the
// use of an unknown one, an error at the top level, a missing function `map`.
// It runs the script's top level inside the calling process, for a second at
// most; [Pool.Load] does the same in a worker.
func Check(name string, source []byte) error {
	return CheckScript(Script{Name: name, Source: source})
}

// CheckScript is [Check] for a script with its modules, as [ReadScript] returns
// it.
func CheckScript(script Script) error {
	e, err := newEngine(context.Background(), script, Context{}, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		return err
	}
	e.close()
	return nil
}

// compile turns a script into byte code.
func compile(script Script) (proto *lua.FunctionProto, err error) {
	chunk, err := parseScript(script)
	if err != nil {
		return nil, err
	}
	defer recoverParser(script.Name, &err)
	proto, err = lua.Compile(chunk, script.Name)
	if err != nil {
		return nil, compileError(script.Name, chunk, err)
	}
	return proto, nil
}

// parseScript reads a script's statements.
func parseScript(script Script) (chunk []ast.Stmt, err error) {
	if err := checkSource(script); err != nil {
		return nil, err
	}
	defer recoverParser(script.Name, &err)
	chunk, err = parse.Parse(bytes.NewReader(script.Source), script.Name)
	if err != nil {
		return nil, syntaxError(script, err)
	}
	return chunk, nil
}

// recoverParser is deferred: the engine's parser and its compiler panic on some
// malformed sources.
func recoverParser(name string, err *error) {
	if recover() != nil {
		*err = &ScriptError{File: name, Message: "the script cannot be parsed"}
	}
}

func checkSource(script Script) error {
	if len(script.Source) > MaxScriptBytes {
		return &ScriptError{
			File: script.Name, Message: fmt.Sprintf("the script has %d bytes, at most %d are allowed", len(script.Source), MaxScriptBytes),
			Hint: "keep large tables in a CSV file and look into it with `lookup(\"table.csv\", key)`",
		}
	}
	if line := tooDeep(script.Source); line > 0 {
		return &ScriptError{
			File: script.Name, Line: line, Message: fmt.Sprintf("blocks or brackets nest deeper than %d levels", maxNesting),
			Hint: "split the expression into local variables or functions",
		}
	}
	return nil
}

func syntaxError(script Script, err error) error {
	fault := &ScriptError{File: script.Name, Message: "syntax error"}
	parseErr, ok := errors.AsType[*parse.Error](err)
	if !ok {
		return fault
	}
	if parseErr.Pos.Line == parse.EOF {
		fault.Message = "syntax error: the script ends in the middle of a statement"
		fault.Hint = "an `end`, a bracket or a quote is missing"
		return fault
	}
	if parseErr.Message == "unterminated string" && parseErr.Pos.Column == 0 {
		// The parser has met the end of the line.
		fault.Line = parseErr.Pos.Line - 1
		before, _, _ := bytes.Cut(lineOf(script.Source, fault.Line), []byte(parseErr.Token))
		fault.Column = max(utf8.RuneCount(before), 1)
		fault.Message, fault.Hint = "a text is not closed", "write the closing quote in the same line"
		return fault
	}
	fault.Line, fault.Column = parseErr.Pos.Line, tokenColumn(script.Source, parseErr)
	token, written := parseErr.Token, lineOf(script.Source, fault.Line)
	signs := []rune(string(written))
	if at := fault.Column - 1; token == "" && at >= 0 && at < len(signs) {
		// The parser leaves out the token where it is a single sign.
		token = string(signs[at])
	}
	fault.Message = fmt.Sprintf("syntax error near %q", token)
	fault.Hint = syntaxHint(token)
	if regexp.MustCompile(`^\s*\w+:\s|[{,]\s*\w+:\s`).Match(written) {
		fault.Hint = syntaxHint(":")
	}
	return fault
}

// tokenColumn returns where the token of a syntax error begins, in characters.
// The engine's parser counts bytes, to the token's end.
func tokenColumn(source []byte, err *parse.Error) int {
	line := lineOf(source, err.Pos.Line)
	end := min(err.Pos.Column, len(line))
	begin := end - 1
	if at := end - len(err.Token); at >= 0 && err.Token != "" && string(line[at:end]) == err.Token {
		begin = at
	}
	return utf8.RuneCount(line[:max(begin, 0)]) + 1
}

// syntaxHint names what people who come from other languages write here.
func syntaxHint(token string) string {
	switch token {
	case "!", "!=":
		return "Lua writes `not x` and `x ~= y`"
	case "&", "&&", "|", "||":
		return "Lua writes `and` and `or`"
	case "+=", "++":
		return "Lua writes `x = x + 1`"
	case "=":
		return "a comparison is written `==`"
	case ":":
		return "a field is written `name = value`, and a method with brackets: `source.first:title()`"
	}
	return "look at this place and just before it: a comma, `then`, `end` or a bracket may be missing"
}

func compileError(name string, _ []ast.Stmt, err error) error {
	fault := &ScriptError{File: name, Message: "the script cannot be compiled"}
	if compileErr, ok := errors.AsType[*lua.CompileError](err); ok {
		fault.Line, fault.Message = compileErr.Line, compileErr.Message
	}
	return fault
}

// tooDeep returns the line at which blocks and brackets nest too deep, or zero.
// It knows strings and comments but not the grammar: an unbalanced script is
// the parser's matter.
func tooDeep(source []byte) int {
	s := scanner{src: source, line: 1}
	depth := 0
	for {
		token, ok := s.next()
		if !ok {
			return 0
		}
		switch token {
		case "(", "{", "[", "function", "if", "do", "repeat":
			depth++
		case ")", "}", "]", "end", "until":
			depth--
		}
		if depth > maxNesting {
			return s.line
		}
	}
}
