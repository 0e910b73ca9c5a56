package main

import (
	"context"
	"os"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// Read implements [sdk.Source]. A last line without a line break is a record
// when it is a whole object; else it is rejected, and read again by the next
// walk, when its writer may have completed it.
func (c *connection) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if req.Kind != c.settings.Kind {
		// A job may handle more kinds than one file holds.
		c.log.Warn("this connection has no records of that kind", "asked", req.Kind, "kind", c.settings.Kind)
		nothing := position{whole: true, settings: c.settings.fingerprint(), line: 1}
		return sdk.NewPageBuilder(req.Kind, nil).Page(nothing.cursor(), true)
	}
	return c.readPage(ctx, req.After, max(1, req.Limit))
}

func (c *connection) readPage(ctx context.Context, after sdk.Cursor, limit int) (*sdk.Page, error) {
	f, found, err := openFile(c.settings.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	pos, err := c.resume(f, found, after)
	if err != nil {
		return nil, err
	}
	p := c.pagers.Get().(*pager) //nolint:forcetypeassert // The pool holds nothing else.
	defer c.pagers.Put(p)
	p.reset(f, pos)
	if err := p.fill(ctx, limit); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, readFault(c.settings.Path, err)
	}
	if err := c.settle(f, p); err != nil {
		return nil, err
	}
	return p.page(c.settings.Kind)
}

// settle makes the position behind the page one that can be resumed, and makes
// sure that the text came from one file.
func (c *connection) settle(f *os.File, p *pager) error {
	info, err := f.Stat()
	if err != nil {
		return readFault(c.settings.Path, err)
	}
	now := positionOf(info)
	if now.size < p.pos.size || now.size == p.pos.size && now.mtime != p.pos.mtime {
		return changed(c.settings.Path, "was written to")
	}
	// Lines that were appended meanwhile may have been read too.
	p.pos.size, p.pos.mtime = now.size, now.mtime
	if p.pos.anchor, err = anchor(f, p.pos.offset); err != nil {
		return readFault(c.settings.Path, err)
	}
	return nil
}
