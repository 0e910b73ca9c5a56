package adapters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

// A grant is one path that a confined adapter is let through to because a
// connection's settings name it.
type grant struct {
	path  string
	write bool
}

// grantsOf finds the paths in a connection's settings: the texts to which the
// adapter's schema gives "format": "path". A relative one counts from the
// folder that adapters run in. Of a pattern the folder before its first
// variable part is taken. With "x-access": "write" beside the format the
// adapter may also write, in the folder or, for a file, in the folder in which
// it stands, so that the file can be made and replaced.
func (h *Host) grantsOf(conn roster.Connection, schema json.RawMessage) ([]grant, error) {
	var rules, settings any
	if len(bytes.TrimSpace(schema)) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(schema, &rules); err != nil {
		return nil, fmt.Errorf("settings schema of adapter %s: %w", conn.Adapter, err)
	}
	if err := json.Unmarshal([]byte(conn.Settings.Reveal()), &settings); err != nil {
		return nil, fmt.Errorf("settings of connection %s are not JSON", conn.Ref)
	}
	root, _ := rules.(map[string]any)
	w := schemaWalk{root: root}
	w.walk(rules, settings, 0)
	for i, g := range w.found {
		g = h.widen(g)
		if private := h.private(g.path); private != "" {
			return nil, fmt.Errorf("%w: the settings name %s, and %s is rosterd's own; move what the adapter reads or writes"+
				" to a folder of its own and correct the settings", ErrPrivate, g.path, private)
		}
		w.found[i] = g
	}
	return w.found, nil
}

// widen makes a named path absolute and takes of it what a rule can be made
// for.
func (h *Host) widen(g grant) grant {
	if !filepath.IsAbs(g.path) {
		g.path = filepath.Join(h.opt.WorkDir, g.path)
	}
	g.path = filepath.Clean(g.path)
	st, err := os.Stat(g.path)
	if i := strings.IndexAny(g.path, "*?["); i >= 0 && err != nil {
		g.path = filepath.Dir(g.path[:i] + "x")
		st, err = os.Stat(g.path)
	}
	if g.write && (err != nil || !st.IsDir()) {
		g.path = filepath.Dir(g.path)
	}
	return g
}

// private returns the path of the daemon's own that lies at, below or above a
// path, or nothing.
func (h *Host) private(path string) string {
	path = follow(path)
	for _, own := range h.opt.Private {
		if r := follow(own); within(r, path) || within(path, r) {
			return own
		}
	}
	return ""
}

// follow resolves the links in a path as far as it exists.
func follow(path string) string {
	if r, err := filepath.EvalSymlinks(path); err == nil {
		return r
	}
	if dir := filepath.Dir(path); dir != path {
		return filepath.Join(follow(dir), filepath.Base(path))
	}
	return path
}

// within reports whether a path is a folder or lies in it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// schemaWalk finds paths by walking settings along their schema. It takes every
// alternative of a schema for one that applies.
type schemaWalk struct {
	root  map[string]any
	found []grant
}

// maxSchemaDepth ends the walk of a schema that refers to itself.
const maxSchemaDepth = 64

func (w *schemaWalk) walk(rule, value any, depth int) {
	r, ok := rule.(map[string]any)
	if !ok || depth > maxSchemaDepth {
		return
	}
	if text, ok := value.(string); ok && text != "" && r["format"] == "path" {
		w.add(grant{path: text, write: r["x-access"] == "write"})
	}
	w.alternatives(r, value, depth+1)
	switch v := value.(type) {
	case map[string]any:
		properties, _ := r["properties"].(map[string]any)
		for key, each := range v {
			if p, ok := properties[key]; ok {
				w.walk(p, each, depth+1)
			} else {
				w.walk(r["additionalProperties"], each, depth+1)
			}
		}
	case []any:
		prefix, _ := r["prefixItems"].([]any)
		for i, each := range v {
			if i < len(prefix) {
				w.walk(prefix[i], each, depth+1)
			} else {
				w.walk(r["items"], each, depth+1)
			}
		}
	}
}

// alternatives walks what a rule says of the same value elsewhere.
func (w *schemaWalk) alternatives(rule map[string]any, value any, depth int) {
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		list, _ := rule[key].([]any)
		for _, each := range list {
			w.walk(each, value, depth)
		}
	}
	for _, key := range []string{"if", "then", "else"} {
		w.walk(rule[key], value, depth)
	}
	if ref, ok := rule["$ref"].(string); ok {
		w.walk(w.resolve(ref), value, depth)
	}
}

func (w *schemaWalk) add(g grant) {
	if !slices.Contains(w.found, g) {
		w.found = append(w.found, g)
	}
}

// resolve follows a reference inside the schema ("#/$defs/file").
func (w *schemaWalk) resolve(ref string) any {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	var at any = w.root
	for key := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if key == "" {
			continue
		}
		object, _ := at.(map[string]any)
		at = object[strings.NewReplacer("~1", "/", "~0", "~").Replace(key)]
	}
	return at
}
