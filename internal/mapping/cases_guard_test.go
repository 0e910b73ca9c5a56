package mapping_test

import (
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/mapping"
)

// A script that is being written loops now and then. Its author is told where,
// and what became of the other cases.
func TestACaseThatDoesNotEndFailsAlone(t *testing.T) {
	t.Parallel()
	path := writeCases(t, `function map(r)
	if r.a == "loop" then
		while true do end
	end
	if r.a == "grow" then
		local s = ("x"):rep(1048576)
		while true do s = s .. s end
	end
	return { first_name = r.a }
end`, `
-- loops/in.json --
{"a": "loop"}
-- loops/out.json --
{}
-- grows/in.json --
{"a": "grow"}
-- grows/out.json --
{}
-- ends/in.json --
{"a": "Ann"}
-- ends/out.json --
{"first_name": "Ann"}
`)
	results, err := mapping.RunCases(t.Context(), path)
	if err != nil || len(results) != 3 {
		t.Fatalf("%v, error %v", results, err)
	}
	for i, want := range []string{
		path + ":3: the script took longer than 1s for one record [map.stopped]", path + ":7: the script ", "", // needed too much memory, or on a busy machine too much time
	} {
		if !strings.Contains(results[i].Failure, want) || results[i].Passed() != (want == "") {
			t.Errorf("%s: %q, want %q", results[i].Name, results[i].Failure, want)
		}
	}
}
