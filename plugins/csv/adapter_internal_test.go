package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestTheAdapterCanReadAndCheck(t *testing.T) {
	got := adapter().Describe().Abilities
	if diff := cmp.Diff([]sdk.Ability{sdk.AbilitySource, sdk.AbilityChecker}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheSchemaNamesEverySetting(t *testing.T) {
	var s struct {
		Properties map[string]struct {
			Description string `json:"description"`
		} `json:"properties"`
	}
	if err := json.Unmarshal([]byte(schema), &s); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(settings{})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	for name := range fields {
		if s.Properties[name].Description == "" {
			t.Errorf("the setting %s has no description", name)
		}
	}
	if len(fields) != len(s.Properties) {
		t.Errorf("%d settings, %d described", len(fields), len(s.Properties))
	}
}

func TestWrongSettingsAreRefusedWithTheirName(t *testing.T) {
	for text, word := range map[string]string{
		`{"id":"no"}`:                                "path",
		`{"path":"a.csv"}`:                           "id",
		`{"path":"a.csv","id":"no","kind":"x"}`:      "kind",
		`{"path":"a.csv","id":"no","delimiter":"|"}`: "delimiter",
		`{"path":"a.csv","id":"no","encoding":"x"}`:  "encoding",
		`{"path":"a.csv","id":"no","colour":"x"}`:    "colour",
		`[]`: "settings",
	} {
		_, err := adapter().Opener.Open(t.Context(), sdk.Connection{Settings: json.RawMessage(text)})
		wantCode(t, err, sdk.CodeConfig, word)
	}
}

func TestARelativePathCountsFromTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a.csv", "no\n1\n")
	if got, _ := walk(t, opened(t, "a.csv"), nil, 10); ids(got) != "1" {
		t.Errorf("got %s", ids(got))
	}
}

func TestCheckSaysWhatIsWrongWithAFile(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		words []string
	}{
		"no id column":     {"member,name\n1,a\n", []string{`no column "no"`, "id", `"member" "name"`}},
		"no club column":   {"no,name\n1,a\n", []string{`no column "club"`, `"no" "name"`}},
		"no header line":   {"1001,Ann,ann@example.com\n", []string{"first line looks like a record"}},
		"empty":            {"\n\n", []string{"the file is empty"}},
		"a name twice":     {"no,name,club,name\n", []string{"columns 2 and 4", "rename"}},
		"no name":          {"no,,club\n", []string{"column 2 has no name"}},
		"a stray quote":    {"\n\nno,a \"b\",club\n", []string{"line 3", "quote"}},
		"an unclosed one":  {"no,\"club\n1,2\n", []string{"line 1", "quote"}},
		"too many columns": {"no,club" + strings.Repeat(",x", 1100) + "\n", []string{"1024"}},
		"other line ends":  {"no,club\r1,2\r", []string{"carriage return"}},
		"not text":         {"no,club,\x00\n", []string{"encoding"}},
		"too long":         {strings.Repeat("no,club,", 200000), []string{"1 MiB"}},
	} {
		t.Run(name, func(t *testing.T) {
			src := opened(t, written(t, "a.csv", c.text), "club", "club")
			err := src.(sdk.Checker).Check(t.Context())
			wantCode(t, err, sdk.CodeConfig, append(c.words, "a.csv")...)
			for _, value := range []string{"Ann", "ann@", "1001"} {
				if strings.Contains(err.Error(), value) {
					t.Errorf("the message has a value of a record: %v", err)
				}
			}
			if _, again := src.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 1}); again == nil || again.Error() != err.Error() {
				t.Errorf("reading says %v, checking %v", again, err)
			}
		})
	}
}

func TestCheckAcceptsAGoodFile(t *testing.T) {
	path := written(t, "a.csv", "\xef\xbb\xbf no ;\"club\"\n1;2\n")
	if err := opened(t, path, "club", "club").(sdk.Checker).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAFileThatIsNotThereIsNamed(t *testing.T) {
	dir := t.TempDir()
	for setting, word := range map[string]string{
		filepath.Join(dir, "a.csv"): "no such file", filepath.Join(dir, "*.csv"): "no file to read", dir: "no file to read",
		filepath.Join(dir, "[.csv"): "not a valid pattern",
	} {
		wantCode(t, opened(t, setting).(sdk.Checker).Check(t.Context()), sdk.CodeConfig, word, setting)
	}
	_, err := opened(t, filepath.Join(dir, "a.csv")).Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 1})
	wantCode(t, err, sdk.CodeConfig, "no such file", "check the path")
}

func TestAFileThatMayNotBeReadIsNamed(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read every file")
	}
	path := written(t, "a.csv", "no\n")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	wantCode(t, opened(t, path).(sdk.Checker).Check(t.Context()), sdk.CodeConfig, "permissions", path)
}

func TestACursorHoldsNoValueAndNoName(t *testing.T) {
	path := written(t, "secret-name.csv", "no,name\nsecret-id,secret-value\n2,b\n")
	p, err := opened(t, path).Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(p.Next, []byte("secret")) || len(p.Next) > 100 {
		t.Errorf("the cursor is %q", p.Next)
	}
}

func TestACursorIsReadAsItWasWritten(t *testing.T) {
	want := position{
		whole: true, settings: 1, name: 1 << 63, earlier: 3, file: identity{inode: 1<<64 - 1, size: 1 << 40, mtime: -5},
		at: place{offset: 1 << 39, line: 1 << 30, sum: 1<<32 - 1, open: true}, comma: ';', encoding: encodingLatin,
	}
	got, err := parseCursor(want.cursor())
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAForeignCursorIsRefused(t *testing.T) {
	good := position{encoding: encodingAuto}.cursor()
	src := opened(t, written(t, "a.csv", "no\n1\n"))
	for _, c := range []sdk.Cursor{{}, {1}, good[:len(good)-1], append(bytes.Clone(good), 0), append(sdk.Cursor{9}, good[1:]...), []byte("page=2")} {
		if len(c) == 0 {
			continue
		}
		_, err := src.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: c, Limit: 1})
		wantCode(t, err, sdk.CodeConfig, "rewind")
	}
}

func FuzzCursor(f *testing.F) {
	f.Add([]byte(position{encoding: encodingAuto, at: place{line: 3, offset: 40}}.cursor()))
	f.Fuzz(func(t *testing.T, c []byte) {
		p, err := parseCursor(c)
		if err != nil {
			return
		}
		again, err := parseCursor(p.cursor())
		if err != nil || again != p {
			t.Fatalf("%+v became %+v, %v", p, again, err)
		}
	})
}

// The sample that quickstart imports: its four broken rows cost nothing else.
func TestTheShippedSampleIsRead(t *testing.T) {
	path := filepath.Join("..", "..", "internal", "sandbox", "sample", "members.csv")
	src := opened(t, path, "id", "member_no", "club", "club_no")
	got, _ := walk(t, src, nil, 500)
	rejected := map[string]int{}
	breaks := 0
	for _, r := range got {
		if r.Fault != "" {
			rejected[r.Fault]++
		}
		if strings.Contains(r.Values["street"], "\n") {
			breaks++
		}
	}
	want := map[string]int{faultFewer: 1, faultMore: 1, faultStray: 2}
	if diff := cmp.Diff(want, rejected); diff != "" || len(got) != 1000 || breaks != 2 {
		t.Errorf("%d rows, %d with a line break in them, rejected:\n%s", len(got), breaks, diff)
	}
}
