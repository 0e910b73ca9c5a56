package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"path/filepath"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// schema describes the settings of a connection.
const schema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "required": ["path", "id"],
  "properties": {
    "path": {
      "type": "string", "minLength": 1, "format": "path",
      "description": "The file to read; or a folder, of which every .csv, .tsv and .txt file is read (also with .gz behind); or a pattern such as /srv/acme/members-*.csv. Several files are read in the order of their names. A relative path counts from the configuration file in which it stands."
    },
    "id": {
      "type": "string", "minLength": 1,
      "description": "The column that holds a record's id, as the header line names it."
    },
    "club": {
      "type": "string",
      "description": "The column that holds the id of a record's club. Without it all records belong to the account's only club."
    },
    "kind": {
      "enum": ["member", "prospect", "staff", "lead_source"], "default": "member",
      "description": "What the records are. A job that asks for another kind reads nothing here."
    },
    "delimiter": {
      "enum": ["auto", ",", ";", "tab", "\t"], "default": "auto",
      "description": "What stands between two values. auto finds it from the header line."
    },
    "encoding": {
      "enum": ["auto", "utf-8", "utf-16le", "utf-16be", "windows-1252"], "default": "auto",
      "description": "How the file's text is encoded. A byte-order mark in the file decides before this setting; auto finds it from the file's beginning."
    }
  }
}`

// settings are a connection's settings.
type settings struct {
	Path      string   `json:"path"`
	ID        string   `json:"id"`
	Club      string   `json:"club"`
	Kind      sdk.Kind `json:"kind"`
	Delimiter string   `json:"delimiter"`
	Encoding  encoding `json:"encoding"`
}

// parseSettings reads settings and fills in what they leave out.
func parseSettings(raw json.RawMessage) (settings, error) {
	s := settings{Kind: sdk.KindMember, Delimiter: "auto", Encoding: encodingAuto}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return settings{}, fmt.Errorf("parse settings: %w", err)
	}
	switch {
	case s.Path == "":
		return settings{}, errors.New("settings: path is missing: name the file to read")
	case s.ID == "":
		return settings{}, errors.New("settings: id is missing: name the column that holds a record's id")
	case !s.Kind.Valid():
		return settings{}, fmt.Errorf("settings: kind %q is none of member, prospect, staff, lead_source", s.Kind)
	case !s.Encoding.valid():
		return settings{}, fmt.Errorf("settings: encoding %q is none of auto, utf-8, utf-16le, utf-16be, windows-1252", s.Encoding)
	}
	if _, err := s.comma(); err != nil {
		return settings{}, err
	}
	path, err := filepath.Abs(s.Path)
	if err != nil {
		return settings{}, fmt.Errorf("settings: resolve path: %w", err)
	}
	s.Path = path
	return s, nil
}

// comma returns the delimiter, 0 where it is to be found.
func (s settings) comma() (byte, error) {
	switch s.Delimiter {
	case "auto":
		return 0, nil
	case ",", ";", "\t":
		return s.Delimiter[0], nil
	case "tab":
		return '\t', nil
	}
	return 0, fmt.Errorf(`settings: delimiter %q is none of auto, ",", ";", tab`, s.Delimiter)
}

// fingerprint tells settings apart that would read other records.
func (s settings) fingerprint() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q %q %q %q", s.Path, s.ID, s.Club, s.Kind, s.Delimiter, s.Encoding)
	return h.Sum64()
}
