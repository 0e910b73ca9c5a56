package export_test

import "strings"

// archive is a txtar file: a comment, then parts led by a line "-- name --".
type archive struct {
	comment string
	parts   []part
}

type part struct{ name, data string }

func parseArchive(raw string) *archive {
	a := &archive{}
	for line := range strings.Lines(raw) {
		name, isName := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		name, closed := strings.CutSuffix(name, " --")
		switch {
		case isName && closed:
			a.parts = append(a.parts, part{name: name})
		case len(a.parts) == 0:
			a.comment += line
		default:
			a.parts[len(a.parts)-1].data += line
		}
	}
	return a
}

func (a *archive) String() string {
	var out strings.Builder
	out.WriteString(a.comment)
	for _, p := range a.parts {
		out.WriteString("-- " + p.name + " --\n" + p.data)
	}
	return out.String()
}
