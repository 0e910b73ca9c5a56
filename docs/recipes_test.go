package docs_test

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/mapping"
)

// recipeContext is the context of every recipe's cases.
const recipeContext = `-- context.json --
{"country": "CA", "timezone": "America/Toronto", "upload": "multi",
 "clubs": {"": {"key": "downtown", "name": "Downtown"}, "2": {"key": "soho", "country": "GB"}}}
`

// TestEveryRecipeDoesWhatItSays runs each block "lua recipe": fields of a plan,
// and lines "-- record -> outcome". Blocks "csv NAME" are the tables that they
// look into.
func TestEveryRecipeDoesWhatItSays(t *testing.T) {
	t.Parallel()
	found := 0
	for _, d := range documents(t) {
		tables := map[string]string{}
		for _, b := range d.blocks {
			if b.language == "csv" && b.info != "" {
				tables[b.info] = b.text
			}
		}
		for _, b := range d.blocks {
			if b.language != "lua" || b.info != "recipe" {
				continue
			}
			found++
			runRecipe(t, d.path, b, tables)
		}
	}
	if found < 20 {
		t.Errorf("%d recipes found, want 20 or more", found)
	}
}

func runRecipe(t *testing.T, doc string, b block, tables map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range tables {
		write(t, filepath.Join(dir, name), text)
	}
	script, named := b.text, strings.Contains(b.text, "first_name =")
	if !strings.Contains(script, "return mapping") {
		if !named {
			script = "first_name = \"Ann\",\n" + script
		}
		script = "return mapping{\n" + script + "}\n"
	}
	cases := recipeContext
	lines := regexp.MustCompile(`(?m)^-- (\{.*\}) -> (.+)$`).FindAllStringSubmatch(b.text, -1)
	for i, m := range lines {
		name := "\n-- " + strconv.Itoa(i+1) + "/"
		cases += name + "in.json --\n" + m[1]
		switch reason, skips := strings.CutPrefix(m[2], "skip: "); {
		case skips:
			cases += name + "skip --\n" + reason
		case strings.HasPrefix(m[2], "reject: "):
			cases += name + "reject --\n" + strings.TrimPrefix(m[2], "reject: ")
		case named:
			cases += name + "out.json --\n" + m[2]
		default:
			cases += name + "out.json --\n" + strings.Replace(strings.Replace(m[2], "{", `{"first_name": "Ann", `, 1), ", }", "}", 1)
		}
	}
	write(t, filepath.Join(dir, "recipe.lua"), script)
	write(t, filepath.Join(dir, "recipe.txtar"), cases+"\n")
	results, err := mapping.RunCases(t.Context(), filepath.Join(dir, "recipe.lua"))
	if err != nil || len(results) == 0 {
		t.Errorf("%s:%d: %d cases, error %v", doc, b.line, len(results), err)
	}
	for _, r := range results {
		if !r.Passed() {
			t.Errorf("%s:%d: %s", doc, b.line, r)
		}
	}
}
