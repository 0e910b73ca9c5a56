package connector

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a request. They leave room around what the interface can mean.
const (
	maxBodyBytes  = 64 << 10
	maxDepth      = 16
	maxAttributes = 16
	maxLeaves     = 1024
)

// document is the body of a save, in whichever form it came: its values by their
// places below the root.
type document struct {
	// root is the name of the outermost element; empty in JSON, which has none.
	root   string
	values map[string]value
	// leaves counts all values, foreign the elements of foreign namespaces.
	leaves, foreign int
}

// value is the text of one place.
type value struct {
	text string
	// twice says that the place is there more than once.
	twice bool
	// used says that something asked for it.
	used bool
}

// bodyError says what is wrong with a body, without any value of it.
type bodyError struct{ problem string }

// Error returns the problem.
func (e *bodyError) Error() string { return e.problem }

func badBody(format string, args ...any) error {
	return &bodyError{problem: fmt.Sprintf(format, args...)}
}

// add takes a value, with white space around it left out.
func (d *document) add(path []string, text string) error {
	if d.leaves++; d.leaves > maxLeaves {
		return badBody("it has more than %d values", maxLeaves)
	}
	if d.values == nil {
		d.values = map[string]value{}
	}
	name := strings.Join(path, "/")
	_, there := d.values[name]
	d.values[name] = value{text: strings.TrimSpace(text), twice: there}
	return nil
}

// take returns the value at a place. There is none where ok is false; an empty
// text is one that is empty by intent.
func (d *document) take(path string) (text string, ok bool, err error) {
	v, ok := d.values[path]
	if !ok {
		return "", false, nil
	}
	if v.twice {
		return "", false, badBody("%s is there twice", path)
	}
	v.used = true
	d.values[path] = v
	return v.text, true, nil
}

// unknown counts the values that nothing has asked for.
func (d *document) unknown() int {
	n := d.foreign
	for _, v := range d.values {
		if !v.used {
			n++
		}
	}
	return n
}

func checkText(body []byte) error {
	if !utf8.Valid(body) {
		return badBody("it is not UTF-8")
	}
	return nil
}
