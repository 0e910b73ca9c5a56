package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// Field is one field of the business's client card.
type Field struct {
	ID         string   `json:"id"`
	Label      string   `json:"label"`
	Type       string   `json:"type"`
	ObjectType string   `json:"object_type"`
	Required   bool     `json:"required"`
	Deleted    bool     `json:"deleted"`
	Options    []string `json:"options"`
}

// systemFields are the fields that every business has; some labels come as raw
// keys.
func systemFields() []Field {
	return []Field{
		{ID: "sysfirstname0001", Label: "First Name", Type: "firstname", ObjectType: "contact", Required: true},
		{ID: "syslastname00002", Label: "Last Name", Type: "lastname", ObjectType: "contact"},
		{ID: "sysemail00000003", Label: "email_label", Type: "email", ObjectType: "contact"},
		{ID: "sysphone00000004", Label: "Phone", Type: "phone", ObjectType: "contact"},
		{ID: "sysaddress000005", Label: "Address", Type: "address", ObjectType: "contact"},
		{ID: "sysstatus0000006", Label: "Status", Type: "status", ObjectType: "contact"},
		{ID: "sysoptin00000007", Label: "Marketing", Type: "opt-in", ObjectType: "contact"},
		{ID: "sysname000000008", Label: "Matter Name", Type: "name", ObjectType: "matter"},
	}
}

// importKeys are the keys under which the system fields are imported.
func importKeys() []string {
	return []string{"first_name", "last_name", "email", "phone", "address", "status", "opt_in"}
}

// fields returns the business's fields, deleted ones included.
func (s *InTandem) fields() []Field {
	all := systemFields()
	for i, f := range s.opts.CustomFields {
		if f.ID == "" {
			f.ID = fmt.Sprintf("custom%010d", i+1)
		}
		if f.Type == "" {
			f.Type = "singleline"
		}
		if f.ObjectType == "" {
			f.ObjectType = "contact"
		}
		all = append(all, f)
	}
	return all
}

// known returns the keys that an import may declare.
func (s *InTandem) known() map[string]bool {
	keys := s.customKeys("contact", "matter")
	for _, key := range importKeys() {
		keys[key] = true
	}
	keys[s.opts.Matters.Name] = true
	return keys
}

// customKeys returns the keys of the custom fields of these objects.
func (s *InTandem) customKeys(objects ...string) map[string]bool {
	keys := make(map[string]bool)
	for _, f := range s.fields()[len(systemFields()):] {
		if f.Deleted || !slices.Contains(objects, f.ObjectType) {
			continue
		}
		if s.opts.CustomKey != CustomID {
			keys[f.Label] = true
		}
		if s.opts.CustomKey != CustomLabel {
			keys[f.ID] = true
		}
	}
	return keys
}

// defaultFieldsPerPage and maxFieldsPerPage are the vendor's.
const (
	defaultFieldsPerPage = 25
	maxFieldsPerPage     = 100
)

func (s *InTandem) handleFields(w http.ResponseWriter, r *http.Request) {
	page, perPage := 1, defaultFieldsPerPage
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil && n > 0 {
		page = n
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil && n > 0 {
		perPage = min(n, maxFieldsPerPage)
	}
	all := s.fields()
	from := min((page-1)*perPage, len(all))
	slice := slices.Clone(all[from:min(from+perPage, len(all))])
	if slice == nil {
		slice = []Field{}
	}
	if s.opts.Fields == FieldsOld {
		writeJSON(w, http.StatusOK, map[string]any{"status": "OK", "data": slice})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"status": "OK", "data": map[string]any{"fields": slice}})
}
