package main

import (
	"bytes"
	"context"
	_ "embed" // the settings' schema is a file, so that editors check it
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/rosterd/rosterd/plugins/sdk"
)

//go:embed settings.schema.json
var settingsSchema []byte

// adapter describes the program.
func adapter() sdk.Adapter {
	var kinds []sdk.KindInfo
	for _, kind := range sdk.Kinds() {
		kinds = append(kinds, sdk.KindInfo{Kind: kind, Cursor: sdk.CursorExact})
	}
	return sdk.Adapter{
		Name:        "ndjson",
		Version:     "0.1.0",
		Description: "Reads people from files of newline-delimited JSON, one object a line, and appends to them.",
		Settings:    settingsSchema,
		Kinds:       kinds,
		Opener:      sdk.Open(open),
	}
}

// settings are a connection's settings.
type settings struct {
	Path  string   `json:"path"`
	ID    string   `json:"id"`
	Club  string   `json:"club"`
	Kind  sdk.Kind `json:"kind"`
	Write string   `json:"write"`
}

// connection is one configured file to read, to write, or one of each. It holds
// no file open between two calls.
type connection struct {
	settings settings
	log      *slog.Logger
	// pagers are kept for the memory that they hold.
	pagers sync.Pool
	// writing guards text, the memory of the lines that are appended, and keeps
	// writes apart.
	writing sync.Mutex
	text    []byte
}

var (
	_ sdk.Source  = (*connection)(nil)
	_ sdk.Checker = (*connection)(nil)
	_ sdk.Limited = (*connection)(nil)
)

func open(_ context.Context, c sdk.Connection) (*connection, error) {
	s, err := parseSettings(c.Settings)
	if err != nil {
		return nil, sdk.Fail(sdk.CodeConfig, err)
	}
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &connection{
		settings: s, log: log,
		pagers: sync.Pool{New: func() any { return newPager(s) }},
	}, nil
}

// parseSettings reads settings and fills in what they leave out.
func parseSettings(raw json.RawMessage) (settings, error) {
	s := settings{Kind: sdk.KindMember}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return settings{}, fmt.Errorf("parse settings: %w", err)
	}
	var given map[string]any
	if err := json.Unmarshal(raw, &given); err != nil {
		return settings{}, fmt.Errorf("parse settings: %w", err)
	}
	for _, name := range []string{"path", "id", "write"} {
		if given[name] == "" {
			return settings{}, fmt.Errorf("settings: %s is empty", name)
		}
	}
	switch {
	case s.Path == "" && s.Write == "":
		return settings{}, errors.New("settings: path and write are missing: name the file to read, or the one to write")
	case s.Path != "" && s.ID == "":
		return settings{}, errors.New("settings: id is missing: name the key that holds a record's id")
	case !s.Kind.Valid():
		return settings{}, fmt.Errorf("settings: kind %q is none of member, prospect, staff, lead_source", s.Kind)
	}
	for _, path := range []*string{&s.Path, &s.Write} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return settings{}, fmt.Errorf("settings: resolve path: %w", err)
		}
		*path = abs
	}
	if s.Path == s.Write {
		return settings{}, errors.New("settings: path and write name the same file: write to another one")
	}
	return s, nil
}

// fingerprint tells settings apart that would read other records.
func (s settings) fingerprint() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q %q", s.Path, s.ID, s.Club, s.Kind)
	return h.Sum64()
}

// Check implements [sdk.Checker]: it opens the file and reads its first
// record, and makes sure that the file to write can be written to.
func (c *connection) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.settings.Write != "" {
		if err := c.checkWrite(); err != nil {
			return err
		}
	}
	if c.settings.Path == "" {
		return nil
	}
	page, err := c.readPage(ctx, nil, 1)
	switch {
	case err != nil:
		return err
	case len(page.Rejected) > 0:
		return sdk.Fail(sdk.CodeConfig, fmt.Errorf("%s: %s cannot be a record: %s; correct the file, or path, id and club in the connection's settings",
			filepath.Base(c.settings.Path), page.Rejected[0].Position, page.Rejected[0].Reason))
	}
	return nil
}
