package mapping

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// Measures of the drawing, in pixels. A line of text takes rowHeight, and a
// label's box is as wide as its column.
const (
	svgRow, svgBox   = 26, 20
	svgLeft, svgWide = 20, 220
	svgMiddle        = 300
	svgTop           = 64
	// svgLabel is how many characters fit into a box, svgSteps how many of the
	// steps fit between.
	svgLabel, svgSteps = 28, 44
)

// WriteSVG draws where target fields come from: source fields at the left,
// target fields at the right with their lines in the script, and a line for each
// way between them. The drawing needs nothing from elsewhere.
func (d Description) WriteSVG(w io.Writer) error {
	s := &svg{at: map[string]int{}, sources: d.Reads}
	height := svgTop + svgRow*max(len(s.sources), len(d.Lineage), 1) + 24
	width := 2*svgLeft + 2*svgWide + svgMiddle
	fmt.Fprintf(&s.b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n",
		width, height, width, height)
	s.b.WriteString(`<rect width="100%" height="100%" fill="#ffffff"/>` + "\n")
	title := d.Script
	if d.Guess {
		title += " (a function: read off its text, not certain)"
	}
	s.text(svgLeft, 24, "start", "#111111", cutLabel(title, 2*svgLabel+svgSteps), true)
	s.text(svgLeft, 50, "start", "#555555", "source", false)
	s.text(svgLeft+svgWide+svgMiddle, 50, "start", "#555555", "target", false)
	s.column(d)
	s.b.WriteString("</svg>\n")
	_, err := io.WriteString(w, s.b.String())
	return err
}

type svg struct {
	b       strings.Builder
	sources []string
	// at is the height of each source field's middle.
	at map[string]int
}

func (s *svg) column(d Description) {
	right := svgLeft + svgWide + svgMiddle
	for i, name := range s.sources {
		s.at[name] = svgTop + i*svgRow + svgBox/2
	}
	// The ways come first, so that boxes and texts lie on them.
	for i, l := range d.Lineage {
		y := svgTop + i*svgRow + svgBox/2
		for _, name := range l.Sources {
			from := s.at[name]
			fmt.Fprintf(&s.b, `<path d="M%d %d C%d %d %d %d %d %d" fill="none" stroke="%s" stroke-width="1.2"/>`+"\n",
				svgLeft+svgWide, from, svgLeft+svgWide+90, from, right-200, y, right-130, y, wayColour(l))
		}
		if len(l.Sources) > 0 {
			fmt.Fprintf(&s.b, `<path d="M%d %d H%d" stroke="%s" stroke-width="1.2"/>`+"\n", right-130, y, right, wayColour(l))
		}
	}
	for _, name := range s.sources {
		s.box(svgLeft, s.at[name], name, "#eef3fb", "#7b93b8")
	}
	for i, l := range d.Lineage {
		s.target(right, svgTop+i*svgRow+svgBox/2, l)
	}
}

func (s *svg) target(x, y int, l Lineage) {
	label, fill, edge := l.Field, "#eef8ef", "#7fae86"
	if l.Decides != "" && l.Field == "" {
		label, fill, edge = l.Decides+": "+l.Reason, "#fdf1e7", "#c99a6b"
	}
	if label == "" {
		label = "(rule)"
	}
	s.box(x, y, label, fill, edge)
	s.text(x+svgWide-6, y+4, "end", "#888888", fmt.Sprintf("%d", l.Line), false)
	if how := l.How(); how != "" {
		how = cutLabel(how, svgSteps/2)
		// A white edge keeps the words readable where ways cross them.
		fmt.Fprintf(&s.b, `<text x="%d" y="%d" text-anchor="end" font-size="11" fill="%s" stroke="#ffffff" stroke-width="4" paint-order="stroke">%s</text>`+"\n",
			x-8, y+4, wayColour(l), html.EscapeString(cleanLabel(how)))
	}
}

func (s *svg) box(x, middle int, label, fill, edge string) {
	fmt.Fprintf(&s.b, `<rect x="%d" y="%d" width="%d" height="%d" rx="4" fill="%s" stroke="%s"/>`+"\n", x, middle-svgBox/2, svgWide, svgBox, fill, edge)
	s.text(x+8, middle+4, "start", "#111111", cutLabel(label, svgLabel-2), false)
}

func (s *svg) text(x, y int, anchor, colour, text string, bold bool) {
	weight := ""
	if bold {
		weight = ` font-weight="bold"`
	}
	fmt.Fprintf(&s.b, `<text x="%d" y="%d" text-anchor="%s" fill="%s"%s>%s</text>`+"\n", x, y, anchor, colour, weight, html.EscapeString(cleanLabel(text)))
}

func wayColour(l Lineage) string {
	switch {
	case l.Code:
		return "#8e44ad"
	case l.Field == "":
		return "#b9773a"
	}
	return "#4a6fa5"
}

// How tells in a few words what happens on the way.
func (l Lineage) How() string {
	switch {
	case l.Code && len(l.Steps) == 0:
		return "Lua code"
	case l.Code:
		return "Lua: " + joinSteps(l.Steps)
	case l.Constant:
		return "constant"
	}
	return joinSteps(l.Steps)
}

// joinSteps names steps that follow each other once.
func joinSteps(steps []string) string {
	return strings.Join(slices.Compact(slices.Clone(steps)), " › ")
}

func cutLabel(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// cleanLabel takes away what XML cannot hold.
func cleanLabel(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
