package digest_test

import (
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/digest"
)

func TestADigestOfALongValueCostsNoAllocation(t *testing.T) {
	name, value := digest.Key{1}.Name("notes"), []byte(strings.Repeat("a long note ", 100))
	if n := testing.AllocsPerRun(100, func() { name.Field(value) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
