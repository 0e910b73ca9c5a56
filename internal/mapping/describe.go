package mapping

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// describe returns an error of a script in words that hold no value of a
// record, and the line where it is known.
//
// The engine's own messages name types and, in quotes, keys; a script's own
// may hold anything. A text in quotes is kept where it stands literally in the
// script, and so is a whole message; everything else is left out.
func (e *engine) describe(err error) (string, int) {
	file, line, text := e.locate(err)
	if file == e.script {
		return text, line
	}
	text = "in " + place(file, line) + text
	line = 0
	if fault, ok := errors.AsType[*lua.ApiError](err); ok {
		line = traceLine(fault.StackTrace, e.script)
	}
	return text, line
}

// locate is describe with the file, which may be a module's.
func (e *engine) locate(err error) (file string, line int, text string) {
	fault, ok := errors.AsType[*lua.ApiError](err)
	if !ok {
		return e.script, 0, "the script failed"
	}
	message, ok := fault.Object.(lua.LString)
	if !ok {
		return e.script, traceLine(fault.StackTrace, e.script), "the script raised an error that is no text"
	}
	for _, m := range e.modules {
		if text, line := cutPlace(string(message), m.name); line > 0 {
			return m.name, line, e.shownText(text)
		}
	}
	text, line = cutPlace(string(message), e.script)
	if line == 0 {
		line = traceLine(fault.StackTrace, e.script)
	}
	return e.script, line, e.shownText(text)
}

// shownText is what of an error's text can hold no value of a record.
func (e *engine) shownText(text string) string {
	if _, literal := e.literals[text]; literal {
		return text
	}
	if e.messages == nil {
		e.messages = engineMessages()
	}
	for _, known := range e.messages {
		if match := known.pattern.FindStringSubmatch(text); match != nil {
			return e.rewrite(known.text, match)
		}
	}
	return "the script raised an error whose text is not shown, because it may hold values of the record"
}

// engineMessage is the form of a message of the engine. In text, $n is what
// group n matched, and 'n is the same where it stands in the script.
type engineMessage struct {
	pattern *regexp.Regexp
	text    string
}

func engineMessages() []engineMessage {
	forms := []struct{ pattern, text string }{
		{`^attempt to index a non-table object\((\w+)\) with key '((?s:.*))'$`, "attempt to index a $1 value (field '2)"},
		{`^attempt to call a non-function object$`, "attempt to call something that is not a function"},
		{`^attempt to compare (\w+) with (\w+)$`, "attempt to compare $1 with $2"},
		{`^cannot perform (\w+) operation between (\w+) and (\w+)$`, "cannot perform $1 operation between $2 and $3"},
		{`^(stack|registry) overflow`, "$1 overflow: the script recurses too deep or handles too many values at once"},
		{`^too many recursions in (\w+)$`, "too many recursions in $1"},
		{`^for statement (\w+) must be a number$`, "for statement $1 must be a number"},
		{`^table index is (NaN|nil)$`, "table index is $1"},
		{`^__(unm|len) undefined$`, "$1 of something that is neither text, number nor table"},
		{`^invalid value \((\w+)\) at index (\d+) in table for concat$`, "invalid value ($1) at index $2 in table for concat"},
		{`^bad argument #(\d+) to ([\w.() ]+) \(([\w ,.:;-]+)\)$`, "bad argument #$1 to $2 ($3)"},
		{`^bad argument #(\d+) to ([\w.() ]+) \(([\w ,.:;-]+)'(.*)'\)$`, "bad argument #$1 to $2 ($3'4)"},
		{`^(malformed pattern|unfinished capture|invalid capture index|pattern/input too complex|wrong number of arguments|` +
			`cannot change a protected metatable|unexpected EOS|assertion failed!|the record is read-only|the context is read-only|the module is read-only|` +
			`the library is read-only|the text would be longer than 1 MiB)`, "$1"},
		{`^(string\.\w+)` + regexp.QuoteMeta(tooManySteps) + `$`, "$1" + tooManySteps},
		{`^(string\.\w+)` + regexp.QuoteMeta(tooManyRecordSteps) + `$`, "$1" + tooManyRecordSteps},
		{`^(invalid pattern capture|too many captures|unbalanced pattern|missing '\[' after '%f' in pattern|the pattern is longer than 4 KiB)$`, "$1"},
		{`^invalid replacement value \(a (\w+)\)$`, "invalid replacement value (a $1)"},
		{`^(\S+): ((?:the \w+|one) argument is no [\w: ]+|a value in a calculation is no number|` +
			`a calculation has no finite result|a value that is joined with \.\. is no text)$`, "$1: $2"},
		{`^(fields are compared with :lt\(\), :le\(\), :gt\(\) and :ge\(\)|a field has no method \w*; it has [\w, ]+|` +
			`\S+ belongs to a plan: .*|the condition of when is decided .*|a rule of the mapping is written .*|` +
			`a \w+ cannot stand in a plan; .*|a key of the mapping is a \w+; .*|a target field has an empty, overlong .*|` +
			`the mapping has more than 256 fields)$`, "$1"},
		{`context (deadline exceeded|canceled)`, "the script took too long"},
	}
	messages := make([]engineMessage, 0, len(forms))
	for _, form := range forms {
		messages = append(messages, engineMessage{regexp.MustCompile(form.pattern), form.text})
	}
	return messages
}

// rewrite fills in a message.
func (e *engine) rewrite(text string, match []string) string {
	for i := len(match) - 1; i > 0; i-- {
		n := strconv.Itoa(i)
		quoted := "…"
		if _, literal := e.literals[match[i]]; literal {
			quoted = match[i]
		}
		text = strings.ReplaceAll(text, "'"+n, "'"+quoted+"'")
		text = strings.ReplaceAll(text, "$"+n, match[i])
	}
	return text
}

// cutPlace splits "script:12: text".
func cutPlace(message, script string) (string, int) {
	rest, ok := strings.CutPrefix(message, script+":")
	if !ok {
		return strings.TrimSpace(message), 0
	}
	number, text, ok := strings.Cut(rest, ":")
	line, err := strconv.Atoi(number)
	if !ok || err != nil {
		return message, 0
	}
	return strings.TrimSpace(text), line
}

// traceLine returns the line of the innermost place of the script in a stack
// trace.
func traceLine(trace, script string) int {
	for entry := range strings.Lines(trace) {
		if _, line := cutPlace(strings.TrimSpace(entry), script); line > 0 {
			return line
		}
	}
	return 0
}

// place leads a reason with the script's name and line.
func place(script string, line int) string {
	if line == 0 {
		return script + ": "
	}
	return script + ":" + strconv.Itoa(line) + ": "
}
