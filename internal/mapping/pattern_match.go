package mapping

import "strings"

// matcher matches patterns within a budget of steps. One serves an engine: a
// match's captures stand until the next match.
type matcher struct {
	// starts and ends are the captures; of a position only the start counts.
	starts, ends [maxCaptures]int
	choices      []choice
	// left are the steps of the call at hand, recordLeft those of the record,
	// which has perRecord at first.
	left, recordLeft, perRecord int
	cache                       patternCache
	// buffer is reused by gsub.
	buffer []byte
}

// choice is a node that can be returned to: from is where it began, at where
// matching went on behind it.
type choice struct{ node, from, at int }

// newRecord gives a record its steps.
func (m *matcher) newRecord() { m.recordLeft = m.perRecord }

// begin gives a call its steps.
func (m *matcher) begin(subject string) { m.left = callSteps + stepsPerByte*len(subject) }

// find returns the first match at or behind from; start is -1 where there is
// none.
func (m *matcher) find(p *pattern, src string, from int) (start, end int, err error) {
	for s := from; s <= len(src); s++ {
		if !p.anchored {
			if s = p.candidate(src, s); s < 0 {
				break
			}
		}
		end, err := m.match(p, src, s)
		if end >= 0 || err != nil {
			return s, end, err
		}
		if p.anchored {
			break
		}
	}
	return -1, -1, nil
}

// candidate returns the next place where a match can begin, or -1.
func (p *pattern) candidate(src string, s int) int {
	switch {
	case p.prefix != "":
		skip := strings.Index(src[s:], p.prefix)
		if skip < 0 {
			return -1
		}
		return s + skip
	case p.first != nil:
		for ; s < len(src); s++ {
			if p.first[src[s]] {
				return s
			}
		}
		return -1
	}
	return s
}

// match returns the end of a match that begins at s, or -1.
func (m *matcher) match(p *pattern, src string, s int) (int, error) {
	if cap(m.choices) < p.choices {
		m.choices = make([]choice, 0, max(p.choices, 16))
	}
	budget := min(m.left, m.recordLeft)
	run := patternRun{m: m, nodes: p.nodes, src: src, choices: m.choices[:0], left: budget}
	end, err := run.match(s, p.positions)
	m.left -= budget - run.left
	m.recordLeft -= budget - run.left
	if run.left < 0 {
		if m.recordLeft < 0 {
			return -1, errRecordSteps
		}
		return -1, errSteps
	}
	return end, err
}

// patternRun is one attempt at one place of the text.
type patternRun struct {
	m       *matcher
	nodes   []patternNode
	src     string
	choices []choice
	left    int
}

// match goes from node to node and, where one does not match, back to the
// latest choice. Captures need no undoing: whatever follows a choice is done
// again before it is used.
func (r *patternRun) match(s int, positions uint32) (int, error) {
	src, pc := r.src, 0
	for r.left >= 0 {
		n := &r.nodes[pc]
		r.left--
		pc++
		ok := true
		switch n.op {
		case opOne, opOptional:
			if s >= len(src) || !n.has(src[s]) {
				ok = n.op == opOptional
				break
			}
			if n.op == opOptional {
				r.choices = append(r.choices, choice{node: pc - 1, from: s, at: s})
			}
			s++
		case opGreedy:
			if end := n.run(src, s); end > s {
				r.left -= end - s
				r.choices = append(r.choices, choice{node: pc - 1, from: s, at: end})
				s = end
			}
		case opLazy:
			r.choices = append(r.choices, choice{node: pc - 1, from: s, at: s})
		case opDone:
			return s, nil
		case opFault:
			return -1, n.fault
		default:
			s, ok = r.special(n, s, positions)
		}
		if !ok {
			if s, pc = r.back(); pc < 0 {
				return -1, nil
			}
		}
	}
	return -1, nil
}

// run returns where the longest run of the class that begins at s ends.
func (n *patternNode) run(src string, s int) int {
	if n.set == nil {
		for s < len(src) && src[s] == n.ch {
			s++
		}
		return s
	}
	for s < len(src) && n.set[src[s]] {
		s++
	}
	return s
}

// back returns to the latest choice that has another way to go, and says where
// the text and the nodes go on; pc is -1 where there is none.
func (r *patternRun) back() (s, pc int) {
	for last := len(r.choices) - 1; last >= 0; last-- {
		c := &r.choices[last]
		n := &r.nodes[c.node]
		r.left--
		switch n.op {
		case opGreedy:
			if c.at--; c.at == c.from {
				r.choices = r.choices[:last]
			} else {
				r.choices = r.choices[:last+1]
			}
			return c.at, c.node + 1
		case opLazy:
			if c.at < len(r.src) && n.has(r.src[c.at]) {
				c.at++
				r.choices = r.choices[:last+1]
				return c.at, c.node + 1
			}
		default:
			r.choices = r.choices[:last]
			return c.from, c.node + 1
		}
	}
	return 0, -1
}

// special matches the nodes that are rare.
func (r *patternRun) special(n *patternNode, s int, positions uint32) (int, bool) {
	switch n.op {
	case opOpen, opPosition:
		r.m.starts[n.capture] = s
	case opClose:
		r.m.ends[n.capture] = s
	case opEnd:
		return s, s == len(r.src)
	case opFrontier:
		// The text has a zero byte before and behind it.
		return s, !n.has(byteAt(r.src, s-1)) && n.has(byteAt(r.src, s))
	case opReference:
		// A position is no text that could come again.
		if positions&(1<<n.capture) != 0 {
			return s, false
		}
		text := r.src[r.m.starts[n.capture]:r.m.ends[n.capture]]
		r.left -= len(text)
		if !strings.HasPrefix(r.src[s:], text) {
			return s, false
		}
		s += len(text)
	case opBalanced:
		return r.balanced(n, s)
	default:
	}
	return s, true
}

func byteAt(s string, i int) byte {
	if i < 0 || i >= len(s) {
		return 0
	}
	return s[i]
}

func (r *patternRun) balanced(n *patternNode, s int) (int, bool) {
	if s >= len(r.src) || r.src[s] != n.ch {
		return s, false
	}
	depth := 1
	for i := s + 1; i < len(r.src); i++ {
		switch r.src[i] {
		case n.closing:
			if depth--; depth == 0 {
				r.left -= i - s
				return i + 1, true
			}
		case n.ch:
			depth++
		}
	}
	r.left -= len(r.src) - s
	return s, false
}

const (
	// maxCachedPatterns bounds a generation of the cache, maxCachedBytes the
	// patterns that are kept at all: nobody writes longer ones by hand.
	maxCachedPatterns = 128
	maxCachedBytes    = 256
)

// patternCache keeps compiled patterns in two generations: a full young one
// becomes the old one, and what is used from there is young again. It forgets
// what was not used for long, as a list in order of use would, without keeping
// an order.
type patternCache struct{ young, old map[string]*pattern }

func (c *patternCache) get(text string) *pattern {
	if p, ok := c.young[text]; ok {
		return p
	}
	p, ok := c.old[text]
	if !ok {
		p = compilePattern(text)
		if len(text) > maxCachedBytes {
			return p
		}
	}
	if c.young == nil || len(c.young) >= maxCachedPatterns {
		c.young, c.old = make(map[string]*pattern, maxCachedPatterns), c.young
	}
	// The key is a copy: a slice of a record's text would keep all of it.
	c.young[strings.Clone(text)] = p
	return p
}
