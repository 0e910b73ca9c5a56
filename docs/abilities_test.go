package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// ops are the operations of the contract, and abilities those that a target may
// have.
func ops() []string {
	var all []string
	for _, op := range []sdk.Op{sdk.OpCreate, sdk.OpUpdate, sdk.OpDeactivate, sdk.OpDelete, sdk.OpConvert, sdk.OpTransfer} {
		all = append(all, string(op))
	}
	return all
}

func abilities() []string {
	var all []string
	for _, a := range []sdk.Ability{
		sdk.AbilityTarget, sdk.AbilityFinder, sdk.AbilityGetter, sdk.AbilityStaffLister, sdk.AbilityStaffFinder, sdk.AbilityLeadSourceLister,
	} {
		all = append(all, string(a))
	}
	return all
}

// TestTheTableOfAbilitiesNamesWhatThereIs holds docs/abilities.md to the words of
// the contract: what a part of a sync needs is an operation or an ability, and
// each of them is there.
func TestTheTableOfAbilitiesNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	text := readDocument(t, "docs/abilities.md").text
	code := regexp.MustCompile("`([^`]+)`")
	named := map[string]bool{}
	rows := 0
	for line := range strings.SplitSeq(text, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || strings.Contains(line, "---") || strings.Contains(line, "Part of a sync") {
			continue
		}
		rows++
		for _, m := range code.FindAllStringSubmatch(cells[2]+cells[4], -1) {
			named[m[1]] = true
		}
		for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
			word := m[1]
			known := slices.Contains(ops(), word) || slices.Contains(abilities(), word) || sdk.GuaranteeClass(word).Valid() ||
				word == "SameRecord" || word == "Finds" || word == "on_gone: delete" || word == "email" || word == "mobile"
			if !known {
				t.Errorf("%s: %q is neither an operation nor an ability", strings.TrimSpace(cells[1]), word)
			}
		}
	}
	if rows < 12 {
		t.Errorf("%d rows in the table", rows)
	}
	for _, word := range append(ops(), abilities()...) {
		if !named[word] {
			t.Errorf("no part of a sync needs %q", word)
		}
	}
}

// TestTheOptionsOfTheTableAreThoseOfASync compares the options with the schema of
// the configuration.
func TestTheOptionsOfTheTableAreThoseOfASync(t *testing.T) {
	t.Parallel()
	text := readDocument(t, "docs/abilities.md").text
	schema := readDocument(t, "internal/config/schema.json").text
	found := regexp.MustCompile("`(owner|lead_sources|on_missing|on_match|on_gone): (\\w+)`").FindAllStringSubmatch(text, -1)
	if len(found) < 10 {
		t.Fatalf("%d options found", len(found))
	}
	for _, m := range found {
		option := regexp.MustCompile(`"` + m[1] + `": \{\s*"enum": \[[^\]]*"` + m[2] + `"`)
		if !option.MatchString(schema) {
			t.Errorf("%s: %s is not in the schema", m[1], m[2])
		}
	}
}
