package mapping

import "strings"

// compilePattern reads a pattern. A malformed one compiles too: matching
// reports the mistake when it arrives there.
func compilePattern(text string) *pattern {
	// In Lua 5.1 a zero byte ends a pattern; %z stands for it.
	text, _, _ = strings.Cut(text, "\x00")
	c := patternCompiler{text: text, pattern: &pattern{}}
	if strings.HasPrefix(text, "^") {
		c.pattern.anchored = true
		c.pos++
	}
	for more := true; more && c.pos < len(text); {
		more = c.next()
	}
	c.add(patternNode{op: opDone})
	for _, k := range c.open {
		c.pattern.unclosed |= 1 << k
	}
	c.pattern.prefix, c.pattern.first = prefixOf(c.pattern.nodes)
	return c.pattern
}

// prefixOf returns the bytes that a match has to begin with; where there are
// none, the set of which its first byte has to be, or nil.
func prefixOf(nodes []patternNode) (string, *byteSet) {
	var b strings.Builder
	for _, n := range nodes {
		switch {
		case n.op == opOne && n.set == nil:
			b.WriteByte(n.ch)
		case n.op == opOpen || n.op == opPosition:
		case n.op == opOne && b.Len() == 0:
			return "", n.set
		default:
			return b.String(), nil
		}
	}
	return b.String(), nil
}

type patternCompiler struct {
	text    string
	pos     int
	pattern *pattern
	// open are the captures that are not closed, the innermost last.
	open []uint8
}

func (c *patternCompiler) add(n patternNode) { c.pattern.nodes = append(c.pattern.nodes, n) }

// fail adds a mistake. Nothing behind it is ever matched.
func (c *patternCompiler) fail(message patternError) bool {
	c.add(patternNode{op: opFault, fault: message})
	return false
}

// at returns the byte i places on, or zero behind the end, as in C.
func (c *patternCompiler) at(i int) byte {
	if c.pos+i < len(c.text) {
		return c.text[c.pos+i]
	}
	return 0
}

// next adds the node at hand and reports whether to go on.
func (c *patternCompiler) next() bool {
	switch c.at(0) {
	case '(':
		return c.openCapture()
	case ')':
		return c.closeCapture()
	case '$':
		if c.at(1) == 0 {
			c.add(patternNode{op: opEnd})
			c.pos++
			return true
		}
	case '%':
		switch d := c.at(1); {
		case d == 'b':
			return c.balanced()
		case d == 'f':
			return c.frontier()
		case d >= '0' && d <= '9':
			return c.reference(d)
		}
	}
	return c.class()
}

func (c *patternCompiler) openCapture() bool {
	p := c.pattern
	if p.captures >= maxCaptures {
		return c.fail("too many captures")
	}
	k := uint8(p.captures)
	p.captures++
	if c.at(1) == ')' {
		p.positions |= 1 << k
		c.add(patternNode{op: opPosition, capture: k})
		c.pos += 2
		return true
	}
	c.open = append(c.open, k)
	c.add(patternNode{op: opOpen, capture: k})
	c.pos++
	return true
}

func (c *patternCompiler) closeCapture() bool {
	last := len(c.open) - 1
	if last < 0 {
		return c.fail("invalid pattern capture")
	}
	c.add(patternNode{op: opClose, capture: c.open[last]})
	c.open = c.open[:last]
	c.pos++
	return true
}

func (c *patternCompiler) reference(digit byte) bool {
	k := int(digit) - '1'
	if k < 0 || k >= c.pattern.captures {
		return c.fail("invalid capture index")
	}
	for _, open := range c.open {
		if int(open) == k {
			return c.fail("invalid capture index")
		}
	}
	c.add(patternNode{op: opReference, capture: uint8(k)})
	c.pos += 2
	return true
}

func (c *patternCompiler) balanced() bool {
	if c.at(2) == 0 || c.at(3) == 0 {
		return c.fail("unbalanced pattern")
	}
	c.add(patternNode{op: opBalanced, ch: c.at(2), closing: c.at(3)})
	c.pos += 4
	return true
}

func (c *patternCompiler) frontier() bool {
	c.pos += 2
	if c.at(0) != '[' {
		return c.fail("missing '[' after '%f' in pattern")
	}
	n := patternNode{op: opFrontier}
	if fault := c.readClass(&n); fault != "" {
		return c.fail(fault)
	}
	c.add(n)
	return true
}

// class adds a class with what repeats it.
func (c *patternCompiler) class() bool {
	n := patternNode{op: opOne}
	if fault := c.readClass(&n); fault != "" {
		return c.fail(fault)
	}
	switch c.at(0) {
	case '+':
		c.add(n)
		n.op = opGreedy
	case '*':
		n.op = opGreedy
	case '-':
		n.op = opLazy
	case '?':
		n.op = opOptional
	}
	if n.op != opOne {
		c.pos++
		c.pattern.choices++
	}
	c.add(n)
	return true
}

// readClass reads one class into the node and goes behind it.
func (c *patternCompiler) readClass(n *patternNode) patternError {
	n.ch = c.at(0)
	c.pos++
	switch n.ch {
	case '.':
		n.set = &byteSet{}
		for i := range n.set {
			n.set[i] = true
		}
	case '%':
		if n.ch = c.at(0); n.ch == 0 {
			return "malformed pattern (ends with '%')"
		}
		c.pos++
		if isClassLetter(n.ch) {
			n.set = &byteSet{}
			n.set.addClass(n.ch)
		}
	case '[':
		return c.readSet(n)
	}
	return ""
}

// readSet reads a set, whose opening bracket is read.
func (c *patternCompiler) readSet(n *patternNode) patternError {
	negated := c.at(0) == '^'
	if negated {
		c.pos++
	}
	begin, end := c.pos, c.setEnd()
	if end < 0 {
		return "malformed pattern (missing ']')"
	}
	n.set = &byteSet{}
	for i := begin; i < end; i++ {
		switch {
		case c.text[i] == '%':
			i++
			n.set.addClass(c.text[i])
		case c.text[i+1] == '-' && i+2 < end:
			for b := int(c.text[i]); b <= int(c.text[i+2]); b++ {
				n.set[b] = true
			}
			i += 2
		default:
			n.set[c.text[i]] = true
		}
	}
	if negated {
		for i := range n.set {
			n.set[i] = !n.set[i]
		}
	}
	c.pos = end + 1
	return ""
}

// setEnd finds the closing bracket of a set, or returns -1. A bracket that
// comes first belongs to the set.
func (c *patternCompiler) setEnd() int {
	for i := c.pos; i < len(c.text); {
		if c.text[i] == '%' {
			i++
		}
		i++
		if i < len(c.text) && c.text[i] == ']' {
			return i
		}
	}
	return -1
}

func isClassLetter(c byte) bool { return strings.IndexByte("acdlpsuwxz", c|0x20) >= 0 && c >= 'A' }

// addClass adds what %c stands for.
func (s *byteSet) addClass(c byte) {
	if !isClassLetter(c) {
		s[c] = true
		return
	}
	var class byteSet
	for ranges := classRanges(c | 0x20); ranges != ""; ranges = ranges[2:] {
		for b := int(ranges[0]); b <= int(ranges[1]); b++ {
			class[b] = true
		}
	}
	negated := c < 'a'
	for i := range s {
		s[i] = s[i] || class[i] != negated
	}
}

// classRanges returns the first and last bytes of the ranges of a class, in the
// C locale: letters are those of ASCII.
func classRanges(class byte) string {
	switch class {
	case 'a':
		return "AZaz"
	case 'c':
		return "\x00\x1f\x7f\x7f"
	case 'd':
		return "09"
	case 'l':
		return "az"
	case 'p':
		return "!/:@[`{~"
	case 's':
		return "\t\r  "
	case 'u':
		return "AZ"
	case 'w':
		return "09AZaz"
	case 'x':
		return "09AFaf"
	}
	return "\x00\x00" // %z
}
