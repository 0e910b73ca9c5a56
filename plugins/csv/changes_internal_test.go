package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// twoRows is a file of which one row was read by a page of its own.
func twoRows(t *testing.T) (path string, src sdk.Source, after sdk.Cursor) {
	t.Helper()
	path = written(t, "a.csv", "no,name\n1,a\n2,b\n")
	touch(t, path, 1)
	src = opened(t, path)
	p, err := src.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return path, src, p.Next
}

func TestAChangeUnderTheReaderIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d disk)
		words  string
	}{
		"removed":      {func(d disk) { d.remove() }, "was removed"},
		"truncated":    {func(d disk) { d.truncate(10) }, "became shorter"},
		"emptied":      {func(d disk) { d.truncate(0) }, "became shorter"},
		"appended":     {func(d disk) { d.append("3,c\n") }, "was written to"},
		"rewritten":    {func(d disk) { d.write("no,name\n1,a\n2,c\n"); d.touch(2) }, "was written to"},
		"replaced":     {func(d disk) { d.replace("no,name\n1,a\n2,b\n"); d.touch(1) }, "was replaced"},
		"not a file":   {func(d disk) { d.remove(); d.mkdir() }, ""},
		"out of reach": {func(d disk) { d.remove(); d.link() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path, same, after := twoRows(t)
			c.change(disk{t, path})
			for _, src := range []sdk.Source{same, opened(t, path)} {
				_, err := src.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: after, Limit: 1})
				if c.words == "" {
					if err == nil {
						t.Error("no error")
					}
					continue
				}
				wantCode(t, err, sdk.CodeChanged, c.words, "run the job again")
			}
		})
	}
}

func TestChangedSettingsEndAWalkThatIsUnderWay(t *testing.T) {
	path, _, after := twoRows(t)
	_, err := opened(t, path, "id", "name").Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: after, Limit: 1})
	wantCode(t, err, sdk.CodeChanged, "settings changed")
}

// TestAWalkThatEndedGoesOn reads a file, changes it and reads behind the cursor.
func TestAWalkThatEndedGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		change func(d disk)
		want   string
	}{
		"unchanged":                   {"no\n1\n2\n", func(disk) {}, ""},
		"appended":                    {"no\n1\n2\n", func(d disk) { d.append("3\n4\n") }, "3 4"},
		"appended behind an open end": {"no\n1\n2", func(d disk) { d.append("\n3\n") }, "3"},
		"the last row gone on with":   {"no\n1\n2", func(d disk) { d.append("2\n3\n") }, "1 22 3"},
		"written to within":           {"no\n1\n2\n", func(d disk) { d.write("no\n9\n2\n3\n"); d.touch(9) }, "9 2 3"},
		"rewritten at the same size":  {"no\n1\n2\n", func(d disk) { d.write("no\n1\n3\n"); d.touch(9) }, "1 3"},
		"truncated":                   {"no\n1\n2\n", func(d disk) { d.truncate(5) }, "1"},
		"replaced":                    {"no\n1\n2\n", func(d disk) { d.replace("no\n1\n2\n3\n") }, "1 2 3"},
		"written with another delimiter": {
			"no,a\n1,x\n", func(d disk) { d.write("no;a;b\n1;x;y\n2;x;y\n"); d.touch(9) },
			"1 2",
		},
		"compressed, appended": {
			zipped(t, "no\n1\n2\n"),
			func(d disk) { d.append(zipped(t, "3\n")) },
			"3",
		},
		"UTF-16, appended": {
			"\xff\xfen\x00o\x00\n\x001\x00\n\x00",
			func(d disk) { d.append("3\x00\n\x00") },
			"3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := written(t, "a.csv", c.before)
			touch(t, path, 1)
			src := opened(t, path)
			_, after := walk(t, src, nil, 10)
			c.change(disk{t, path})
			for _, limit := range []int{1, 10} {
				got, next := walk(t, opened(t, path), after, limit)
				if ids(got) != c.want {
					t.Errorf("in pages of %d: got %q, want %q", limit, ids(got), c.want)
				}
				if rest, _ := walk(t, src, next, 10); len(rest) > 0 {
					t.Errorf("behind that: %s", ids(rest))
				}
			}
		})
	}
}

func TestLineNumbersGoOnInAnAppendedFile(t *testing.T) {
	path := written(t, "a.csv", "no,name\n1,\"a\nb\"")
	touch(t, path, 1)
	_, after := walk(t, opened(t, path), nil, 10)
	disk{t, path}.append("\n2,c\n")
	got, _ := walk(t, opened(t, path), after, 10)
	if len(got) != 1 || got[0].Position != "line 4" {
		t.Errorf("got %+v", got)
	}
}

func TestChangedSettingsReadEverythingAgain(t *testing.T) {
	path := written(t, "a.csv", "no,name\n1,a\n2,b\n")
	_, after := walk(t, opened(t, path), nil, 10)
	if got, _ := walk(t, opened(t, path, "id", "name"), after, 10); ids(got) != "a b" {
		t.Errorf("got %s", ids(got))
	}
}

func TestAFolderIsReadInTheOrderOfNames(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "2.CSV"), "no,b\n3,x\n4,y\n")
	write(t, filepath.Join(dir, "1.csv"), "no,a\n1,x\n2\n")
	write(t, filepath.Join(dir, "3.txt"), "no\n\n")
	write(t, filepath.Join(dir, "4.csv.gz"), zipped(t, "no\n5\n"))
	write(t, filepath.Join(dir, "5.csv.part"), "no\n6\n")
	write(t, filepath.Join(dir, ".6.csv"), "no\n6\n")
	disk{t, filepath.Join(dir, "7.csv")}.mkdir()
	want := []read{
		{ID: "1", Position: "1.csv line 2", Values: map[string]string{"no": "1", "a": "x"}},
		{Position: "1.csv line 3", Fault: faultFewer},
		{ID: "3", Position: "2.CSV line 2", Values: map[string]string{"no": "3", "b": "x"}},
		{ID: "4", Position: "2.CSV line 3", Values: map[string]string{"no": "4", "b": "y"}},
		{ID: "5", Position: "4.csv.gz line 2", Values: map[string]string{"no": "5"}},
	}
	for _, limit := range []int{1, 2, 100} {
		got, after := walk(t, opened(t, dir), nil, limit)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in pages of %d: %s", limit, diff)
		}
		if rest, _ := walk(t, opened(t, dir), after, limit); len(rest) > 0 {
			t.Errorf("in pages of %d, behind the end: %s", limit, ids(rest))
		}
	}
}

func TestAFolderIsReadFromEveryCursor(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"1.csv": "no\n1\n2\n", "2.csv": "no\n", "3.csv": "no\n3\n4\n"} {
		write(t, filepath.Join(dir, name), text)
	}
	var cursor sdk.Cursor
	for _, want := range []string{"1", "2", "3", "4"} {
		p, err := opened(t, dir).Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: cursor, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(unpack(p)); got != want || p.Done != (want == "4") {
			t.Fatalf("got %s, want %s, done %v", got, want, p.Done)
		}
		cursor = p.Next
	}
}

func TestADropFolderIsReadBehindItsLastFile(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, setting := range []string{dir, filepath.Join(dir, "*.csv")} {
		src := opened(t, setting)
		read := func(after sdk.Cursor, want string) sdk.Cursor {
			t.Helper()
			got, next := walk(t, src, after, 1)
			if ids(got) != want {
				t.Errorf("%s: got %q, want %q", setting, ids(got), want)
			}
			return next
		}
		after := read(nil, "")
		write(t, path("1.csv"), "no\n1\n")
		write(t, path("2.csv"), "no\n2\n")
		after = read(after, "1 2")
		write(t, path("3.csv"), "no\n3\n")
		after = read(after, "3")
		write(t, path("3.csv"), "no\n3\n4\n")
		touch(t, path("3.csv"), 5)
		after = read(after, "4")
		write(t, path("2.csv"), "no\n22\n")
		after = read(after, "1 22 3 4")
		disk{t, path("1.csv")}.remove()
		after = read(after, "22 3 4")
		disk{t, path("3.csv")}.remove()
		after = read(after, "22")
		disk{t, path("2.csv")}.remove()
		read(after, "")
	}
}

func TestAFileThatArrivesDuringAWalkIsReadWithIt(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "1.csv"), "no\n1\n2\n")
	src := opened(t, dir)
	p, err := src.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "2.csv"), "no\n3\n")
	write(t, filepath.Join(dir, "0.csv"), "no\n0\n")
	got, after := walk(t, src, p.Next, 1)
	if ids(got) != "2 3" {
		t.Errorf("got %s", ids(got))
	}
	if got, _ = walk(t, src, after, 1); ids(got) != "0 1 2 3" {
		t.Errorf("the earlier one is read by the next walk, got %s", ids(got))
	}
}

func TestAFileNamedLikeAPatternIsRead(t *testing.T) {
	got, _ := walk(t, opened(t, written(t, "a[1].csv", "no\n1\n")), nil, 10)
	if ids(got) != "1" || got[0].Position != "line 2" {
		t.Errorf("got %+v", got)
	}
}

func TestANamedPipeDoesNotHoldTheReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := opened(t, path).Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, Limit: 1})
	wantCode(t, err, sdk.CodeConfig, "not a regular file")
}

func TestADamagedCompressedFileIsNamed(t *testing.T) {
	whole := zipped(t, "no\n"+strings.Repeat("1\n", 100000))
	for _, text := range []string{whole[:len(whole)/2], whole[:len(whole)-2], whole[:60] + "damage" + whole[66:], "\x1f\x8b"} {
		src := opened(t, written(t, "a.csv.gz", text))
		var err error
		var p *sdk.Page
		for p = new(sdk.Page); err == nil; {
			if p.Done {
				t.Fatal("read to the end")
			}
			p, err = src.Read(t.Context(), sdk.ReadRequest{Kind: sdk.KindMember, After: p.Next, Limit: 1000})
		}
		wantCode(t, err, sdk.CodeData, "a.csv.gz", "copy it again")
	}
}

// disk changes the file that a test reads.
type disk struct {
	t    *testing.T
	path string
}

func (d disk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d disk) remove()             { d.must(os.Remove(d.path)) }
func (d disk) truncate(size int64) { d.must(os.Truncate(d.path, size)) }
func (d disk) mkdir()              { d.must(os.Mkdir(d.path, 0o700)) }
func (d disk) link()               { d.must(os.Symlink(d.path, d.path)) }
func (d disk) write(text string)   { write(d.t, d.path, text) }
func (d disk) touch(minutes int)   { touch(d.t, d.path, minutes) }

func (d disk) append(text string) {
	f, err := os.OpenFile(d.path, os.O_APPEND|os.O_WRONLY, 0)
	d.must(err)
	_, err = f.WriteString(text)
	d.must(err)
	d.must(f.Close())
	d.touch(30)
}

// replace writes a file under another name and renames it.
func (d disk) replace(text string) {
	write(d.t, d.path+".part", text)
	d.must(os.Rename(d.path+".part", d.path))
}
