package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	var text strings.Builder
	text.WriteString("no,club,name,email\n")
	for i := range 40 {
		if i%9 == 5 {
			text.WriteString(",1,Nobody,\n") // rejected: a row without an id
		}
		fmt.Fprintf(&text, "m-%d,%d,\"Ann, %d\",ann%d@example.com\n", i, i%2, i, i)
	}
	files := map[string]string{
		"utf-8":        text.String(),
		"windows-1252": strings.ReplaceAll(text.String(), "Ann", "\xc4nn"),
	}
	for name, content := range files {
		t.Run(name, func(t *testing.T) {
			settings, err := json.Marshal(map[string]string{"path": written(t, "members.csv", content), "id": "no", "club": "club"})
			if err != nil {
				t.Fatal(err)
			}
			sdktest.Run(t, sdktest.Case{
				Adapter:    adapter(),
				Connection: sdk.Connection{Name: "acme/gym", Settings: settings},
				Kinds:      []sdk.Kind{sdk.KindMember},
				BadSettings: []json.RawMessage{
					json.RawMessage(`{"path":"x.csv","id":"no","delimiter":"|"}`),
					json.RawMessage(`{"path":"x.csv","id":"no","encoding":"ebcdic"}`),
				},
			})
		})
	}
}
