package connector_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// TestTheExamplesOfTheManualAreTaken sends each body that docs/connector.md shows
// to the call that stands behind its fence.
func TestTheExamplesOfTheManualAreTaken(t *testing.T) {
	text, err := os.ReadFile("../../docs/connector.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "")
	found := regexp.MustCompile("(?ms)^```(xml|json) ([a-z]+)$(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(found) < 4 {
		t.Fatalf("%d examples", len(found))
	}
	for _, m := range found {
		got := w.post("/connector/api/2011-11/"+m[2], m[3][1:], "Content-Type", "application/"+m[1])
		if got.status != 200 {
			t.Errorf("%s: %d %s", m[2], got.status, got.body)
		}
	}
	for kind, n := range map[sdk.Kind]int{sdk.KindProspect: 1, sdk.KindMember: 1, sdk.KindStaff: 1, sdk.KindLeadSource: 1} {
		if got := w.waits(kind); len(got) != n {
			t.Errorf("of %s wait %q", kind, got)
		}
	}
}
