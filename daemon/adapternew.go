package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

//go:embed scaffold/*.tmpl
var scaffold embed.FS

// goVersion is the oldest Go that compiles the SDK.
const goVersion = "1.26.0"

func (c *cli) adapterNewCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "new NAME", Short: "Write a working adapter to start from", Args: exactly("NAME"),
		Long: `Write a working adapter into an empty folder: a program that reads members from
an HTTP API, and its test with a fake of that API. Change it to what your system
is like; the test says what is still wrong.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if dir == "" {
				dir = args[0]
			}
			return c.newAdapter(args[0], dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "empty folder to write into (default: NAME)")
	return cmd
}

// newAdapter writes the files and says how to go on.
func (c *cli) newAdapter(name, dir string) error {
	if err := adapterName(name); err != nil {
		return err
	}
	path, err := emptyFolder(dir)
	if err != nil {
		return err
	}
	files, err := writeScaffold(path, map[string]string{"Name": name, "Go": goVersion, "Version": released(version)})
	if err != nil {
		return err
	}
	if c.json {
		c.print(map[string]any{
			"command": "adapter new", "ok": true, "error": nil,
			"result": map[string]any{"name": name, "dir": path, "files": files},
		})
		return nil
	}
	fmt.Fprintf(c.stdout, "wrote %s into %s\n\nNext:\n  cd %s\n", strings.Join(files, ", "), path, path)
	if released(version) == "" {
		fmt.Fprintln(c.stdout, "  go mod edit -replace github.com/rosterd/rosterd=FOLDER   # this rosterd is no release: name the folder of its source")
	}
	fmt.Fprintf(c.stdout, `  go mod tidy
  make test      # the conformance suite, against a fake of the outside system
  make build     # bin/%s
  rosterd adapter test bin/%[1]s --settings FILE   # against a real system
`, name)
	return nil
}

var (
	kebab   = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	release = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`)
	between = regexp.MustCompile(`-[0-9]+-g[0-9a-f]+|-dirty`)
)

// ownAdapters are the names of the adapters that come with rosterd.
func ownAdapters() []string { return []string{"csv", "intandem", "ndjson", "rest"} }

// goPackages are the one-word names that a Go module cannot have because the
// standard library or the go command uses them.
func goPackages() []string {
	return strings.Fields(`arena archive bufio builtin bytes cmd cmp compress container context crypto database debug embed
		encoding errors expvar flag fmt go hash html image index internal io iter log main maps math mime net os path plugin
		reflect regexp runtime slices sort std strconv strings structs sync syscall test testing text time unicode unique unsafe
		vendor weak`)
}

func adapterName(name string) error {
	switch {
	case !kebab.MatchString(name) || len(name) > 40:
		return usagef("adapter name %q is not in kebab-case of at most 40 letters (like my-system)", name)
	case slices.Contains(ownAdapters(), name):
		return usagef("adapter %q comes with rosterd: choose another name", name)
	case slices.Contains(goPackages(), name):
		return usagef("a Go module cannot be called %q: choose another name, such as %s-crm", name, name)
	}
	return nil
}

// released returns a version that a go.mod can name, nothing where the program
// is no release.
func released(version string) string {
	if !release.MatchString(version) || between.MatchString(version) {
		return ""
	}
	return version
}

// emptyFolder makes sure that a folder is there, has nothing in it, and is no
// part of rosterd's own source, where the go command would take it for one of
// its packages.
func emptyFolder(dir string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the folder: %w", err)
	}
	entries, err := os.ReadDir(path)
	switch {
	case err == nil && len(entries) > 0:
		return "", usagef("%s is not empty: name another folder with --dir", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", usagef("%s cannot be used: %w; name another folder with --dir", path, err)
	}
	for parent := filepath.Dir(path); ; parent = filepath.Dir(parent) {
		text, err := readSmall(filepath.Join(parent, "go.mod"), maxSettings)
		if err == nil && bytes.Contains(text, []byte("module github.com/rosterd/rosterd\n")) {
			return "", usagef("%s lies in rosterd's own source: name a folder outside of it with --dir", path)
		}
		if parent == filepath.Dir(parent) {
			break
		}
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return "", fmt.Errorf("make the folder: %w", err)
	}
	return path, nil
}

// writeScaffold writes every template and returns the names of the files.
func writeScaffold(dir string, values map[string]string) ([]string, error) {
	templates, err := template.New("").Delims("<<", ">>").Option("missingkey=error").ParseFS(scaffold, "scaffold/*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("read the templates: %w", err)
	}
	var files []string
	for _, t := range templates.Templates() {
		if !strings.HasSuffix(t.Name(), ".tmpl") {
			continue
		}
		var text bytes.Buffer
		if err := t.Execute(&text, values); err != nil {
			return nil, fmt.Errorf("fill in a template: %w", err)
		}
		file := strings.TrimSuffix(t.Name(), ".tmpl")
		if err := os.WriteFile(filepath.Join(dir, file), append(bytes.TrimRight(text.Bytes(), "\n"), '\n'), 0o644); err != nil {
			return nil, fmt.Errorf("write the adapter: %w", err)
		}
		files = append(files, file)
	}
	slices.Sort(files)
	return files, nil
}
