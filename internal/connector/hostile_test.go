package connector_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// hostile are bodies that must be refused, with the status.
func hostile() map[string]string {
	laughs := `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "` + strings.Repeat("&lol;", 10) + `">]>`
	return map[string]string{
		"a billion laughs":          laughs + user("&lol2;", ""),
		"an entity of its own":      user("&lol;", ""),
		"a file":                    `<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>` + user("&f;", ""),
		"a document type":           `<!DOCTYPE user>` + user("1", ""),
		"a processing instruction":  `<?php echo 1 ?>` + user("1", ""),
		"a late declaration":        `<!-- x --><?xml version="1.0"?>` + user("1", ""),
		"a stylesheet":              `<?xml version="1.0"?><?xml-stylesheet href="x"?>` + user("1", ""),
		"deep nesting":              user("1", strings.Repeat("<a>", 1000)+strings.Repeat("</a>", 1000)),
		"deep nesting without end":  strings.Repeat("<a>", 10_000),
		"many attributes":           user("1", "<a"+manyAttributes()+"/>"),
		"many values":               user("1", strings.Repeat("<a/>", 2000)),
		"another encoding":          `<?xml version="1.0" encoding="ISO-8859-1"?>` + user("1", ""),
		"bytes that are not UTF-8":  user("1", "<city>Z\xfcrich</city>"),
		"UTF-16":                    inUTF16(user("1", "")),
		"UTF-7":                     `<?xml version="1.0" encoding="UTF-7"?>` + user("1", ""),
		"XML 1.1":                   `<?xml version="1.1"?>` + user("1", ""),
		"a foreign namespace":       strings.Replace(user("1", ""), "<user>", `<user xmlns="urn:x">`, 1),
		"two documents":             user("1", "") + user("2", ""),
		"text behind":               user("1", "") + "x",
		"text between elements":     user("1", "x<a/>"),
		"an element in text":        user("1", "<city>Zürich<b/></city>"),
		"no end":                    strings.TrimSuffix(user("1", ""), "</user>"),
		"crossed ends":              user("1", "<a><b></a></b>"),
		"a control character":       user("1", "<city>a\x01</city>"),
		"a control character coded": user("1", "<city>a&#1;</city>"),
		"nothing":                   "",
		"white space":               " \n",
		"JSON":                      `{"providerInfo":{}}`,
		"nulls":                     "\x00\x00\x00",
	}
}

func manyAttributes() string {
	var out strings.Builder
	for i := range 1000 {
		out.WriteString(" a" + strings.Repeat("x", i%20) + string(rune('a'+i%26)) + `="1"`)
	}
	return out.String()
}

func inUTF16(text string) string {
	out := []byte{0xfe, 0xff}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit>>8), byte(unit))
	}
	return string(out)
}

func TestHostileBodiesAreRefusedAtOnce(t *testing.T) {
	w := newWorld(t, "")
	for name, body := range hostile() {
		begun := time.Now()
		got := w.post(userAt, body, "Content-Type", "text/xml")
		if got.status != 400 || !strings.Contains(got.body, "<reason>VALIDATION</reason>") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("%s: refused after %s", name, took)
		}
	}
	for name, one := range map[string]struct {
		status int
		body   string
		header []string
	}{
		"a long body":         {413, user("1", "<a>"+strings.Repeat("x", 64<<10)+"</a>"), nil},
		"a huge attribute":    {413, user("1", `<a b="`+strings.Repeat("x", 100<<10)+`"/>`), nil},
		"a form":              {415, "a=1", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		"another charset":     {415, user("1", ""), []string{"Content-Type", "text/xml; charset=utf-16"}},
		"a compressed body":   {415, user("1", ""), []string{"Content-Encoding", "gzip"}},
		"deep JSON":           {400, strings.Repeat(`{"a":`, 1000), []string{"Content-Type", "application/json"}},
		"deep lists":          {400, `{"a":` + strings.Repeat("[", 1000), []string{"Content-Type", "application/json"}},
		"JSON that is a list": {400, `[]`, []string{"Content-Type", "application/json"}},
		"two JSON objects":    {400, `{}{}`, []string{"Content-Type", "application/json"}},
		"a member twice": {
			400, `{"providerInfo":{"identifier":"CRM","identifier":"OTHER","clientID":"456","clubID":"12","recordID":"1"}}`,
			[]string{"Content-Type", "application/json"},
		},
		"XML for JSON": {400, user("1", ""), []string{"Content-Type", "application/json"}},
	} {
		if got := w.post(userAt, one.body, one.header...); got.status != one.status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, one.status)
		}
	}
	want(t, w.waits(sdk.KindProspect))
}

func TestElementsOfOthersArePassedOver(t *testing.T) {
	w := newWorld(t, "")
	body := strings.Replace(user("1", `<x:gender xmlns:x="urn:x">nonsense<x:deep/></x:gender><y:city>undeclared</y:city>`), "<user>",
		"\ufeff<!-- a comment --><user xmlns=\"http://www.intouchfollowup.com/api/2011-11\" a=\"1\">", 1)
	// The mark of the byte order stands in front.
	body = "\ufeff" + strings.Replace(body, "\ufeff", "", 1)
	w.saved(body)
	want(t, w.waits(sdk.KindProspect), "1@12 "+pete+" status=active type=prospect")
}

// TestWhatIsPushedIsInNoFileInClear looks for values in every file of the state.
func TestWhatIsPushedIsInNoFileInClear(t *testing.T) {
	w := newWorld(t, "")
	const canary = "canary.person"
	w.saved(user(canary+"-id", "<email>"+canary+"@example.com</email><company>"+canary+"</company>"))
	w.post(userAt, user(canary, "<gender>"+canary+"</gender>"))
	w.call("GET", userAt+"?provider=CRM&client_id=456&club_id=12&recordID="+canary, "")
	err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(canary)) {
			t.Errorf("%s holds what was pushed in clear", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(w.log.String(), canary) {
		t.Errorf("the log holds what was pushed:\n%s", w.log.String())
	}
}
