package mapping

import (
	"math"
	"strconv"

	"github.com/rosterd/rosterd/internal/roster"
)

// maxExact bounds the integers that a Lua number holds without loss.
const maxExact = 1 << 53

// appendString appends s as a JSON string. Bytes that are no UTF-8 become the
// replacement character.
func appendString(b []byte, s string) []byte { return roster.AppendText(b, s) }

// appendNumber appends a number that JSON can hold exactly, or returns false.
func appendNumber(b []byte, v float64) ([]byte, bool) {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > maxExact:
		return b, false
	case v == math.Trunc(v):
		return strconv.AppendInt(b, int64(v), 10), true
	case math.Abs(v) < 1e-6:
		return strconv.AppendFloat(b, v, 'e', -1, 64), true
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64), true
}
