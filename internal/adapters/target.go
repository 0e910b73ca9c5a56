package adapters

import (
	"context"
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
)

var (
	_ sdk.Target           = (*Conn)(nil)
	_ sdk.Finder           = (*Conn)(nil)
	_ sdk.Getter           = (*Conn)(nil)
	_ sdk.StaffLister      = (*Conn)(nil)
	_ sdk.StaffFinder      = (*Conn)(nil)
	_ sdk.LeadSourceLister = (*Conn)(nil)
)

// Target describes what the connection writes.
func (c *Conn) Target(ctx context.Context) (sdk.TargetInfo, error) {
	return call(ctx, c, sdk.AbilityTarget, func(ctx context.Context, r *wire.Remote) (sdk.TargetInfo, error) {
		return r.Target(ctx)
	})
}

// Write carries out operations, each at most once. Where the adapter could not
// be called nothing was sent: every operation is [sdk.OutcomeRefused] then, and
// there is no error. Every error has [sdk.OutcomeUnknown] for each operation
// beside it.
//
// A write that got no answer may still be going on in the adapter. Its process
// is killed then, and Write returns when it is gone: nothing of the operations
// leaves it any more, so that what comes after is not overtaken by them. Other
// calls that the process was answering fail with [sdk.ClassRetry].
func (c *Conn) Write(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	n := len(req.Operations)
	if err := c.mayWrite(sdk.AbilityTarget); err != nil {
		return wire.Unwritten(n, sdk.OutcomeRefused, c.explain(err)), nil
	}
	s, err := c.session(ctx)
	if err != nil {
		return wire.Unwritten(n, sdk.OutcomeRefused, c.explain(later(err))), nil
	}
	defer s.inst.leave()
	limited, cancel := context.WithTimeout(ctx, c.host.opt.CallTimeout)
	defer cancel()
	res, err := s.remote.Write(limited, req)
	if ctx.Err() == nil {
		c.host.called(c.conn.Adapter, err)
	}
	switch {
	case err == nil:
		return res, nil
	case errors.Is(err, wire.ErrNotSent):
		return wire.Unwritten(n, sdk.OutcomeRefused, c.explain(err)), nil
	case !wire.FromAdapter(err) && !errors.Is(err, wire.ErrAnswer):
		err = c.host.abandon(s.inst, ctx.Err() == nil, err)
	}
	err = c.explain(err)
	return wire.Unwritten(n, sdk.OutcomeUnknown, err), err
}

// later makes an error one after which the same call is made again: the
// adapter that could not be called is a matter of the process, not of what was
// to be written.
func later(err error) error {
	e := sdk.AsError(err)
	return &sdk.Error{Class: sdk.ClassRetry, Code: e.Code, After: e.After, Err: err}
}

// mayWrite refuses a call that changes something at the outside system, before
// the adapter sees it.
func (c *Conn) mayWrite(a sdk.Ability) error {
	switch {
	case c.readOnly:
		return sdk.Fail(sdk.CodeConfig, ErrReadOnly)
	case !c.Has(a):
		return sdk.Fail(sdk.CodeConfig, fmt.Errorf("%w %q", ErrAbility, a))
	}
	return nil
}

// Find looks for records.
func (c *Conn) Find(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
	return call(ctx, c, sdk.AbilityFinder, func(ctx context.Context, r *wire.Remote) (sdk.FindResponse, error) {
		return r.Find(ctx, req)
	})
}

// Get reads the present values of records.
func (c *Conn) Get(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error) {
	return call(ctx, c, sdk.AbilityGetter, func(ctx context.Context, r *wire.Remote) (*sdk.Page, error) {
		return r.Get(ctx, req)
	})
}

// ListStaff lists the staff of the connection.
func (c *Conn) ListStaff(ctx context.Context) ([]sdk.Staff, error) {
	return call(ctx, c, sdk.AbilityStaffLister, func(ctx context.Context, r *wire.Remote) ([]sdk.Staff, error) {
		return r.ListStaff(ctx)
	})
}

// FindStaff finds staff by e-mail address.
func (c *Conn) FindStaff(ctx context.Context, email string) ([]sdk.Staff, error) {
	return call(ctx, c, sdk.AbilityStaffFinder, func(ctx context.Context, r *wire.Remote) ([]sdk.Staff, error) {
		return r.FindStaff(ctx, email)
	})
}

// ListLeadSources lists the lead sources of the connection.
func (c *Conn) ListLeadSources(ctx context.Context) ([]sdk.LeadSource, error) {
	return call(ctx, c, sdk.AbilityLeadSourceLister, func(ctx context.Context, r *wire.Remote) ([]sdk.LeadSource, error) {
		return r.ListLeadSources(ctx)
	})
}

// ListClubs lists the clubs of the connection.
func (c *Conn) ListClubs(ctx context.Context) ([]sdk.Club, error) {
	return call(ctx, c, sdk.AbilityClubLister, func(ctx context.Context, r *wire.Remote) ([]sdk.Club, error) {
		return r.ListClubs(ctx)
	})
}

// abandon kills a process in which a write without an answer may go on, and
// waits for its death. No call begins in it meanwhile: the seat is empty, and
// the next call starts another process. With blame the end counts as one of
// the adapter's own; without, the caller gave up.
func (h *Host) abandon(inst *instance, blame bool, cause error) error {
	seated := false
	h.withSeat(inst.proc.name, func(s *seat) {
		if seated = s.inst == inst; seated {
			h.retire(s)
		}
	})
	if !blame {
		inst.stopping.Store(true)
	}
	inst.proc.kill()
	if !inst.proc.waitExit(h.opt.StopTimeout + killGrace) {
		h.opt.Logger.Error("an adapter that did not answer a write is still there after it was killed",
			"adapter", inst.proc.name, "keeper", inst.proc.ID())
	}
	if !blame {
		return cause
	}
	err := fmt.Errorf("%w during a write (%s): %w", ErrCrashed, inst.proc.ending(), cause)
	if seated {
		h.withSeat(inst.proc.name, func(s *seat) { s.crashed(h.opt, inst) })
	}
	return sdk.Retry(0, err)
}
