package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// EditorField is a field that an editor completes.
type EditorField struct {
	Name string
	// Doc says what it is, in a few words; may be empty.
	Doc string
}

// EditorTypes writes the definitions from which the Lua language server
// completes and checks scripts (LuaCATS annotations): the library, from the
// table that the engine itself is built from, and the fields of a job where they
// are known; without target fields those that every business has stand there.
// They are read by an editor and by nothing else. The second line holds a
// checksum, by which [EditorTypesEdited] tells whether a person changed them.
func EditorTypes(source, target []EditorField) []byte {
	t := &editorTypes{}
	if len(target) == 0 {
		for _, name := range wellKnown() {
			target = append(target, EditorField{Name: name})
		}
	}
	t.head()
	t.fields(source, target)
	t.plan()
	t.library()
	body := t.b.String()
	return []byte(metaLine + checksumLine(body) + body)
}

const metaLine = "---@meta\n"

// checksumLine is the second line of definitions.
func checksumLine(body string) string {
	sum := sha256.Sum256([]byte(body))
	return "-- Written by `rosterd lua init`, which keeps its hands off when this was edited: " + hex.EncodeToString(sum[:8]) + "\n"
}

// EditorTypesEdited reports whether definitions are not, or not any more, as
// [EditorTypes] wrote them.
func EditorTypesEdited(text []byte) bool {
	rest, ok := strings.CutPrefix(string(text), metaLine)
	_, body, cut := strings.Cut(rest, "\n")
	return !ok || !cut || !strings.HasPrefix(rest, checksumLine(body))
}

type editorTypes struct{ b strings.Builder }

func (t *editorTypes) line(format string, args ...any) { fmt.Fprintf(&t.b, format+"\n", args...) }

func (t *editorTypes) head() {
	t.line(`
--- Empty by intent: the target's field is emptied.
---@class rosterd.Null
null = {}

--- One location of the account.
---@class rosterd.Club
---@field key string
---@field id string
---@field name? string
---@field country? string
---@field timezone? string

--- What a function is told beside the record.
---@class rosterd.Context
---@field account string
---@field job string
---@field kind string
---@field country? string
---@field timezone? string
---@field clubs table<string, rosterd.Club>
`)
}

func (t *editorTypes) fields(source, target []EditorField) {
	t.line("--- The source record. Numbers arrive as text.\n---@class rosterd.Record\n---@field id string\n---@field club? string\n---@field [string] any")
	for _, f := range source {
		t.field(f, "", "any")
	}
	t.line("\n--- The fields of the source record, in a plan.\n---@class rosterd.Source\n---@field id rosterd.Field\n---@field club rosterd.Field\n---@field [string] rosterd.Field")
	for _, f := range source {
		t.field(f, "", "rosterd.Field")
	}
	t.line("\n---@type rosterd.Source\nsource = {}\n\n--- The target record: its fields, and in a plan its rules.\n---@class rosterd.Target\n---@field [any] any")
	for _, f := range target {
		t.field(f, "?", "any")
	}
	t.line("")
}

// field writes a field of a class. A name that Lua cannot write behind a dot
// stands in brackets; one that would end the line is left out.
func (t *editorTypes) field(f EditorField, optional, kind string) {
	name := f.Name
	switch {
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) || name == "id" || name == "club":
		return
	case !regexp.MustCompile(`^[A-Za-z_]\w*$`).MatchString(name):
		name = fmt.Sprintf("[%q]", name)
		optional = ""
	}
	doc := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, f.Doc)
	t.line("%s", strings.TrimSpace(fmt.Sprintf("---@field %s%s %s %s", name, optional, kind, doc)))
}

func (t *editorTypes) plan() {
	t.line(`--- Ends the script: what each target field is made of.
---@param target rosterd.Target
---@return table
function mapping(target) end

--- In a plan: the second where the condition holds, else the third.
---@param condition any
---@param yes any
---@param no? any
---@return rosterd.Field
function when(condition, yes, no) end

--- Lua code for one field of a plan.
---@param fn fun(record: rosterd.Record, context: rosterd.Context): any
---@return rosterd.Field
function call(fn) end

--- A fixed value in a plan, which then has methods.
---@param value any
---@return rosterd.Field
function const(value) end

--- Wants no target record.
---@param reason? string
---@return any
function skip(reason) end

--- Puts the record into quarantine.
---@param reason? string
---@return any
function reject(reason) end
`)
}

func (t *editorTypes) library() {
	list := functions()
	t.line("--- A field of a plan.\n---@class rosterd.Field\n---@operator concat(any): rosterd.Field\n---@operator add(any): rosterd.Field\n" +
		"---@operator sub(any): rosterd.Field\n---@operator mul(any): rosterd.Field\n---@operator div(any): rosterd.Field\nlocal Field = {}\n")
	for _, f := range list {
		if f.method != "" {
			t.function("Field:"+f.method, f.doc, methodParams(f.params), "rosterd.Field", false)
		}
	}
	tables := map[string]bool{"": true}
	for _, f := range list {
		if !tables[f.table] {
			tables[f.table] = true
			t.line("%s = {}\n", f.table)
		}
		t.function(f.fullName(), f.doc, splitParams(f.params), luaType(f.returns), true)
	}
}

func splitParams(params string) []string {
	return slices.DeleteFunc(strings.Split(strings.ReplaceAll(params, " ", ""), ","), func(p string) bool { return p == "" })
}

// methodParams are the arguments without the one that the method stands behind.
func methodParams(params string) []string {
	list := splitParams(params)
	behind := max(slices.Index(list, "s"), 0)
	if behind < len(list) && list[behind] != "..." {
		list = slices.Delete(list, behind, behind+1)
	}
	return list
}

// function writes one definition. inPlan says that arguments may be fields of a
// plan, which make the result one.
func (t *editorTypes) function(name, doc string, params []string, returns string, inPlan bool) {
	names := make([]string, len(params))
	t.line("--- %s", doc)
	for i, p := range params {
		names[i] = strings.Trim(p, "[]")
		optional := ""
		if names[i] != p && names[i] != "..." {
			optional = "?"
		}
		t.line("---@param %s%s any", names[i], optional)
	}
	t.line("---@return %s", returns)
	if inPlan && len(names) > 0 && names[0] != "..." {
		typed := slices.Clone(names)
		for i := range typed {
			typed[i] += ": any"
		}
		typed[0] = names[0] + ": rosterd.Field"
		t.line("---@overload fun(%s): rosterd.Field", strings.Join(typed, ", "))
	}
	t.line("function %s(%s) end\n", name, strings.Join(names, ", "))
}

// luaType is the type of what a function returns; nothing in is nil out.
func luaType(returns string) string {
	switch returns {
	case "text":
		return "string?"
	case "number":
		return "number?"
	case "bool":
		return "boolean"
	case "list":
		return "table?"
	}
	return "any"
}
