// Package wire carries the adapter contract of package sdk over gRPC: [Server]
// in the adapter's process, [Client] in the daemon's. Both ends are one
// go-plugin plugin, [Plugin].
//
// Errors cross as codes: an [sdk.Error] becomes a status with a Fault message
// in its details, and the same [sdk.Error] again at the other end. The text of
// a status is for people; nothing is decided by it.
package wire

import (
	"context"
	"log/slog"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/rosterd/rosterd/plugins/sdk"
	adapterv1 "github.com/rosterd/rosterd/plugins/sdk/proto/v1"
)

// ProtocolVersion is the version of the contract that this package speaks. It
// counts the proto packages (v1, v2), not the adapters' own versions.
const ProtocolVersion = 1

// PluginName is the name under which an adapter is dispensed.
const PluginName = "adapter"

// MaxMessageBytes bounds every message in both directions. The defaults would
// let an adapter fill the daemon's memory (2 GiB) and refuse a full page in the
// other direction (4 MiB).
const MaxMessageBytes = 8 << 20

// windowBytes lets a whole page be under way at once: with gRPC's first window
// of 64 KiB both processes wait for each other several times a page.
// bufferBytes makes few large writes of it.
const (
	windowBytes = MaxMessageBytes
	bufferBytes = 256 << 10
)

// keepaliveEvery is how long a connection may be silent before the daemon
// probes it, and keepaliveWait how long the answer may take. gRPC raises any
// shorter interval to ten seconds.
const (
	keepaliveEvery = 10 * time.Second
	keepaliveWait  = 10 * time.Second
)

// The cookie tells an adapter that rosterd started it. It keeps nobody out; it
// lets a program that was started by hand say what it is.
const (
	cookieKey   = "ROSTERD_ADAPTER"
	cookieValue = "b9d0c5a0-7a0e-4a0f-9f6b-7a3c1f3f0d55"
)

// Cookie returns the environment variable that marks a start by rosterd.
func Cookie() (key, value string) { return cookieKey, cookieValue }

// Handshake is what both ends must agree on before they speak.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  ProtocolVersion,
		MagicCookieKey:   cookieKey,
		MagicCookieValue: cookieValue,
	}
}

// Plugin joins both ends to go-plugin. The daemon's side needs no field.
type Plugin struct {
	plugin.NetRPCUnsupportedPlugin
	// Service answers the calls, in the adapter's process.
	Service *Server
}

// GRPCServer registers the adapter's side.
func (p *Plugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	adapterv1.RegisterAdapterServer(s, p.Service)
	return nil
}

// GRPCClient makes the daemon's side, a [*Client].
func (p *Plugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return NewClient(conn), nil
}

// Versions returns the plugin for every protocol version that is spoken.
func Versions(server *Server) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{ProtocolVersion: {PluginName: &Plugin{Service: server}}}
}

// NewGRPCServer makes the adapter's gRPC server with the contract's bounds.
func NewGRPCServer(opts []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(opts,
		grpc.MaxRecvMsgSize(MaxMessageBytes),
		grpc.MaxSendMsgSize(MaxMessageBytes),
		grpc.InitialWindowSize(windowBytes),
		grpc.InitialConnWindowSize(windowBytes),
		grpc.WriteBufferSize(bufferBytes),
		grpc.ReadBufferSize(bufferBytes),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime: keepaliveEvery / 2, PermitWithoutStream: true,
		}),
	)...)
}

// DialOptions are the daemon's options of a connection to an adapter.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(MaxMessageBytes),
			grpc.MaxCallSendMsgSize(MaxMessageBytes),
		),
		grpc.WithInitialWindowSize(windowBytes),
		grpc.WithInitialConnWindowSize(windowBytes),
		grpc.WithWriteBufferSize(bufferBytes),
		grpc.WithReadBufferSize(bufferBytes),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: keepaliveEvery, Timeout: keepaliveWait, PermitWithoutStream: true,
		}),
		// A call that announces an import must never be made twice.
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
	}
}

// NewServer makes the adapter's end. The logger becomes each connection's.
func NewServer(a sdk.Adapter, logger *slog.Logger) *Server {
	return &Server{adapter: a, logger: logger, open: map[uint64]*opened{}}
}
