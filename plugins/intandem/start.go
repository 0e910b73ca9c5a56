package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// StartImport implements [sdk.ImportStarter]: it declares the import with one
// POST (seed document, "Initiating an import").
func (c *connection) StartImport(ctx context.Context, req sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	if fault := importFault(req); fault != "" {
		return refused(sdk.CodeConfig, "the import was not announced: "+fault), nil
	}
	sent := c.http.SendOnce(ctx, http.MethodPost, "/business/clients/v1/apps/"+c.app+"/import", importBody(req))
	return c.importAnswer(sent), nil
}

// importFault says why a request cannot be sent, or nothing.
func importFault(req sdk.StartImportRequest) string {
	switch {
	case req.Upload != "" && req.Upload != "single" && req.Upload != "multi":
		return fmt.Sprintf("upload type %q is neither single nor multi; correct the job's upload", req.Upload)
	case len(req.Fields) == 0:
		return "no field is declared; the mapping has to fill some"
	}
	seen := make(map[string]bool, len(req.Fields))
	for _, f := range req.Fields {
		if f.Key == "" || seen[f.Key] {
			return fmt.Sprintf("field %q is empty or declared twice", f.Key)
		}
		seen[f.Key] = true
	}
	return ""
}

// importBody writes the body by hand because the fields keep their order.
func importBody(req sdk.StartImportRequest) []byte {
	if req.Upload == "" {
		req.Upload = "single"
	}
	var b bytes.Buffer
	b.WriteString(`{"fields_mapping":{`)
	for i, f := range req.Fields {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(jsonText(f.Key))
		b.WriteByte(':')
		b.Write(jsonText(labelOf(f)))
	}
	fmt.Fprintf(&b, `},"import_params":{"should_override":%t,"upload_type":%q,"send_notifications_when_done":%t}}`,
		req.Override, req.Upload, req.Notify)
	return b.Bytes()
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
