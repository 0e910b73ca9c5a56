package mapping

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// caseUpdate is what a case expects from here on.
type caseUpdate struct {
	c    mapCase
	want string
	data string
}

// updateOf makes the outcome of a case what it expects. It refuses where the
// script failed: an error is nothing to expect.
func (e *engine) updateOf(c mapCase, got roster.MappedRecord) (caseUpdate, bool, error) {
	switch got.Verdict {
	case roster.VerdictSkipped:
		return caseUpdate{c, "skip", got.Reason}, true, nil
	case roster.VerdictRejected:
		if got.Code == roster.CodeMapError || got.Code == roster.CodeMapInvalid || got.Code == roster.CodeMapStopped {
			return caseUpdate{}, false, nil
		}
		return caseUpdate{c, "reject", got.Reason}, true, nil
	case roster.VerdictMapped:
	}
	data, err := e.expectedRecord(c, got)
	return caseUpdate{c, "out.json", data}, true, err
}

// expectedRecord writes a mapped record as a person would: the fields in the
// order in which the case has them, then those that are new.
func (e *engine) expectedRecord(c mapCase, got roster.MappedRecord) (string, error) {
	have, err := fieldsOf(got)
	if err != nil {
		return "", err
	}
	names := []string{}
	if c.want == "out.json" {
		names = keysInOrder(c.expected)
	}
	if !slices.Contains(names, e.target.KeyField) {
		delete(have, e.target.KeyField)
	}
	names = slices.DeleteFunc(names, func(name string) bool { _, ok := have[name]; return !ok })
	for _, name := range slices.Sorted(maps.Keys(have)) {
		names = appendOnce(names, name)
	}
	return layOut(names, have), nil
}

// keysInOrder returns the keys of a JSON object as they are written.
func keysInOrder(data []byte) []string {
	var keys []string
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return nil
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return keys
		}
		name, ok := key.(string)
		var value json.RawMessage
		if !ok || decoder.Decode(&value) != nil {
			return keys
		}
		keys = append(keys, name)
	}
	return keys
}

// layOut writes an object in lines of a width that fits an editor.
func layOut(names []string, fields map[string]any) string {
	const width = 120
	var b strings.Builder
	b.WriteByte('{')
	length := 1
	for i, name := range names {
		shown, _ := show(fields, name)
		key, _ := show(map[string]any{"": name}, "")
		pair := key + ": " + shown
		if i > 0 {
			b.WriteByte(',')
			if length+len(pair)+2 > width {
				b.WriteByte('\n')
				length = 0
			}
			b.WriteByte(' ')
		}
		b.WriteString(pair)
		length += len(pair) + 2
	}
	b.WriteByte('}')
	return b.String()
}

// rewrite puts new expectations into the text of a file of cases. Everything
// else, the comments and the blank lines between cases among it, stays as it is.
func rewriteCases(raw []byte, updates []caseUpdate) []byte {
	byLine := map[int]caseUpdate{}
	for _, u := range updates {
		byLine[u.c.wantLine] = u
	}
	var out bytes.Buffer
	var blank []byte
	line, replacing := 0, false
	for text := range bytes.Lines(raw) {
		line++
		trimmed := bytes.TrimSpace(text)
		if u, ok := byLine[line]; ok {
			out.Write(blank)
			blank, replacing = nil, true
			out.WriteString("-- " + u.c.name + "/" + u.want + " --\n")
			if u.data != "" {
				out.WriteString(u.data + "\n")
			}
			continue
		}
		if bytes.HasPrefix(trimmed, []byte("-- ")) && bytes.HasSuffix(trimmed, []byte(" --")) {
			replacing = false
		}
		switch {
		case replacing && len(trimmed) == 0:
			blank = append(blank, text...)
		case replacing:
			blank = nil
		default:
			out.Write(blank)
			blank = nil
			out.Write(text)
		}
	}
	out.Write(blank)
	return out.Bytes()
}
