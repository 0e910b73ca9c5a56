package sdktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// A call is left waiting for a share of the patience before it is cancelled,
// and for some times what it takes otherwise: long enough to reach the outside
// system, also on a busy machine.
const (
	hangShare = 20
	hangTimes = 20
	// quotasTimes is how many times the patience a call may take that waits for
	// nothing.
	quotasTimes = 10
)

// callChecks are those of an ability whose calls change nothing.
func callChecks(name string, a sdk.Ability, ok func(*probe) error, once func(context.Context, Opened) error) []check {
	with := func(f func(*probe, func(context.Context) error) error) func(*probe) error {
		return func(p *probe) error {
			o, err := p.connect()
			if err != nil {
				return err
			}
			if _, err := abilityOf[any](o, a); err != nil {
				return err
			}
			return f(p, func(ctx context.Context) error {
				_, err := call(ctx, name, p.c.Patience, func(ctx context.Context) (struct{}, error) { return struct{}{}, once(ctx, o) })
				return err
			})
		}
	}
	return []check{
		{name + "/ok", "return what the outside system answers, and no error where the settings work", ok},
		{name + "/cancel", "pass ctx to every call, and return ctx.Err() when it is done", with(cancelled)},
		{name + "/concurrent", "guard what calls of one connection share; run the test with -race", with(together)},
		{name + "/hang", "pass ctx to every call that waits for the outside system", with(func(p *probe, f func(context.Context) error) error { return p.hanging(f) })},
		{
			name + "/fault", "return sdk.Retry for what may pass, sdk.Fail for what a person has to change",
			with(func(p *probe, f func(context.Context) error) error {
				return p.failing(func() error { return f(p.ctx) })
			}),
		},
	}
}

func cancelled(p *probe, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	return p.interrupted(f(ctx))
}

func together(p *probe, f func(context.Context) error) error {
	if f(p.ctx) != nil {
		return leftOutError("one call fails already: see the check ok")
	}
	errs := make([]error, parallel)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = f(p.ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// hanging cancels a call that waits for the outside system. Closing the
// connection then shows whether the call has ended at the adapter's end too.
func (p *probe) hanging(f func(context.Context) error) error {
	if p.c.Hang == nil {
		return leftOutError("it takes a fake of the outside system that is silent on command: give Case.Hang in a test of the adapter")
	}
	began := time.Now()
	if f(p.ctx) != nil {
		return leftOutError("one call fails already without that")
	}
	wait := max(p.c.Patience/hangShare, hangTimes*time.Since(began))
	restore := p.c.Hang()
	defer restore()
	ctx, cancel := context.WithTimeout(p.ctx, wait)
	defer cancel()
	err := f(ctx)
	if err == nil {
		return errors.New("the outside system is silent and the call returns no error")
	}
	if err := p.interrupted(err); err != nil {
		return err
	}
	if err := p.closeAll(); err != nil {
		return fmt.Errorf("the connection does not close within %s, as if the cancelled call were still waiting: %w", p.c.Patience, err)
	}
	return nil
}

func callCheck(ctx context.Context, o Opened) error {
	v, err := abilityOf[sdk.Checker](o, sdk.AbilityChecker)
	if err != nil {
		return err
	}
	return v.Check(ctx)
}

func checkerOK(p *probe) error {
	o, err := p.connect()
	if err != nil {
		return err
	}
	_, err = call(p.ctx, "check", p.c.Patience, func(ctx context.Context) (struct{}, error) { return struct{}{}, callCheck(ctx, o) })
	return err
}

func callFields(ctx context.Context, o Opened) error {
	_, err := listFields(ctx, o)
	return err
}

func listFields(ctx context.Context, o Opened) ([]sdk.Field, error) {
	v, err := abilityOf[sdk.FieldLister](o, sdk.AbilityFieldLister)
	if err != nil {
		return nil, err
	}
	return v.ListFields(ctx)
}

func fieldsOK(p *probe) error {
	o, err := p.connect()
	if err != nil {
		return err
	}
	list := func(ctx context.Context) ([]sdk.Field, error) { return listFields(ctx, o) }
	fields, err := call(p.ctx, "list fields", p.c.Patience, list)
	if err != nil {
		return err
	}
	if len(fields) == 0 {
		return errors.New("it lists no field, so that nothing could be mapped")
	}
	type key struct {
		kind sdk.Kind
		name string
	}
	seen := map[key]bool{}
	for _, f := range fields {
		k := key{f.Kind, f.Key}
		switch {
		case f.Key == "" || seen[k]:
			return fmt.Errorf("the key %q is empty or listed twice", f.Key)
		case f.Kind != "" && !f.Kind.Valid() || f.MaxLength < 0:
			return fmt.Errorf("the field %q has a kind that there is not, or a length below zero", f.Key)
		}
		seen[k] = true
	}
	again, err := call(p.ctx, "list fields", p.c.Patience, list)
	if err != nil {
		return err
	}
	if !slices.Equal(fields, again) {
		return errors.New("two lists, one after the other, differ")
	}
	return nil
}

// quotasOK asks twice, also while the outside system is silent.
func quotasOK(p *probe) error {
	v, err := ability[sdk.QuotaTeller](p, sdk.AbilityQuotaTeller)
	if err != nil {
		return err
	}
	if p.c.Hang != nil {
		defer p.c.Hang()()
	}
	ctx, cancel := context.WithTimeout(p.ctx, quotasTimes*p.c.Patience)
	defer cancel()
	for range 2 {
		quotas, err := call(ctx, "tell quotas", p.c.Patience, v.Quotas)
		switch {
		case err != nil && ctx.Err() != nil:
			return errors.New("it waits for the outside system, which is silent")
		case err != nil:
			return err
		}
		seen := map[time.Duration]bool{}
		for _, q := range quotas {
			if q.Span <= 0 || q.Limit <= 0 || q.Left < 0 || q.Left > q.Limit || seen[q.Span] {
				return fmt.Errorf("%d of %d requests in %s: the numbers fit no limit, or two limits are for the same time", q.Left, q.Limit, q.Span)
			}
			seen[q.Span] = true
		}
	}
	return nil
}
