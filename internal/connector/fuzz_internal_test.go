package connector

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rosterd/rosterd/internal/roster"
)

// FuzzBodies reads any bytes in both forms: neither panics, and what is taken keeps
// its bounds and can be answered again in both forms.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`<?xml version="1.0"?><user><providerInfo><identifier>CRM</identifier><clientID>1</clientID><recordID>1</recordID></providerInfo><userInfo>` +
			`<firstname>A</firstname><lastname>B</lastname><userStatus>ACTIVE</userStatus><userType>MEMBER</userType><x:a xmlns:x="y"/></userInfo></user>`,
		`{"providerInfo":{"identifier":"CRM","clientID":"1","recordID":1},"userInfo":{"firstname":"A","lastname":"B","userStatus":"ACTIVE","userType":"STAFF"}}`,
		`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, `<a><![CDATA[<b>]]><!-- c --></a>`, `{"a":[{"b":null},1.5e3,true]}`, "<a b='c' xmlns='d'/>",
	} {
		f.Add([]byte(seed))
	}
	e, err := NewEndpoint(roster.Connection{ClientID: "1", Settings: roster.NewSecret(`{"provider":"CRM","secret":"0123456789abcdef"}`)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		body = body[:min(len(body), maxBodyBytes)]
		for _, read := range []func([]byte) (document, error){readXML, readJSON} {
			d, err := read(body)
			if err != nil {
				continue
			}
			for path := range d.values {
				if strings.Count(path, "/") > maxDepth || !utf8.ValidString(path) {
					t.Fatalf("a value at %q", path)
				}
			}
			a, err := addressOf(&d)
			if err != nil {
				continue
			}
			record, err := e.record(&d, resourceUser, a)
			if err != nil {
				continue
			}
			found := Found{Kind: record.Kind, Fields: map[string]string{}}
			for name, text := range record.Fields {
				if text != nil {
					found.Fields[name] = *text
				}
			}
			q := &request{what: resourceUser, address: a}
			if _, err := readXML(foundBody(e, q, found, false)); err != nil {
				t.Fatalf("an answer in XML cannot be read: %v", err)
			}
			if !json.Valid(foundBody(e, q, found, true)) {
				t.Fatal("an answer in JSON cannot be read")
			}
		}
	})
}
