package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// adapter describes the program.
func adapter() sdk.Adapter {
	var kinds []sdk.KindInfo
	for _, kind := range sdk.Kinds() {
		kinds = append(kinds, sdk.KindInfo{Kind: kind, Cursor: sdk.CursorExact})
	}
	return sdk.Adapter{
		Name:        "csv",
		Version:     "0.1.0",
		Description: "Reads people from CSV files: exports of systems that have no API.",
		Settings:    json.RawMessage(schema),
		Kinds:       kinds,
		Opener:      sdk.Open(open),
	}
}

// connection is one configured file, folder or pattern.
type connection struct {
	settings settings
	log      *slog.Logger

	mu sync.Mutex
	// cursor and kept are the walk that a sequential reader goes on with.
	cursor sdk.Cursor
	kept   *reading
}

func open(_ context.Context, c sdk.Connection) (*connection, error) {
	s, err := parseSettings(c.Settings)
	if err != nil {
		return nil, sdk.Fail(sdk.CodeConfig, err)
	}
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &connection{settings: s, log: log}, nil
}

// take hands out the kept walk if it stands at a cursor.
func (c *connection) take(after sdk.Cursor) *reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil || !bytes.Equal(c.cursor, after) {
		return nil
	}
	r := c.kept
	c.kept = nil
	return r
}

// keep holds a walk for the call that goes on at a cursor.
func (c *connection) keep(cursor sdk.Cursor, r *reading) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		c.kept.close()
	}
	c.cursor, c.kept = cursor, r
}

// Close closes the file that is kept open between two pages.
func (c *connection) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		c.kept.close()
		c.kept = nil
	}
	return nil
}

// Check opens every file that the settings name and reads its header line.
func (c *connection) Check(ctx context.Context) error {
	paths, err := c.settings.list()
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return sdk.Fail(sdk.CodeConfig, errors.New("there is no file to read at "+c.settings.Path+
			": put one there, or change path in the connection's settings"))
	}
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		in, err := openInput(path, c.settings, position{encoding: encodingAuto})
		if err != nil {
			return err
		}
		in.close()
	}
	return nil
}
