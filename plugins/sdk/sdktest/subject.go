package sdktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Subject is an adapter as the suite reaches it. It serves concurrent calls.
type Subject interface {
	Describe(ctx context.Context) (sdk.Info, error)
	Open(ctx context.Context, c sdk.Connection) (Opened, error)
}

// Opened is one open connection.
type Opened struct {
	// Value has the methods of the abilities.
	Value any
	// Abilities are those that the connection has with its settings.
	Abilities []sdk.Ability
	// Close closes the connection.
	Close func(context.Context) error
}

// way is one way in which an adapter is reached.
type way struct {
	name    string
	subject Subject
	// reach reaches the adapter once more, apart from subject.
	reach func() (s Subject, stop func(), err error)
	// inProcess says that the adapter runs in the suite's own process.
	inProcess bool
}

// direct reaches an adapter as a value.
type direct struct{ adapter sdk.Adapter }

// Describe implements [Subject].
func (d direct) Describe(context.Context) (sdk.Info, error) { return d.adapter.Describe(), nil }

// Open implements [Subject].
func (d direct) Open(ctx context.Context, c sdk.Connection) (Opened, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	v, err := d.adapter.Opener.Open(ctx, c)
	if err != nil {
		return Opened{}, err
	}
	return Opened{Value: v, Abilities: sdk.AbilitiesOf(v), Close: func(context.Context) error {
		if closer, ok := v.(io.Closer); ok {
			return closer.Close()
		}
		return nil
	}}, nil
}

// remote reaches an adapter over gRPC.
type remote struct{ client *wire.Client }

// Describe implements [Subject].
func (r remote) Describe(ctx context.Context) (sdk.Info, error) { return r.client.Describe(ctx) }

// Open implements [Subject].
func (r remote) Open(ctx context.Context, c sdk.Connection) (Opened, error) {
	conn, err := r.client.Open(ctx, c)
	if err != nil {
		return Opened{}, err
	}
	return Opened{Value: conn, Abilities: conn.Abilities(), Close: conn.Close}, nil
}

// dial joins both ends of the protocol in this process.
func dial(a sdk.Adapter) (Subject, func(), error) {
	plugin := &wire.Plugin{Service: wire.NewServer(a, slog.New(slog.DiscardHandler))}
	server := wire.NewGRPCServer(nil)
	if err := plugin.GRPCServer(nil, server); err != nil {
		return nil, nil, fmt.Errorf("serve the adapter: %w", err)
	}
	listener := bufconn.Listen(1 << 20)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with Stop
	}()
	conn, err := grpc.NewClient("passthrough:///adapter", append(wire.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
	if err != nil {
		server.Stop()
		<-served
		return nil, nil, fmt.Errorf("join the adapter: %w", err)
	}
	client, err := plugin.GRPCClient(context.Background(), nil, conn)
	stop := func() {
		_ = conn.Close() // nothing is under way
		server.Stop()
		<-served
	}
	c, ok := client.(*wire.Client)
	if err != nil || !ok {
		stop()
		return nil, nil, errors.Join(fmt.Errorf("join the adapter: unexpected client %T", client), err)
	}
	return remote{c}, stop, nil
}
