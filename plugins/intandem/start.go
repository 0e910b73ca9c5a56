package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// StartImport implements [sdk.ImportStarter]: it declares the import with one
// POST (seed document, "Initiating an import").
func (c *connection) StartImport(ctx context.Context, req sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	body, err := importBody(req)
	if err != nil {
		return refused(sdk.CodeConfig, "the import was not announced: "+err.Error()), nil
	}
	sent := c.http.SendOnce(ctx, http.MethodPost, "/business/clients/v1/apps/"+c.app+"/import", body)
	return c.importAnswer(sent), nil
}

// importBody writes the body by hand because the fields keep their order.
func importBody(req sdk.StartImportRequest) ([]byte, error) {
	if req.Upload == "" {
		req.Upload = "single"
	}
	switch {
	case req.Upload != "single" && req.Upload != "multi":
		return nil, fmt.Errorf("upload type %q is neither single nor multi", req.Upload)
	case len(req.Fields) == 0:
		return nil, errors.New("no field is declared: the mapping fills none")
	}
	var b bytes.Buffer
	seen := make(map[string]bool, len(req.Fields))
	b.WriteString(`{"fields_mapping":{`)
	for i, f := range req.Fields {
		if f.Key == "" || seen[f.Key] {
			return nil, fmt.Errorf("field %q is empty or declared twice", f.Key)
		}
		seen[f.Key] = true
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(jsonText(f.Key))
		b.WriteByte(':')
		b.Write(jsonText(labelOf(f)))
	}
	fmt.Fprintf(&b, `},"import_params":{"should_override":%t,"upload_type":%q,"send_notifications_when_done":%t}}`,
		req.Override, req.Upload, req.Notify)
	return b.Bytes(), nil
}

// labelOf returns the business's label, or a readable one where that is not
// known.
func labelOf(f sdk.ImportField) string {
	if f.Label != "" {
		return f.Label
	}
	for _, s := range systemFields() {
		if s.key == f.Key {
			return s.label
		}
	}
	return f.Key
}

// jsonText encodes text as JSON, with < > & as they are.
func jsonText(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string in a buffer: nothing can fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
