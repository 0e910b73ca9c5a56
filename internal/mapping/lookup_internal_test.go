package mapping

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// writeFiles makes a scripts_dir.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestATableIsReadWithTheScript(t *testing.T) {
	t.Parallel()
	const cities = "\ufeffcity,region,zone\nToronto , ON ,east\n\"Québec, Ville\",QC,\n"
	for call, want := range map[string]string{
		`lookup("t/cities.csv", FIELD.city)`:                   "ON",
		`lookup("t/cities.csv", FIELD.city, "?", "zone")`:      "east",
		`lookup("t/cities.csv", FIELD.other, "?")`:             "?",
		`lookup("t/cities.csv", FIELD.quebec)`:                 "QC",
		`lookup("t/cities.csv", FIELD.quebec, "none", "zone")`: "none",
	} {
		for _, script := range []string{"function map(record) return { first_name = CALL } end", "return mapping{ first_name = CALL }"} {
			field := "record"
			if strings.HasPrefix(script, "return") {
				field = "source"
			}
			script = strings.ReplaceAll(script, "CALL", strings.ReplaceAll(call, "FIELD", field))
			dir := writeFiles(t, map[string]string{"x.lua": script, "t/cities.csv": cities})
			read, err := ReadScript(dir, filepath.Join(dir, "x.lua"))
			if err != nil {
				t.Fatal(err)
			}
			e, err := newEngine(t.Context(), read, Context{}, newTestEngine(t, "function map() end").target)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(e.close)
			page, err := casePage(sdk.KindMember, []byte(`{"city": "TORONTO", "other": "Soho", "quebec": "quebec, ville"}`))
			if err != nil {
				t.Fatal(err)
			}
			got := e.mapPage(page, rowSet{to: 1}, func(int) {}).Records[0]
			if string(got.Data) != `{"first_name":"`+want+`","external_id":"1"}` {
				t.Errorf("%s: %s (%s), want %s", script, got.Data, got.Reason, want)
			}
		}
	}
}

func TestAnEditedTableChangesTheDigest(t *testing.T) {
	t.Parallel()
	digests := map[string]bool{}
	for _, table := range []string{"a,b\n1,2\n", "a,b\n1,3\n"} {
		dir := writeFiles(t, map[string]string{"x.lua": `return mapping{ a = source.a:lookup("t.csv") }`, "t.csv": table})
		read, err := ReadScript(dir, filepath.Join(dir, "x.lua"))
		if err != nil {
			t.Fatal(err)
		}
		digests[read.Digest()] = true
		if files := read.Files(); len(files) != 2 || files[1] != filepath.Join(dir, "t.csv") {
			t.Errorf("files %v", files)
		}
	}
	if len(digests) != 2 {
		t.Error("both tables have one digest")
	}
}

func TestAFaultyTableIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	for table, want := range map[string]string{
		"":                               "t.csv: the table is empty",
		"a\n1\n":                         "t.csv:1: a lookup table has two columns or more",
		"a,b\n1,2\nx\n":                  "t.csv:3:1: the table is no CSV: wrong number of fields",
		"a,b\n1,\"2\n":                   "t.csv:",
		"a,b\nAnn,2\n ANN ,3\n":          "t.csv:3: the key of this row stands in line 2 already",
		strings.Repeat("a,b\n", 300_000): "x.lua:1: ",
	} {
		dir := writeFiles(t, map[string]string{"x.lua": `return mapping{ a = source.a:lookup("t.csv") }`, "t.csv": table})
		read, err := ReadScript(dir, filepath.Join(dir, "x.lua"))
		if err == nil {
			err = CheckScript(read)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", table, err, want)
		}
	}
	for name, want := range map[string]string{
		"../t.csv": "the name leads out of scripts_dir", "/etc/x.csv": "the name leads out of scripts_dir",
		"no.csv": "x.lua:1: ", "link.csv": "the table cannot be read",
	} {
		dir := writeFiles(t, map[string]string{"x.lua": `function map(r) return { a = lookup("` + name + `", r.a) } end`})
		if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.csv")); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadScript(dir, filepath.Join(dir, "x.lua")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}
