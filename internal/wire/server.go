package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/rosterd/rosterd/plugins/sdk"
	adapterv1 "github.com/rosterd/rosterd/plugins/sdk/proto/v1"
)

// Server answers the daemon's calls in the adapter's process. It is made by
// [NewServer] and serves concurrent calls.
type Server struct {
	adapterv1.UnimplementedAdapterServer
	adapter sdk.Adapter
	logger  *slog.Logger

	mu   sync.Mutex
	last uint64
	open map[uint64]*opened
}

// errReadOnly says that a connection that was opened for a plan was to write.
var errReadOnly = errors.New("the connection was opened read-only: nothing may be written over it")

// opened is one open connection with the calls that are under way on it.
type opened struct {
	value     any
	abilities []sdk.Ability
	// readOnly says that nothing may be written.
	readOnly bool
	calls    sync.WaitGroup
	// stop is closed when the connection is being closed: the calls under way
	// are cancelled.
	stop chan struct{}
}

// Describe returns the adapter's description.
func (s *Server) Describe(context.Context, *adapterv1.DescribeRequest) (*adapterv1.DescribeResponse, error) {
	return infoToProto(s.adapter.Describe()), nil
}

// Open opens one connection.
func (s *Server) Open(ctx context.Context, r *adapterv1.OpenRequest) (_ *adapterv1.OpenResponse, err error) {
	defer s.recovered(ctx, &err)
	v, err := s.adapter.Opener.Open(sdk.WithReadOnly(ctx), sdk.Connection{
		Name: r.GetName(), ClientID: r.GetClientId(), Clubs: r.GetClubs(), Settings: r.GetSettings(),
		ReadOnly: r.GetReadOnly(),
		Logger:   s.logger.With("connection", r.GetName()),
	})
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	o := &opened{value: v, abilities: sdk.AbilitiesOf(v), readOnly: r.GetReadOnly(), stop: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.open[s.last] = o
	return &adapterv1.OpenResponse{Handle: s.last, Abilities: abilitiesToProto(o.abilities)}, nil
}

// Close closes one connection: calls under way are cancelled and waited for
// until ctx ends. Closing one that is not open changes nothing.
func (s *Server) Close(ctx context.Context, r *adapterv1.CloseRequest) (*adapterv1.CloseResponse, error) {
	s.mu.Lock()
	o, ok := s.open[r.GetHandle()]
	delete(s.open, r.GetHandle())
	s.mu.Unlock()
	if ok {
		if err := s.shut(ctx, o); err != nil {
			return nil, toStatus(ctx, err)
		}
	}
	return &adapterv1.CloseResponse{}, nil
}

// CloseAll closes every open connection, waiting no longer than ctx.
func (s *Server) CloseAll(ctx context.Context) error {
	s.mu.Lock()
	all := s.open
	s.open = map[uint64]*opened{}
	s.mu.Unlock()
	var errs []error
	for _, o := range all {
		errs = append(errs, s.shut(ctx, o))
	}
	return errors.Join(errs...)
}

// shut ends a connection that no call can find any more. A call that ignores
// its context keeps the value open: it is closed once the call is back.
func (s *Server) shut(ctx context.Context, o *opened) error {
	close(o.stop)
	done := make(chan error, 1)
	go func() {
		o.calls.Wait()
		done <- s.closeValue(ctx, o.value)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("close connection: %w", ctx.Err())
	}
}

func (s *Server) closeValue(ctx context.Context, v any) (err error) {
	defer s.recovered(ctx, &err)
	if c, ok := v.(io.Closer); ok {
		if err := c.Close(); err != nil {
			return fmt.Errorf("close connection: %w", err)
		}
	}
	return nil
}

// use finds an open connection as an ability for a call that writes nothing.
// The release function ends the call; the context is cancelled when the
// connection is closed meanwhile.
func use[T any](ctx context.Context, s *Server, handle uint64, a sdk.Ability) (T, context.Context, func(), error) {
	return take[T](sdk.WithReadOnly(ctx), s, handle, a)
}

// useToWrite is [use] for a call that changes something at the outside system.
func useToWrite[T any](ctx context.Context, s *Server, handle uint64, a sdk.Ability) (T, context.Context, func(), error) {
	return take[T](ctx, s, handle, a)
}

func take[T any](ctx context.Context, s *Server, handle uint64, a sdk.Ability) (T, context.Context, func(), error) {
	var none T
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.open[handle]
	if !ok {
		return none, nil, nil, toStatus(ctx, sdk.Fail(sdk.CodeInternal, errors.New("the connection is not open")))
	}
	if o.readOnly && !sdk.ReadOnly(ctx) {
		return none, nil, nil, toStatus(ctx, sdk.Fail(sdk.CodeConfig, errReadOnly))
	}
	v, ok := o.value.(T)
	if !ok || !slices.Contains(o.abilities, a) {
		return none, nil, nil, toStatus(ctx, sdk.Fail(sdk.CodeConfig,
			fmt.Errorf("adapter %s: with these settings the connection has no ability %q", s.adapter.Name, a)))
	}
	o.calls.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	finished := make(chan struct{})
	go func() {
		select {
		case <-o.stop:
			cancel()
		case <-finished:
		}
	}()
	return v, ctx, func() { close(finished); cancel(); o.calls.Done() }, nil
}

// recovered turns a panic into an error: one process serves every connection
// of its adapter, and the others go on. The value of the panic may hold
// personal data and is not shown.
func (s *Server) recovered(ctx context.Context, err *error) {
	if p := recover(); p != nil {
		s.logger.Error("the adapter panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
		*err = toStatus(ctx, sdk.Fail(sdk.CodeInternal,
			fmt.Errorf("adapter %s panicked; the log has the stack", s.adapter.Name)))
	}
}
