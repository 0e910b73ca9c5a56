package mapping

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// regexFunctions match RE2 patterns, which cannot run wild: the time that one
// takes grows with the text and with the pattern, and both are bounded.
func regexFunctions() []function {
	return []function{
		{"re", "match", "re_match", "s, pattern", "bool", "whether the RE2 pattern is found in s", matchRegex},
		{"re", "find", "re_find", "s, pattern", "text", "the first group of the first match, or the whole match without groups", findRegex},
		{"re", "replace", "re_replace", "s, pattern, to", "text", "every match replaced; $1 is the first group", replaceRegex},
	}
}

const (
	maxRegexBytes = 1 << 10
	// maxRegexSize bounds a pattern with its repetitions written out.
	maxRegexSize = 2000
	// maxRegexWork bounds the product of that size and the text's, to some
	// 0.3 s.
	maxRegexWork = 32 << 20
	// maxRegexes bounds the patterns kept: a script that computes them cannot
	// fill the memory.
	maxRegexes = 64
)

// regex is a compiled pattern and its size.
type regex struct {
	*regexp.Regexp
	size int
}

// regex compiles a pattern once for a state; it is nil for a faulty one.
func (e *engine) regex(pattern string) *regex {
	if compiled, ok := e.regexes[pattern]; ok {
		return compiled
	}
	compiled := compileRegex(pattern)
	if len(e.regexes) < maxRegexes {
		e.regexes[pattern] = compiled
	}
	return compiled
}

func compileRegex(pattern string) *regex {
	if pattern == "" || len(pattern) > maxRegexBytes {
		return nil
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	size := regexSize(parsed)
	if size > maxRegexSize {
		return nil
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil
	}
	return &regex{compiled, size}
}

// regexSize counts the steps of a pattern with its repetitions written out.
func regexSize(re *syntax.Regexp) int {
	size := 1
	if re.Op == syntax.OpLiteral {
		size = len(re.Rune)
	}
	for _, sub := range re.Sub {
		size += regexSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, maxRegexSize+1)
}

// regexArguments returns the text and the pattern, or a fault.
func (e *engine) regexArguments(args []value) (text string, re *regex, fault value) {
	text, ok := argument(args, 0).asText()
	if !ok {
		return "", nil, badArgument(0, "text")
	}
	pattern, ok := argument(args, 1).asText()
	if !ok {
		return "", nil, badArgument(1, "text")
	}
	if re = e.regex(pattern); re == nil {
		return "", nil, badArgument(1, "RE2 pattern of a usable size")
	}
	if len(text)*re.size > maxRegexWork {
		return "", nil, badArgument(0, "text short enough for the pattern")
	}
	return text, re, value{}
}

func matchRegex(e *engine, args []value) value {
	text, re, fault := e.regexArguments(args)
	if fault.kind == kindFault {
		return fault
	}
	return boolValue(!argument(args, 0).isNone() && re.MatchString(text))
}

func findRegex(e *engine, args []value) value {
	text, re, fault := e.regexArguments(args)
	if fault.kind == kindFault || text == "" {
		return fault
	}
	found := re.FindStringSubmatchIndex(text)
	if len(found) > 2 {
		found = found[2:]
	}
	if len(found) == 0 || found[0] < 0 {
		return value{}
	}
	return textValue(text[found[0]:found[1]])
}

func replaceRegex(e *engine, args []value) value {
	text, re, fault := e.regexArguments(args)
	if fault.kind == kindFault || text == "" {
		return fault
	}
	to, ok := argument(args, 2).asText()
	if !ok {
		return badArgument(2, "text")
	}
	var b []byte
	last := 0
	for _, match := range re.FindAllStringSubmatchIndex(text, -1) {
		b = append(b, text[last:match[0]]...)
		b = re.ExpandString(b, to, text, match)
		last = match[1]
		if len(b) > maxTextBytes {
			return badArgument(0, "text short enough: the result would have more than 1 MiB")
		}
	}
	if last == 0 && b == nil {
		return textValue(text)
	}
	return textValue(strings.ToValidUTF8(string(append(b, text[last:]...)), ""))
}
