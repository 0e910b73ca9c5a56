package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds a configuration file in bytes.
const maxFile = 1 << 20

// source is one configuration file.
type source struct {
	// name is the path as people wrote it, dir the absolute folder against
	// which relative paths count.
	name, dir string
	lines     []string
	// root is the topmost value; nil where the file could not be read.
	root *yaml.Node
	// nodes are all nodes in the order of the text, index their places in it.
	nodes []*yaml.Node
	index map[*yaml.Node]int
	// hidden are the nodes whose text no excerpt shows.
	hidden map[*yaml.Node]bool
}

// newSource is a source without a text. It is never nil, so that faults can name
// it.
func newSource(name string) (*source, error) {
	src := &source{name: name, index: map[*yaml.Node]int{}, hidden: map[*yaml.Node]bool{}}
	dir, err := filepath.Abs(filepath.Dir(name))
	src.dir = dir
	return src, err
}

// openSource reads a file and parses it.
func (o Options) openSource(name string) (*source, *Fault) {
	src, err := newSource(name)
	if err != nil {
		return src, src.fileFault(err)
	}
	text, err := o.read(name, maxFile)
	if err != nil {
		return src, src.fileFault(err)
	}
	return src, src.parse(text)
}

func (s *source) fileFault(err error) *Fault {
	return &Fault{
		Severity: SeverityError, Code: CodeFile, File: s.name, Message: "cannot be read: " + reason(err),
		Hint: "check the path, and that the daemon's user may read the file",
	}
}

// reason drops the path from an error of the os package: the message names it.
func reason(err error) string {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err.Error()
	}
	return err.Error()
}

var (
	errNotRegular = errors.New("is not a regular file")
	errTooLarge   = errors.New("is too large")
)

// read reads a file, from the disk where it is not pretended.
func (o Options) read(name string, limit int64) ([]byte, error) {
	if len(o.Pretend) > 0 {
		if path, err := filepath.Abs(name); err == nil {
			if text, ok := o.Pretend[path]; ok {
				return text, nil
			}
		}
	}
	return readRegular(name, limit)
}

// readRegular reads a file whole. Devices and pipes are refused: they could
// block or never end.
func readRegular(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%w: at most %d bytes", errTooLarge, limit)
	}
	return text, nil
}

func (s *source) parse(text []byte) *Fault {
	s.lines = strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	var doc yaml.Node
	if err := yaml.Load(text, &doc); err != nil {
		return s.syntaxFault(err)
	}
	if len(doc.Content) != 1 {
		return &Fault{Severity: SeverityError, Code: CodeSyntax, File: s.name, Message: "the file is empty"}
	}
	s.root = doc.Content[0]
	s.number(s.root)
	return nil
}

// number lists the nodes in the order of the text.
func (s *source) number(n *yaml.Node) {
	s.index[n] = len(s.nodes)
	s.nodes = append(s.nodes, n)
	for _, child := range n.Content {
		s.number(child)
	}
}

// hide keeps a value, with everything in it, out of excerpts.
func (s *source) hide(n *yaml.Node) {
	if n == nil {
		return
	}
	s.hidden[n] = true
	for _, child := range n.Content {
		s.hide(child)
	}
}

func (s *source) syntaxFault(err error) *Fault {
	fault := &Fault{Severity: SeverityError, Code: CodeSyntax, File: s.name, Message: "the file cannot be read as YAML"}
	found, ok := firstLoadError(err)
	if !ok {
		return fault
	}
	fault.Line, fault.Column = found.Mark.Line, found.Mark.Column
	if found.ContextMark.Line > 0 && found.ContextMark.Line != found.Mark.Line && !isTab(found) {
		fault.Line, fault.Column = found.ContextMark.Line, found.ContextMark.Column
	}
	fault.Message, fault.Hint = syntaxWords(found)
	if fault.Line < 1 || fault.Line > len(s.lines) {
		fault.Line, fault.Column = 0, 0
		return fault
	}
	if line, ok := safeLine(s.lines[fault.Line-1]); ok {
		fault.Excerpt = excerpt(line, fault.Line, fault.Column, 1)
	}
	return fault
}

// firstLoadError finds where the parser gave up. The list has to be asked for
// first, because it unwraps to its first entry.
func firstLoadError(err error) (*yaml.LoadError, bool) {
	if list, ok := errors.AsType[*yaml.LoadErrors](err); ok && len(list.Errors) > 0 {
		return list.Errors[0], true
	}
	return errors.AsType[*yaml.LoadError](err)
}

// quoted is text that the parser took from the file.
var quoted = regexp.MustCompile(`'[^']*'|"[^"]*"`)

// isTab tells whether a line is indented with a tab. Its own line is the one to
// mend, and not the one where the parser began.
func isTab(e *yaml.LoadError) bool { return strings.Contains(e.Message, "tab character") }

func syntaxWords(e *yaml.LoadError) (message, hint string) {
	at := ""
	if e.ContextMark.Line > 0 && e.ContextMark.Line != e.Mark.Line {
		at = fmt.Sprintf(" (noticed in line %d)", e.Mark.Line)
	}
	switch {
	case isTab(e):
		return "a tab stands in the indentation", "indent with spaces, not tabs"
	case strings.Contains(e.Message, "no documents"):
		return "the file is empty", `a configuration starts with  version: 1`
	case strings.Contains(e.Message, "found multiple"):
		return "the file holds more than one document", "remove the line ---"
	case strings.Contains(e.Message, "mapping values are not allowed"):
		return "a colon stands where no key can be", "check the indentation of this line and the one above, and quote a value that holds a colon"
	case strings.Contains(e.Message, "cannot start any token"):
		return "a character stands where no value can start", "indent with spaces, not tabs; quote a value that starts with a special character"
	case strings.Contains(e.ContextMsg, "quoted scalar"):
		return "a quoted value does not end" + at, "add the closing quote"
	case strings.Contains(e.ContextMsg, "flow"):
		return "a list or mapping in brackets does not end" + at, "add the missing comma or closing bracket"
	case strings.Contains(e.Message, "anchor"):
		return "a value that starts with * or & refers to something else", "quote a value that starts with * or &"
	}
	return "cannot be read as YAML: " + quoted.ReplaceAllString(e.Message, "this") + at, "check the indentation and the quotes"
}
