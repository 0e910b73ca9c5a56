package adapters

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Conn is one open connection. It has the methods of every ability; [Conn.Has]
// says which may be called. It serves concurrent calls, and its errors are
// [*sdk.Error] values.
//
// A call that is under way when the adapter's process dies fails with
// [sdk.ClassRetry]; the next call starts a process again. The exceptions are
// [Conn.StartImport] and [Conn.Write], whose outcome is then unknown.
type Conn struct {
	host      *Host
	conn      roster.Connection
	abilities []sdk.Ability
	// readOnly says that nothing may be written over the connection.
	readOnly bool

	// lock guards what follows; a channel, so that waiting ends with a context.
	lock   chan struct{}
	now    *session
	closed bool
}

// session is a connection as it is open in one process.
type session struct {
	inst   *instance
	remote *wire.Remote
}

var (
	_ sdk.Source            = (*Conn)(nil)
	_ sdk.ImportStarter     = (*Conn)(nil)
	_ sdk.OutcomeSubscriber = (*Conn)(nil)
	_ sdk.FieldLister       = (*Conn)(nil)
	_ sdk.QuotaTeller       = (*Conn)(nil)
	_ sdk.Checker           = (*Conn)(nil)
)

// Abilities returns what the connection can do with its settings.
func (c *Conn) Abilities() []sdk.Ability { return slices.Clone(c.abilities) }

// Has reports whether the connection has an ability.
func (c *Conn) Has(a sdk.Ability) bool { return slices.Contains(c.abilities, a) }

// Close closes the connection in its process. Calls under way are cancelled.
func (c *Conn) Close() error {
	c.lock <- struct{}{}
	defer func() { <-c.lock }()
	if c.closed {
		return nil
	}
	s := c.now
	c.closed, c.now = true, nil
	c.host.count(c.conn.Adapter, -1)
	if s == nil || !s.inst.enter() {
		return nil
	}
	defer s.inst.leave()
	ctx, cancel := context.WithTimeout(c.host.ctx, c.host.opt.StopTimeout)
	defer cancel()
	err := s.remote.Close(ctx)
	if errors.Is(err, wire.ErrTransport) && (c.host.ctx.Err() != nil || c.host.gone(s.inst)) {
		return nil
	}
	return c.explain(err)
}

// Read reads one page.
func (c *Conn) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	return call(ctx, c, sdk.AbilitySource, func(ctx context.Context, r *wire.Remote) (*sdk.Page, error) {
		return r.Read(ctx, req)
	})
}

// ImportIdentity says on whose behalf imports run.
func (c *Conn) ImportIdentity(ctx context.Context) (sdk.ImportIdentity, error) {
	return call(ctx, c, sdk.AbilityImportStarter, func(ctx context.Context, r *wire.Remote) (sdk.ImportIdentity, error) {
		return r.ImportIdentity(ctx)
	})
}

// StartImport announces an import, at most once. Where the adapter could not be
// called nothing was sent: that is [sdk.OutcomeRefused] and no error. Every
// error has [sdk.OutcomeUnknown] beside it.
func (c *Conn) StartImport(ctx context.Context, req sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	if err := c.mayWrite(sdk.AbilityImportStarter); err != nil {
		err = c.explain(err)
		return sdk.StartImportResponse{Outcome: sdk.OutcomeRefused, Code: sdk.AsError(err).Code, Detail: err.Error()}, nil
	}
	called := false
	res, err := call(ctx, c, sdk.AbilityImportStarter, func(ctx context.Context, r *wire.Remote) (sdk.StartImportResponse, error) {
		called = true
		return r.StartImport(ctx, req)
	})
	if err == nil {
		return res, nil
	}
	res = sdk.StartImportResponse{Outcome: sdk.OutcomeUnknown, Code: sdk.AsError(err).Code, Detail: err.Error()}
	if !called {
		res.Outcome = sdk.OutcomeRefused
		return res, nil
	}
	return res, err
}

// SubscribeOutcomes asks for events about what became of clients.
func (c *Conn) SubscribeOutcomes(ctx context.Context, req sdk.SubscribeOutcomesRequest) error {
	if err := c.mayWrite(sdk.AbilityOutcomeSubscriber); err != nil {
		return c.explain(err)
	}
	_, err := call(ctx, c, sdk.AbilityOutcomeSubscriber, func(ctx context.Context, r *wire.Remote) (struct{}, error) {
		return struct{}{}, r.SubscribeOutcomes(ctx, req)
	})
	return err
}

// ListFields lists the fields of the connection's business.
func (c *Conn) ListFields(ctx context.Context) ([]sdk.Field, error) {
	return call(ctx, c, sdk.AbilityFieldLister, func(ctx context.Context, r *wire.Remote) ([]sdk.Field, error) {
		return r.ListFields(ctx)
	})
}

// Quotas tells what is left of the limits that the connection keeps.
func (c *Conn) Quotas(ctx context.Context) ([]sdk.Quota, error) {
	return call(ctx, c, sdk.AbilityQuotaTeller, func(ctx context.Context, r *wire.Remote) ([]sdk.Quota, error) {
		return r.Quotas(ctx)
	})
}

// Check tests the connection.
func (c *Conn) Check(ctx context.Context) error {
	_, err := call(ctx, c, sdk.AbilityChecker, func(ctx context.Context, r *wire.Remote) (struct{}, error) {
		return struct{}{}, r.Check(ctx)
	})
	return err
}

// call makes one call with a deadline and finds out what a missing answer
// means.
func call[T any](ctx context.Context, c *Conn, a sdk.Ability, f func(context.Context, *wire.Remote) (T, error)) (T, error) {
	var none T
	if !c.Has(a) {
		return none, c.explain(sdk.Fail(sdk.CodeConfig, fmt.Errorf("%w %q", ErrAbility, a)))
	}
	s, err := c.session(ctx)
	if err != nil {
		return none, c.explain(err)
	}
	defer s.inst.leave()
	limited, cancel := context.WithTimeout(ctx, c.host.opt.CallTimeout)
	defer cancel()
	v, err := f(limited, s.remote)
	if ctx.Err() == nil {
		c.host.called(c.conn.Adapter, err)
	}
	if err == nil {
		return v, nil
	}
	// A caller that gave up says nothing about the process.
	if ctx.Err() == nil && !wire.FromAdapter(err) && c.host.gone(s.inst) {
		err = sdk.Retry(0, fmt.Errorf("%w during the call (%s): %w", ErrCrashed, s.inst.proc.ending(), err))
	}
	if a != sdk.AbilityImportStarter {
		err = c.host.excuse(s.inst, err)
	}
	return none, c.explain(err)
}

// session returns the open connection, opening it in the present process where
// it is not. The caller has entered the process, and leaves it.
func (c *Conn) session(ctx context.Context) (*session, error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return nil, sdk.Retry(0, ctx.Err())
	}
	if c.closed {
		return nil, sdk.Fail(sdk.CodeInternal, fmt.Errorf("the connection is %w", ErrClosed))
	}
	if c.now != nil && !c.host.outdated(c.now.inst) && c.now.inst.enter() {
		return c.now, nil
	}
	inst, err := c.host.fit(ctx, c.conn)
	if err != nil {
		return nil, err
	}
	if c.now, err = c.open(ctx, inst); err != nil {
		inst.leave()
		return nil, err
	}
	return c.now, nil
}

// open opens the connection in a process.
func (c *Conn) open(ctx context.Context, inst *instance) (*session, error) {
	limited, cancel := context.WithTimeout(ctx, c.host.opt.OpenTimeout)
	defer cancel()
	conn := c.conn.SDK()
	conn.ReadOnly = c.readOnly
	remote, err := inst.client.Open(limited, conn)
	if err != nil {
		if ctx.Err() == nil && !wire.FromAdapter(err) && c.host.gone(inst) {
			err = sdk.Retry(0, fmt.Errorf("%w while the connection was opened (%s): %w", ErrCrashed, inst.proc.ending(), err))
		}
		return nil, c.host.excuse(inst, err)
	}
	return &session{inst: inst, remote: remote}, nil
}

// explain says which connection an error is about.
func (c *Conn) explain(err error) error {
	if err == nil {
		return nil
	}
	return sdk.AsError(fmt.Errorf("connection %s (adapter %s): %w", c.conn.Ref, c.conn.Adapter, err))
}
