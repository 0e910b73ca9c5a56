package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

const (
	// mask stands for hidden text in an excerpt.
	mask = '*'
	// maxExcerpt bounds the characters of a line that an excerpt shows.
	maxExcerpt = 100
)

// fault makes a finding at a node. A nil node means the file as a whole.
func (s *source) fault(n *yaml.Node, code Code, message, hint string) Fault {
	f := Fault{Severity: SeverityError, Code: code, File: s.name, Message: message, Hint: hint}
	if n == nil {
		return f
	}
	f.Line, f.Column = n.Line, n.Column
	return f
}

// show fills in the excerpt of a fault. It is called when every secret of the
// file is known, so that none is shown.
func (s *source) show(f Fault) Fault {
	if f.Excerpt != "" || f.Line < 1 || f.Line > len(s.lines) || s.root == nil {
		return f
	}
	line := []rune(s.lines[f.Line-1])
	width := tokenWidth(line, f.Column)
	s.maskLine(line, f.Line)
	f.Excerpt = excerpt(maskUserinfo(string(line)), f.Line, f.Column, width)
	return f
}

// maskLine covers what hidden nodes have on a line. A node reaches up to where
// the next one starts, because nothing says where it ends.
func (s *source) maskLine(line []rune, number int) {
	for i, n := range s.nodes {
		if !s.hidden[n] || n.Line > number {
			continue
		}
		from, to := 0, len(line)
		if n.Line == number {
			from = n.Column - 1
		}
		if i+1 < len(s.nodes) {
			next := s.nodes[i+1]
			if next.Line < number {
				continue
			}
			if next.Line == number {
				to = next.Column - 1
			}
		}
		for at := max(from, 0); at < min(to, len(line)); at++ {
			if !strings.ContainsRune(" {}[],", line[at]) {
				line[at] = mask
			}
		}
	}
}

// userinfo is a user and a password in an address.
var userinfo = regexp.MustCompile(`(://)[^/@\s]*@`)

func maskUserinfo(line string) string {
	return userinfo.ReplaceAllStringFunc(line, func(found string) string {
		return "://" + strings.Repeat(string(mask), len([]rune(found))-4) + "@"
	})
}

// tokenWidth is how many characters of the line belong to the value at column,
// counted from 1.
func tokenWidth(line []rune, column int) int {
	at := column - 1
	if at < 0 || at >= len(line) {
		return 1
	}
	if quote := line[at]; quote == '"' || quote == '\'' {
		for i := at + 1; i < len(line); i++ {
			if line[i] == quote {
				return i - at + 1
			}
		}
		return 1
	}
	end := at
	for end < len(line) && !strings.ContainsRune(",{}[]#", line[end]) && !endsKey(line, end) {
		end++
	}
	for end > at && unicode.IsSpace(line[end-1]) {
		end--
	}
	return max(end-at, 1)
}

// endsKey reports whether the character ends a key: a colon before a blank.
func endsKey(line []rune, at int) bool {
	return line[at] == ':' && (at+1 == len(line) || unicode.IsSpace(line[at+1]))
}

// excerpt returns the line with its number and a caret below column.
func excerpt(line string, number, column, width int) string {
	text := []rune(line)
	for i, r := range text {
		if !unicode.IsPrint(r) {
			text[i] = ' '
		}
	}
	start := 0
	if column-1 > maxExcerpt*2/3 {
		start = column - 1 - maxExcerpt/3
	}
	if start >= len(text) {
		start = 0
	}
	text = text[start:min(len(text), start+maxExcerpt)]
	indent := max(min(column-1-start, len(text)), 0)
	carets := max(min(width, len(text)-indent), 1)
	return fmt.Sprintf("%5d | %s\n      | %s%s", number, string(text), strings.Repeat(" ", indent), strings.Repeat("^", carets))
}

// sensitive matches keys whose value is likely a secret. It decides only what
// an excerpt hides, so that too much costs little.
var sensitive = regexp.MustCompile(`(?i)(token|passw|passphrase|pwd|secret|key|credential|auth|bearer|cookie|signature)`)

// safeLine prepares a line of a file that could not be parsed, so that nothing
// is known about its values: it is shown when it has a key, and what stands
// behind a key that may belong to a secret is covered.
func safeLine(line string) (string, bool) {
	trimmed := strings.TrimSpace(line)
	key, _, found := strings.Cut(line, ":")
	if !found || strings.Contains(trimmed, "PRIVATE KEY") {
		return "", false
	}
	if at := sensitive.FindStringIndex(line); at != nil {
		rest := line[at[1]:]
		colon := strings.Index(rest, ":")
		if colon < 0 {
			return key + ":", true
		}
		line = line[:at[1]+colon+1] + strings.Map(cover, rest[colon+1:])
	}
	return maskUserinfo(line), true
}

func cover(r rune) rune {
	if unicode.IsSpace(r) {
		return r
	}
	return mask
}
