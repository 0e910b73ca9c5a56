package sandbox

import (
	"encoding/json"
	"maps"
)

// Matter is one matter of a client.
type Matter struct {
	Name string `json:"name"`
	// Fields are the values by field key, like those of a client.
	Fields map[string]string `json:"fields,omitempty"`
}

// takeMatters reads the matters of a client, keeping only the fields that the
// business has for matters. A matter needs a name that is unique among those of
// its client; the reason why they cannot be imported is in words.
func (s *InTandem) takeMatters(raw json.RawMessage) (matters []Matter, reason string) {
	if len(raw) == 0 {
		return nil, ""
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, "Matters is not a list of objects"
	}
	keep := s.customKeys("matter")
	names := make(map[string]bool, len(list))
	for _, object := range list {
		m := Matter{Fields: make(map[string]string)}
		for key, value := range object {
			text, ok := plain(value)
			switch {
			case !ok:
			case key == s.opts.Matters.Name:
				m.Name = text
			case keep[key]:
				m.Fields[key] = text
			}
		}
		switch {
		case blank(m.Name):
			return nil, "Matter name can't be blank"
		case names[m.Name]:
			return nil, "Matter name has already been taken"
		}
		names[m.Name] = true
		matters = append(matters, m)
	}
	return matters, ""
}

// mergeMatters fills the matters that a client has by their names, and adds the
// others. What the client had is not changed in place: a copy of it may be read.
func mergeMatters(have, add []Matter) []Matter {
	merged := cloneMatters(have)
next:
	for _, m := range add {
		for i := range merged {
			if merged[i].Name == m.Name {
				maps.Copy(merged[i].Fields, m.Fields)
				continue next
			}
		}
		merged = append(merged, m)
	}
	return merged
}

func cloneMatters(matters []Matter) []Matter {
	var out []Matter
	for _, m := range matters {
		fields := maps.Clone(m.Fields)
		if fields == nil {
			fields = make(map[string]string)
		}
		out = append(out, Matter{Name: m.Name, Fields: fields})
	}
	return out
}
