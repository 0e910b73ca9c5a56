package main

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// The bounds of a page beside its number of records: what one more row could
// add must still fit.
const (
	maxCellBytes     = sdk.MaxPageBytes - maxRowBytes - 8*sdk.MaxColumns
	maxRejectedBytes = 1 << 20
	maxIDBytes       = 256
)

// Why a row is rejected after it was cut into values.
const (
	faultNoID     = "it has no id: the column that the setting id names is empty"
	faultID       = "its id is longer than 256 bytes or holds control characters"
	faultClub     = "its club id is longer than 256 bytes or holds control characters"
	faultNUL      = "it holds a NUL character"
	faultEncoding = "it is not valid UTF-8: if the file is written in another encoding, name it with the setting encoding"
)

// Read returns the rows behind a cursor. Between two pages that follow each
// other the file stays open; for any other cursor it is opened again.
func (c *connection) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	if req.Kind != c.settings.Kind {
		// A job may handle more kinds than one file holds.
		c.log.Warn("this connection has no records of that kind", "asked", req.Kind, "kind", c.settings.Kind)
		return sdk.NewPageBuilder(req.Kind, nil).Page(c.nothing().cursor(), true)
	}
	r := c.take(req.After)
	if r == nil {
		var err error
		if r, err = c.resume(req.After); err != nil {
			return nil, err
		}
	}
	page, err := c.readPage(ctx, r, max(1, req.Limit))
	if err != nil || page.Done {
		r.close()
		return page, err
	}
	c.keep(page.Next, r)
	return page, nil
}

// readPage packs the next rows of one file. A file without rows is passed over,
// so that only the last page can be empty.
func (c *connection) readPage(ctx context.Context, r *reading, limit int) (*sdk.Page, error) {
	for {
		if r.in == nil {
			return sdk.NewPageBuilder(c.settings.Kind, nil).Page(r.pos.cursor(), true)
		}
		p := pager{
			in: r.in, b: sdk.NewPageBuilder(c.settings.Kind, r.in.header.columns),
			position: positionPrefix(c.settings.Path, r.in.path),
		}
		p.b.Grow(r.rows, r.bytes)
		ended, err := p.fill(ctx, limit)
		if err != nil {
			return nil, err
		}
		r.rows, r.bytes = p.b.Rows(), p.b.Size()
		if err := c.advance(r, ended); err != nil {
			return nil, err
		}
		if p.seen > 0 || r.pos.whole {
			return p.b.Page(r.pos.cursor(), r.pos.whole)
		}
	}
}

// advance moves the position behind what was read, and to the next file when
// this one has ended.
func (c *connection) advance(r *reading, ended bool) error {
	if err := r.in.unchanged(); err != nil {
		return err
	}
	r.pos.at, r.pos.comma, r.pos.encoding = r.in.scan.place(), r.in.scan.comma, r.in.encoding
	if !ended {
		return nil
	}
	paths, err := c.settings.list()
	if err != nil {
		return err
	}
	next, path, err := r.pos.behind(r.in.path, paths)
	if err != nil || path == "" {
		r.pos = next
		return err
	}
	r.in.close()
	r.in = nil
	opened, err := c.goOn(next, path)
	if err != nil {
		return err
	}
	*r = *opened
	return nil
}

// positionPrefix leads the line number in a record's position: the file's name
// where there can be several.
func positionPrefix(setting, path string) string {
	if setting == path {
		return "line "
	}
	return filepath.Base(path) + " line "
}

// pager packs rows into a page.
type pager struct {
	in *input
	b  *sdk.PageBuilder
	// position is what leads the line number of a row's position.
	position string
	// seen counts records and rejected rows.
	seen     int
	rejected int // bytes
	scratch  []byte
	where    []byte
}

// fill packs rows until the page is full or the file has ended.
func (p *pager) fill(ctx context.Context, limit int) (ended bool, err error) {
	for p.seen < limit && p.b.Size() < maxCellBytes && p.rejected < maxRejectedBytes {
		if p.seen%64 == 0 && ctx.Err() != nil {
			return false, ctx.Err()
		}
		row, more, err := p.in.scan.next()
		if err != nil {
			return false, p.in.classify(err)
		}
		if !more {
			return true, nil
		}
		p.seen++
		p.add(row)
	}
	ended, err = p.in.scan.atEnd()
	if err != nil {
		return false, p.in.classify(err)
	}
	return ended, nil
}

// add packs one row, or rejects it.
func (p *pager) add(r row) {
	p.where = strconv.AppendInt(append(p.where[:0], p.position...), int64(r.line), 10)
	if fault := rowFault(r); fault != "" {
		p.reject(r, fault)
		return
	}
	id, club := p.meta(r)
	if fault := idFault(id, club); fault != "" {
		p.reject(r, fault)
		return
	}
	// These conversions stay on the stack for ids of the usual length.
	p.b.Add(string(id), string(club), string(p.where))
	for _, f := range r.fields {
		if f.from == f.to {
			p.b.Absent()
			continue
		}
		p.b.Bytes(r.value(f, &p.scratch))
	}
}

// meta returns a row's id and club without the space around them.
func (p *pager) meta(r row) (id, club []byte) {
	// An id with doubled quotes is rare enough to be unescaped into memory of
	// its own.
	var forID, forClub []byte
	id = bytes.TrimSpace(r.value(r.fields[p.in.header.id], &forID))
	if p.in.header.club >= 0 {
		club = bytes.TrimSpace(r.value(r.fields[p.in.header.club], &forClub))
	}
	return id, club
}

// rowFault says why a row cannot be a record, whatever its id.
func rowFault(r row) string {
	switch {
	case r.fault != "":
		return r.fault
	case !utf8.Valid(r.raw):
		return faultEncoding
	case bytes.IndexByte(r.raw, 0) >= 0:
		return faultNUL
	}
	return ""
}

func idFault(id, club []byte) string {
	switch {
	case len(id) == 0:
		return faultNoID
	case !isID(id):
		return faultID
	case !isID(club):
		return faultClub
	}
	return ""
}

// isID keeps out what could not be a key or would tear a log line apart.
func isID(id []byte) bool {
	return len(id) <= maxIDBytes && !slices.ContainsFunc(id, func(c byte) bool { return c < ' ' || c == 0x7f })
}

// reject hands on what is left of a row that cannot be a record.
func (p *pager) reject(r row, fault string) {
	raw := bytes.Clone(r.raw[:min(len(r.raw), maxKeptBytes)])
	p.rejected += len(raw)
	p.b.Reject(sdk.Rejected{Position: string(p.where), Reason: fault, Raw: raw})
}

// maxKeptBytes of a rejected row are kept.
const maxKeptBytes = sdk.MaxRawBytes
