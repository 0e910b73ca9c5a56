package sdktest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// callTimeout bounds every call that is not cancelled.
const callTimeout = 30 * time.Second

// check is one thing that an adapter has to keep.
type check struct {
	name, advice string
	run          func(*probe) error
}

// checks lists those that an adapter with this description has to pass.
func checks(info sdk.Info, c Case) []check {
	all := append(describeChecks(), settingsChecks()...)
	if has(info, sdk.AbilitySource) {
		for _, k := range info.Kinds {
			all = append(all, sourceChecks(k, c.Kinds)...)
		}
	}
	if has(info, sdk.AbilityChecker) {
		all = append(all, callChecks("checker", sdk.AbilityChecker, checkerOK, callCheck)...)
	}
	if has(info, sdk.AbilityFieldLister) {
		all = append(all, callChecks("fields", sdk.AbilityFieldLister, fieldsOK, callFields)...)
	}
	if has(info, sdk.AbilityQuotaTeller) {
		all = append(all, check{"quotas/ok", "tell what is left of each limit, at once and without calling anybody", quotasOK})
	}
	if has(info, sdk.AbilityImportStarter) {
		all = append(all, importChecks()...)
	}
	if has(info, sdk.AbilityTarget) {
		all = append(all, targetChecks()...)
	}
	all = append(all, lookupChecks(info)...)
	return append(all, lifetimeChecks()...)
}

func has(info sdk.Info, a sdk.Ability) bool { return slices.Contains(info.Abilities, a) }

// leftOutError is the error of a check that cannot be made, with the reason.
type leftOutError string

func (l leftOutError) Error() string { return string(l) }

// probe is what a check works with.
type probe struct {
	ctx     context.Context
	way     way
	subject Subject
	c       Case
	open    []Opened
}

// result makes the check.
func (ch check) result(ctx context.Context, w way, c Case) Result {
	p := &probe{ctx: ctx, way: w, subject: w.subject, c: c}
	err := guarded(func() error { return ch.run(p) })
	if closeErr := p.closeAll(); err == nil {
		err = closeErr
	}
	r := Result{Check: ch.name, Status: OK}
	if err == nil {
		return r
	}
	if _, ok := errors.AsType[leftOutError](err); ok {
		return Result{Check: ch.name, Status: LeftOut, Reason: err.Error()}
	}
	return Result{Check: ch.name, Status: Failed, Reason: p.withoutSecrets(err.Error()), Advice: ch.advice}
}

// guarded turns a panic into an error.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the adapter panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return f()
}

// connect opens the case's connection; it is closed when the check ends.
func (p *probe) connect() (Opened, error) {
	o, err := p.openWith(p.c.Connection)
	if err != nil {
		return Opened{}, fmt.Errorf("open the connection: %w", err)
	}
	return o, nil
}

func (p *probe) openWith(c sdk.Connection) (Opened, error) {
	o, err := call(p.ctx, "open", p.c.Patience, func(ctx context.Context) (Opened, error) { return p.subject.Open(ctx, c) })
	if err == nil {
		p.open = append(p.open, o)
	}
	return o, err
}

// closeAll closes what the check opened. A connection that does not close
// holds a call that ignores its context.
func (p *probe) closeAll() error {
	var errs []error
	for _, o := range p.open {
		_, err := call(p.ctx, "close", p.c.Patience, func(ctx context.Context) (struct{}, error) {
			ctx, cancel := context.WithTimeout(ctx, p.c.Patience)
			defer cancel()
			return struct{}{}, o.Close(ctx)
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("close the connection: %w", err))
		}
	}
	p.open = nil
	return errors.Join(errs...)
}

// ability returns what an open connection does as T.
func ability[A any](p *probe, a sdk.Ability) (A, error) {
	o, err := p.connect()
	if err != nil {
		var none A
		return none, err
	}
	return abilityOf[A](o, a)
}

func abilityOf[A any](o Opened, a sdk.Ability) (A, error) {
	v, ok := o.Value.(A)
	if !slices.Contains(o.Abilities, a) {
		return v, leftOutError(fmt.Sprintf("with these settings the connection has no ability %q", a))
	}
	if !ok {
		return v, fmt.Errorf("the connection declares the ability %q and lacks its methods", a)
	}
	return v, nil
}

// errStuck is wrapped by the error of a call that does not come back.
var errStuck = errors.New("the call did not end")

// call makes one call and waits for its end: patience longer than its context.
func call[R any](ctx context.Context, what string, patience time.Duration, f func(context.Context) (R, error)) (R, error) {
	type answer struct {
		value R
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	done := make(chan answer, 1)
	go func() {
		var a answer
		a.err = guarded(func() (err error) { a.value, err = f(ctx); return err })
		done <- a
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case a := <-done:
		return a.value, a.err
	case <-late.C:
		var none R
		return none, fmt.Errorf("%s: %w within %s after its context was cancelled", what, errStuck, patience)
	}
}
