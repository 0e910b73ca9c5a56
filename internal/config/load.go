package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	_ "time/tzdata" // zones are known on machines without a zone database

	"go.yaml.in/yaml/v4"
)

// maxFiles bounds the files of one configuration.
const maxFiles = 10_000

// Load reads the configuration file at path with the files that it includes.
// An error of the configuration is a [*Faults] with everything that is wrong;
// its warnings stand among them then, and in [Config].Warnings otherwise.
func Load(path string, opts Options) (*Config, error) {
	if opts.Getenv == nil {
		opts.Getenv = func(string) string { return "" }
	}
	l := &loader{opts: opts, cfg: &Config{
		Path: path, connections: map[string]value{}, accounts: map[string]value{}, unresolved: map[*yaml.Node]bool{},
	}}
	shapes, err := compile(ownURL, schemaText, "", "#/$defs/accounts_file")
	if err != nil {
		return nil, fmt.Errorf("load configuration: %w", err)
	}
	roots := []value{l.open(path, shapes[0])}
	l.readRoot(roots[0])
	for _, name := range l.included(roots[0].get("include")) {
		roots = append(roots, l.open(name, shapes[1]))
	}
	l.readAccounts(roots)
	l.checkUse(roots[0])
	l.checkClubs()
	return l.result()
}

// loader collects findings while it fills in a configuration.
type loader struct {
	opts  Options
	cfg   *Config
	files []*source
	list  []Fault
	// broken are the places at which the shape is wrong: what a value there
	// means is not worth a second fault.
	broken map[*yaml.Node]bool
	// shaping says that the shape is being checked.
	shaping bool
}

// open reads a file and checks its shape.
func (l *loader) open(name string, s *shape) value {
	src, fault := l.opts.openSource(name)
	l.files = append(l.files, src)
	if fault != nil {
		l.list = append(l.list, *fault)
		return value{src: src}
	}
	root := value{src: src, node: src.root}
	l.shaping = true
	l.checkTree(root, 0)
	l.checkShape(root, s, plain(root), nil)
	l.shaping = false
	return root
}

// fault adds a fault at a value. It always returns false.
func (l *loader) fault(v value, code Code, message, hint string) bool {
	return l.find(SeverityError, v, code, message, hint)
}

func (l *loader) warn(v value, code Code, message, hint string) {
	l.find(SeverityWarning, v, code, message, hint)
}

func (l *loader) find(severity Severity, v value, code Code, message, hint string) bool {
	at := v.at()
	if at != nil && l.broken[at] && !l.shaping {
		return false
	}
	if l.shaping && at != nil && code != CodeMissing {
		if l.broken == nil {
			l.broken = map[*yaml.Node]bool{}
		}
		if l.broken[at] {
			return false
		}
		l.broken[at] = true
	}
	f := v.src.fault(at, code, message, hint)
	f.Severity = severity
	l.list = append(l.list, f)
	return false
}

// findings returns what was found, with excerpts.
func (l *loader) findings() []Fault {
	for i, f := range l.list {
		for _, src := range l.files {
			if src.name == f.File {
				l.list[i] = src.show(f)
			}
		}
	}
	return tidy(l.list, l.files)
}

func (l *loader) result() (*Config, error) {
	list := l.findings()
	if slices.ContainsFunc(list, func(f Fault) bool { return f.Severity == SeverityError }) {
		return nil, &Faults{List: list, Listen: l.cfg.Listen}
	}
	l.cfg.Warnings = list
	return l.cfg, nil
}

// included returns the files that the patterns name, in the order of the
// patterns and of their names, each once and never the main file.
func (l *loader) included(patterns value) []string {
	seen := map[string]bool{filepath.Clean(l.cfg.Path): true}
	var names []string
	for _, entry := range patterns.items() {
		pattern, ok := entry.text()
		if !ok {
			continue
		}
		l.cfg.Include = append(l.cfg.Include, resolve(entry.src.dir, pattern))
		// Names stay as short as the path of the main file, for people.
		found, err := filepath.Glob(resolve(filepath.Dir(l.cfg.Path), pattern))
		if err != nil {
			l.fault(entry, CodeFile, quote(pattern)+" is no pattern", `write a pattern such as accounts.d/*.yaml`)
		} else if len(found) == 0 && !strings.ContainsAny(pattern, "*?[") {
			l.fault(entry, CodeFile, quote(pattern)+" does not exist", "correct the path; it counts from this file's folder")
		}
		for _, name := range append(found, l.opts.pretended(resolve(filepath.Dir(l.cfg.Path), pattern))...) {
			if !seen[filepath.Clean(name)] {
				seen[filepath.Clean(name)] = true
				names = append(names, name)
			}
		}
	}
	if len(names) > maxFiles {
		l.fault(patterns, CodeFile, fmt.Sprintf("the patterns name %d files, at most %d are read", len(names), maxFiles), "narrow the patterns")
		return nil
	}
	return names
}

// pretended are the names under which a pattern finds the files that are pretended.
func (o Options) pretended(pattern string) []string {
	var names []string
	whole, err := filepath.Abs(pattern)
	if err != nil {
		return nil
	}
	for _, path := range slices.Sorted(maps.Keys(o.Pretend)) {
		if ok, err := filepath.Match(whole, path); err == nil && ok {
			names = append(names, filepath.Join(filepath.Dir(pattern), filepath.Base(path)))
		}
	}
	return names
}

func resolve(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}
