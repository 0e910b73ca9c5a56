// Package docs_test holds the documents to what the program does.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = ".."

// limits are the most lines of a document: what grows beyond is not read.
func limits() map[string]int {
	return map[string]int{
		"README.md": 150, "CONTRIBUTING.md": 200, "docs/architecture.md": 200, "docs/adapters.md": 290, "docs/targets.md": 220,
		"docs/mapping.md": 350, "docs/export.md": 250, "docs/run-states.md": 80, "docs/operations.md": 200, "docs/turn-up.md": 80,
		"docs/schedule.md": 120, "docs/guarantees.md": 130, "docs/backup.md": 100, "docs/errors.md": 400, "docs/connector.md": 170, "docs/abilities.md": 80,
		"docs/partner-guide.md": 120, "docs/privacy.md": 130,
		"docs/monitoring.md": 180, "docs/log.md": 80,
		"docs/adr/*.md": 80, "plugins/*/README.md": 100,
	}
}

// document is one Markdown file with its fenced blocks.
type document struct {
	// path is relative to the repository.
	path   string
	text   string
	blocks []block
}

// block is a fenced block: the words behind its fence, and what is in it.
type block struct {
	language, info string
	line           int
	text           string
}

// documents returns every Markdown file of the repository.
func documents(t *testing.T) []document {
	t.Helper()
	var docs []document
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "bin" || name == "testdata") {
			return filepath.SkipDir
		}
		if filepath.Ext(name) != ".md" {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		docs = append(docs, readDocument(t, rel))
		return nil
	})
	if err != nil || len(docs) == 0 {
		t.Fatalf("%d documents, error %v", len(docs), err)
	}
	return docs
}

func readDocument(t *testing.T, path string) document {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return document{path: path, text: string(raw), blocks: parseBlocks(string(raw))}
}

func parseBlocks(text string) []block {
	var blocks []block
	open := false
	for i, line := range strings.Split(text, "\n") {
		fence, found := strings.CutPrefix(line, "```")
		switch {
		case found && !open:
			language, info, _ := strings.Cut(fence, " ")
			blocks = append(blocks, block{language: language, info: info, line: i + 2})
			open = true
		case found:
			open = false
		case open:
			blocks[len(blocks)-1].text += line + "\n"
		}
	}
	return blocks
}

// prose is the document without its fenced blocks.
func (d document) prose() string {
	return regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(d.text, "")
}

func TestDocumentsKeepTheirLimits(t *testing.T) {
	t.Parallel()
	generated := regexp.MustCompile(`(?s)<!-- \w+: written by .*?<!-- end of \w+ -->\n`)
	for pattern, most := range limits() {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(paths) == 0 {
			t.Errorf("%s: no such document (%v)", pattern, err)
		}
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			// A table that is written from the code is looked up and not read.
			written := generated.ReplaceAllString(string(raw), "")
			if n := strings.Count(written, "\n"); n > most {
				t.Errorf("%s has %d lines, at most %d", path, n, most)
			}
		}
	}
}

func TestEveryRelativeLinkResolves(t *testing.T) {
	t.Parallel()
	links := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, d := range documents(t) {
		for _, m := range links.FindAllStringSubmatch(d.prose(), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := d.path
			if target != "" {
				path = filepath.Join(filepath.Dir(d.path), target)
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", d.path, m[1])
			} else if anchor != "" && !slices.Contains(anchors(readDocument(t, path)), anchor) {
				t.Errorf("%s: %s has no heading #%s", d.path, path, anchor)
			}
		}
	}
}

// anchors are the names under which a document's headings can be linked.
func anchors(d document) []string {
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(d.prose(), -1) {
		name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// TestQuotedTextStandsInItsFile holds every block whose fence names a file of
// the repository to that file.
func TestQuotedTextStandsInItsFile(t *testing.T) {
	t.Parallel()
	quoted := map[string]int{}
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if !strings.Contains(b.info, "/") {
				continue
			}
			quoted[d.path]++
			raw, err := os.ReadFile(filepath.Join(root, b.info))
			if err != nil {
				t.Errorf("%s:%d: %v", d.path, b.line, err)
			} else if !strings.Contains(string(raw), b.text) {
				t.Errorf("%s:%d: the block does not stand in %s as it stands here", d.path, b.line, b.info)
			}
		}
	}
	for _, path := range []string{"docs/adapters.md", "docs/export.md"} {
		if quoted[path] == 0 {
			t.Errorf("%s quotes nothing: its code comes from the repository's files", path)
		}
	}
}
