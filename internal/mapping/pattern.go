package mapping

import "errors"

const (
	// maxPatternBytes bounds a pattern, and with it how many choices can be open
	// at once while it is matched.
	maxPatternBytes = 4 << 10
	// maxCaptures is Lua's own limit.
	maxCaptures = 32
	// callSteps is what one call may cost beside a share for each byte of its
	// text, so that a pattern that walks a text once always has enough.
	callSteps    = 1 << 20
	stepsPerByte = 32
	// recordSteps is what all calls for one record may cost, some 50 ms.
	recordSteps = 16 << 20
)

var (
	// errSteps says that a call used up its steps, errRecordSteps that all calls
	// for the record did.
	errSteps       = errors.New("the pattern takes too many steps")
	errRecordSteps = errors.New("the record's patterns take too many steps")
)

// patternError is what is malformed in a pattern, in Lua's own words.
type patternError string

// Error returns Lua's words.
func (f patternError) Error() string { return string(f) }

// pattern is a compiled Lua 5.1 pattern. Its nodes are matched one after the
// other: a Lua pattern has no alternatives and repeats only single bytes. So
// each capture has one place, known beforehand, and so has each mistake: Lua
// raises it when matching arrives there, not before, and a faulty node does the
// same here.
type pattern struct {
	nodes []patternNode
	// anchored is set by a leading ^.
	anchored bool
	// prefix are the bytes that every match begins with; where there are none,
	// first may say of which set the first byte is.
	prefix string
	first  *byteSet
	// choices is how many nodes can be returned to.
	choices int
	// captures counts them; positions and unclosed are sets of their numbers.
	captures            int
	positions, unclosed uint32
}

type patternOp uint8

const (
	opDone      patternOp = iota // the end of the pattern
	opOne                        // one byte of the class
	opOptional                   // class?
	opGreedy                     // class*
	opLazy                       // class-
	opOpen                       // (
	opClose                      // )
	opPosition                   // ()
	opReference                  // %1
	opBalanced                   // %bxy
	opFrontier                   // %f[set]
	opEnd                        // $ at the end
	opFault                      // something malformed
)

// patternNode is one step of a pattern. A class is set, or the byte ch where
// set is nil; opBalanced goes from ch to closing.
type patternNode struct {
	op          patternOp
	ch, closing byte
	capture     uint8
	set         *byteSet
	fault       patternError
}

// has reports whether a byte is of the node's class.
func (n *patternNode) has(c byte) bool {
	if n.set == nil {
		return n.ch == c
	}
	return n.set[c]
}

// byteSet is a class of bytes.
type byteSet [256]bool
