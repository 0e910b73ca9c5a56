package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// scriptsDir is a scripts_dir with the files given.
func scriptsDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "scripts")
	for name, source := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// readEngine loads main.lua with its modules.
func readEngine(t *testing.T, dir string) *engine {
	t.Helper()
	script, err := ReadScript(dir, filepath.Join(dir, "main.lua"))
	if err != nil {
		t.Fatal(err)
	}
	c := Context{Clubs: map[string]Club{"": {Key: "downtown"}}}
	e, err := newEngine(t.Context(), script, c, roster.ImportTarget(sdk.KindMember))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	return e
}

func TestAScriptUsesModulesThatUseModules(t *testing.T) {
	t.Parallel()
	dir := scriptsDir(t, map[string]string{
		"main.lua": `local names = require("lib.names")
			local plans = require "lib/plans"
			function map(r) return { first_name = names.first(r.name), plan = plans.of.gold, calls = require("lib.counter").count() } end`,
		"lib/names.lua":   `local counter = require("lib.counter") counter.count() return { first = function(s) return text.title(s) end }`,
		"lib/plans.lua":   `require("lib.counter").count() return { of = { gold = "Gold plan" } }`,
		"lib/counter.lua": `local n = 0 return { count = function() n = n + 1 return n end }`,
		"unused.lua":      `this is no Lua`,
	})
	got, _ := mapIn(t, readEngine(t, dir), `{"name": "ANN"}`)
	if want := `{"calls":3,"first_name":"Ann","plan":"Gold plan","external_id":"1"}`; string(got.Data) != want {
		t.Errorf("%s (%s), want %s", got.Data, got.Reason, want)
	}
}

func TestWhatAScriptRequiresIsReadWithIt(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"sub/main.lua": `local a = require("a") function map() end`, "a.lua": `return { b = require("lib.b") }`, "lib/b.lua": `return {}`, "c.lua": `return {}`,
	}
	dir := scriptsDir(t, files)
	main := filepath.Join(dir, "sub", "main.lua")
	script, err := ReadScript(dir, main)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{main, filepath.Join(dir, "a.lua"), filepath.Join(dir, "lib", "b.lua")}
	if diff := cmp.Diff(want, script.Files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	digests := map[string]bool{script.Digest(): true}
	for name := range files {
		changed := Script{Source: script.Source, Modules: maps.Clone(script.Modules)}
		if name == "sub/main.lua" {
			changed.Source = []byte("other")
		} else if _, ok := changed.Modules[name]; ok {
			changed.Modules[name] = []byte("other")
		}
		digests[changed.Digest()] = true
	}
	if len(digests) != 4 {
		t.Errorf("%d digests: one of each file that is read, and that of none changed", len(digests))
	}
}

func TestWhatIsWrongWithModulesIsSaidWithItsPlace(t *testing.T) {
	t.Parallel()
	const main = "\nlocal m = require('m')\nfunction map() end"
	for name, test := range map[string]struct {
		files   map[string]string
		message string
		file    string
		line    int
	}{
		"missing":         {map[string]string{"main.lua": main}, `module "m": DIR/m.lua cannot be read: no such file or directory`, "main.lua", 2},
		"a folder":        {map[string]string{"main.lua": main, "m.lua/x": ""}, `module "m": DIR/m.lua cannot be read: not a regular file`, "main.lua", 2},
		"a circle":        {map[string]string{"main.lua": main, "m.lua": "return {n = require('n')}", "n.lua": "\nlocal m = require('m')\nreturn {}"}, "modules require each other in a circle: m.lua -> n.lua -> m.lua", "n.lua", 2},
		"itself":          {map[string]string{"main.lua": main, "m.lua": "return {require('m')}"}, "modules require each other in a circle: m.lua -> m.lua", "m.lua", 1},
		"the script":      {map[string]string{"main.lua": main, "m.lua": "return {require('main')}"}, "modules require each other in a circle: main.lua -> m.lua -> main.lua", "m.lua", 1},
		"computed":        {map[string]string{"main.lua": "local n = 'm'\nlocal m = require(n)\nfunction map() end"}, "require takes the name of a module in quotes and nothing else", "main.lua", 2},
		"joined":          {map[string]string{"main.lua": "local m = require('a' .. 'b')\nfunction map() end"}, "require takes the name of a module in quotes and nothing else", "main.lua", 1},
		"as a value":      {map[string]string{"main.lua": "local r = require\nfunction map() return r('m') end"}, "require can only be called", "main.lua", 1},
		"through pcall":   {map[string]string{"main.lua": "function map()\n  return pcall(require, 'm') end"}, "require can only be called", "main.lua", 2},
		"above":           {map[string]string{"main.lua": "require('../m') function map() end"}, `"../m" is no name of a module`, "main.lua", 1},
		"above in dots":   {map[string]string{"main.lua": "require('..m') function map() end"}, `"..m" is no name of a module`, "main.lua", 1},
		"absolute":        {map[string]string{"main.lua": "require('/etc/passwd') function map() end"}, `"/etc/passwd" is no name of a module`, "main.lua", 1},
		"nothing":         {map[string]string{"main.lua": "require('') function map() end"}, `"" is no name of a module`, "main.lua", 1},
		"syntax":          {map[string]string{"main.lua": main, "m.lua": "return {\n) }"}, `syntax error near ")"`, "m.lua", 2},
		"a global":        {map[string]string{"main.lua": main, "m.lua": "local a\nb = 1\nreturn {}"}, `assignment to the global "b" in a module`, "m.lua", 2},
		"a global inside": {map[string]string{"main.lua": main, "m.lua": "return { f = function()\nb = 1 end }"}, `assignment to the global "b" inside a function`, "m.lua", 2},
		"unknown":         {map[string]string{"main.lua": main, "m.lua": "return { f = function() return plans end }"}, `unknown name "plans"`, "m.lua", 1},
		"no table":        {map[string]string{"main.lua": main, "m.lua": "local x = 1"}, "the module returns no table", "m.lua", 0},
		"fails":           {map[string]string{"main.lua": main, "m.lua": "local t\nreturn { t.x }"}, "attempt to index a nil value (field 'x')", "m.lua", 2},
		"never loads":     {map[string]string{"main.lua": main, "m.lua": "while true do end"}, "the module did not finish loading within 1s", "m.lua", 0},
		"too large":       {map[string]string{"main.lua": main, "m.lua": strings.Repeat("-- x\n", 20000)}, "the script has 100000 bytes, at most 65536 are allowed", "m.lua", 0},
		"too deep":        {map[string]string{"main.lua": main, "m.lua": "return " + strings.Repeat("{", 300) + strings.Repeat("}", 300)}, "blocks or brackets nest deeper than 200 levels", "m.lua", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := scriptsDir(t, test.files)
			script, err := ReadScript(dir, filepath.Join(dir, "main.lua"))
			if err == nil {
				err = CheckScript(script)
			}
			fault, ok := errors.AsType[*ScriptError](err)
			want := strings.ReplaceAll(test.message, "DIR", dir)
			if !ok || fault.Message != want || fault.File != filepath.Join(dir, test.file) || fault.Line != test.line {
				t.Errorf("%v, want %s:%d: %s", err, test.file, test.line, want)
			}
		})
	}
}

func TestALinkOutOfTheFolderIsNotFollowed(t *testing.T) {
	t.Parallel()
	dir := scriptsDir(t, map[string]string{"main.lua": "local m = require('m')\nfunction map() end", "sub/inside.lua": "return {}"})
	outside := filepath.Join(t.TempDir(), "outside.lua")
	if err := os.WriteFile(outside, []byte("return {}"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "m.lua")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadScript(dir, filepath.Join(dir, "main.lua")); err == nil || !strings.Contains(err.Error(), "path escapes") {
		t.Errorf("%v, want a refusal", err)
	}
	if err := errors.Join(os.Remove(link), os.Symlink("sub/inside.lua", link)); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadScript(dir, filepath.Join(dir, "main.lua")); err != nil {
		t.Errorf("a link inside: %v", err)
	}
	if _, err := ReadScript(dir, outside); err == nil {
		t.Error("a script outside was read")
	}
	if _, err := ReadScript(dir, filepath.Join(dir, "none.lua")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want that there is none", err)
	}
}

func TestAModuleOffersPartsOfAPlan(t *testing.T) {
	t.Parallel()
	dir := scriptsDir(t, map[string]string{
		"main.lua": "local m = require('m')\nreturn mapping{\n  first_name = m.name,\n  last_name = m.tidy(source.last),\n  note = m.refused() }",
		"m.lua": "local function refused()\n\n\n\n\n\n\n  return when(source.bad:is('yes'), reject('bad'))\nend\n" +
			"return { name = source.name:trim():title(), tidy = function(field) return field:trim() end, refused = refused }",
	})
	e := readEngine(t, dir)
	for in, want := range map[string]string{
		`{"name": " ANN ", "last": " Lee "}`: `{"first_name":"Ann","last_name":"Lee","external_id":"1"}`,
		`{"name": "ANN", "bad": "yes"}`:      "bad at 5",
	} {
		got, _ := mapIn(t, e, in)
		if got := fmt.Sprintf("%s at %d", got.Reason, got.Line); got != want && !strings.HasPrefix(got, " at") {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
		if got.Verdict == roster.VerdictMapped && string(got.Data) != want {
			t.Errorf("%s: %s, want %s", in, got.Data, want)
		}
	}
}

func TestAModuleCannotBeChangedAndItsErrorsNameIt(t *testing.T) {
	t.Parallel()
	dir := scriptsDir(t, map[string]string{
		"main.lua": "local m = require('m')\nfunction map(r)\n  if r.write then m.x = 1 end\n  if r.fail then m.fail(r) end\n  return { first_name = m.name } end",
		"m.lua":    "local function fail(r)\n  return r.nothing.at_all\nend\nreturn { fail = fail, name = 'Ann' }",
	})
	e := readEngine(t, dir)
	for in, want := range map[string]string{
		`{"write": true}`: filepath.Join(dir, "main.lua") + ":3: the module is read-only",
		`{"fail": true}`:  filepath.Join(dir, "main.lua") + ":4: in " + filepath.Join(dir, "m.lua") + ":2: attempt to index a nil value (field 'at_all')",
		`{}`:              "",
	} {
		if got, _ := mapIn(t, e, in); got.Reason != want {
			t.Errorf("%s: %q, want %q", in, got.Reason, want)
		}
	}
}
