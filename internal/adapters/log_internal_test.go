package adapters

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func newLineLog(level slog.Level) (*lineLog, *bytes.Buffer, *time.Time) {
	out := &bytes.Buffer{}
	at := time.Unix(1000, 0)
	logger := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
	return &lineLog{logger: logger, now: func() time.Time { return at }}, out, &at
}

func TestAnAdapterThatLogsTooMuchIsCutAndCounted(t *testing.T) {
	l, out, at := newLineLog(slog.LevelDebug)
	for range maxLinesPerSecond + 7 {
		l.stderr([]byte(`{"@level":"info","@message":"again"}`))
	}
	if n := strings.Count(out.String(), "again"); n != maxLinesPerSecond {
		t.Errorf("%d lines", n)
	}
	*at = at.Add(time.Second)
	l.stderr([]byte(`{"@level":"info","@message":"later"}`))
	if got := out.String(); !strings.Contains(got, "lines=7") || !strings.Contains(got, "later") {
		t.Error(got)
	}
}

func TestALongLineIsCut(t *testing.T) {
	var got [][]byte
	long := strings.Repeat("x", 3*maxLine)
	eachLine(strings.NewReader(long+"\nnext\n"), func(b []byte) { got = append(got, bytes.Clone(b)) })
	if len(got) != 2 || len(got[0]) != maxLine || string(got[1]) != "next" {
		t.Fatalf("%d lines", len(got))
	}
	l, out, _ := newLineLog(slog.LevelDebug)
	l.stderr(got[0])
	if out.Len() > 2*maxLogText {
		t.Errorf("%d bytes", out.Len())
	}
}

func TestLinesOfUnknownContentAreOnlyForDebugging(t *testing.T) {
	l, out, _ := newLineLog(slog.LevelInfo)
	for _, line := range []string{"ann@example.com", `{"not": json`, `["a"]`} {
		l.stderr([]byte(line))
	}
	if out.Len() != 0 {
		t.Error(out)
	}
}

func TestACrashIsLoggedWithoutWhatWasPanickedWith(t *testing.T) {
	for _, report := range []string{
		"panic: parsing \"ann@example.com\"\n\tof ann\n\ngoroutine 1 [running]:\nmain.main()",
		"panic: runtime error: index out of range [3] with length 3\ngoroutine 1 [running]:\nmain.main()",
		"fatal error: all goroutines are asleep - deadlock!\ngoroutine 1 [chan receive]:\nmain.main()",
	} {
		l, out, _ := newLineLog(slog.LevelInfo)
		eachLine(strings.NewReader(report+"\n"), l.stderr)
		if n := strings.Count(out.String(), "level=ERROR"); n != 3 || !strings.Contains(out.String(), "main.main()") {
			t.Errorf("%d errors:\n%s", n, out)
		}
		if strings.Contains(out.String(), "ann") {
			t.Errorf("the value is logged:\n%s", out)
		}
	}
}

func TestAttributesOfAHostileLineAreBounded(t *testing.T) {
	l, out, _ := newLineLog(slog.LevelDebug)
	l.stderr([]byte(`{"@level":7,"@message":["x"],"n":12345678901234567890,"b":true,"o":{"a":1},"z":null}`))
	for _, want := range []string{"n=12345678901234567890", "b=true", `o="{\"a\":1}"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is missing in %s", want, out)
		}
	}
}
