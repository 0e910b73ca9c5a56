package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/metrics"
)

const rulesFile = "daemon/packaging/rosterd.rules.yml"

// TestTheTableOfMetricsIsThatOfTheProgram is rewritten with -update.
func TestTheTableOfMetricsIsThatOfTheProgram(t *testing.T) {
	t.Parallel()
	const path, head = "docs/monitoring.md", "| Metric | Type | Labels | Tells |\n| --- | --- | --- | --- |\n"
	d := readDocument(t, path)
	before, rest, ok := strings.Cut(d.text, head)
	if !ok {
		t.Fatalf("%s has no table of metrics", path)
	}
	table, after, _ := strings.Cut(rest, "\n\n")
	var want strings.Builder
	for _, f := range metrics.Families() {
		labels := ""
		if len(f.Labels) > 0 {
			labels = "`" + strings.Join(f.Labels, "`, `") + "`"
		}
		want.WriteString("| `" + f.Name + "` | " + f.Type + " | " + labels + " | " + f.Help + " |\n")
	}
	if *update {
		text := before + head + want.String() + "\n" + strings.TrimLeft(after, "\n")
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), table+"\n"); diff != "" {
		t.Errorf("the metrics (-) and the table in %s (+) differ; run  go test ./docs -update\n%s", path, diff)
	}
}

func TestTheRulesAreOverMetricsThatThereAreAndStandInTheManual(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(root, rulesFile))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range metrics.Families() {
		known[f.Name] = true
	}
	for _, name := range regexp.MustCompile(`\brosterd_[a-z_]+\b`).FindAllString(string(raw), -1) {
		if !known[name] {
			t.Errorf("%s uses %s, which is no metric", rulesFile, name)
		}
	}
	manual := readDocument(t, "docs/monitoring.md").text
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(raw), -1)
	for _, m := range alerts {
		if !strings.Contains(manual, "`"+m[1]+"`") {
			t.Errorf("docs/monitoring.md lacks %s", m[1])
		}
		tested, err := os.ReadFile(filepath.Join(root, "daemon/packaging/rosterd.rules.test.yml"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(tested), "alertname: "+m[1]) {
			t.Errorf("the rule %s has no test", m[1])
		}
	}
	if len(alerts) == 0 {
		t.Error("there are no rules")
	}
}
