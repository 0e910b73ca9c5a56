package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/metrics"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// inbound is what receives from the systems that push to us.
type inbound struct {
	key []byte
	// current is what the configuration of this moment says.
	current atomic.Pointer[receiving]
	waker   *waker
}

// receiving are the endpoints of one configuration, with what answers for them.
type receiving struct {
	endpoints map[string]*connector.Endpoint
	api       *connector.Connector
}

// openInbound makes the endpoints of all connections that other systems push to.
func (p *parts) openInbound() (*inbound, error) {
	key, err := p.store.Names().Derive("connector answers")
	if err != nil {
		return nil, err
	}
	in := &inbound{key: key, waker: newWaker(p)}
	made, err := in.receiving(p, p.now().cfg)
	if err != nil {
		return nil, err
	}
	in.current.Store(made)
	return in, nil
}

// receiving makes what a configuration says.
func (in *inbound) receiving(p *parts, cfg *config.Config) (*receiving, error) {
	endpoints, err := endpointsOf(cfg)
	if err != nil {
		return nil, err
	}
	api, err := connector.New(connector.Options{
		Endpoints: slices.Collect(maps.Values(endpoints)), Store: roomyInbound{p}, Live: p.liveRecord, Saved: in.waker.saved,
		Counter: inboundCounter{p.metrics}, Key: in.key, TrustedProxies: cfg.TrustedProxies, Logger: p.log, Now: time.Now,
	})
	if err != nil {
		return nil, inboundFault(err)
	}
	for ref := range endpoints {
		inboundCounter{p.metrics}.opened(ref)
	}
	return &receiving{endpoints: endpoints, api: api}, nil
}

// inboundCounter counts in the metrics what other systems push.
type inboundCounter struct{ metrics *metrics.Metrics }

func (c inboundCounter) opened(ref string) {
	var kinds, reasons []string
	for _, kind := range sdk.Kinds() {
		kinds = append(kinds, string(kind))
	}
	for _, reason := range connector.Reasons() {
		reasons = append(reasons, strings.ToLower(string(reason)))
	}
	c.metrics.InboundOpened(ref, kinds, reasons)
}

// Saved implements [connector.Counter].
func (c inboundCounter) Saved(conn string, kind sdk.Kind, unknown int) {
	c.metrics.InboundSaved(conn, string(kind), unknown)
}

// Fetched implements [connector.Counter].
func (c inboundCounter) Fetched(conn string) { c.metrics.InboundFetched(conn) }

// Refused implements [connector.Counter].
func (c inboundCounter) Refused(conn string, reason connector.Reason) {
	c.metrics.InboundRefused(conn, strings.ToLower(string(reason)))
}

// after makes what another configuration says. Where it changes none of the
// connections the present one stays, with what it knows of its callers.
func (in *inbound) after(p *parts, before, next *config.Config) (*receiving, error) {
	if reflect.DeepEqual(pushedTo(before), pushedTo(next)) {
		return in.current.Load(), nil
	}
	return in.receiving(p, next)
}

// pushedTo are the connections that other systems push to.
func pushedTo(cfg *config.Config) map[string]roster.Connection {
	found := map[string]roster.Connection{}
	for _, account := range cfg.Accounts {
		for _, c := range account.Connections {
			if c.Adapter == roster.AdapterInbound {
				found[c.Ref] = c
			}
		}
	}
	return found
}

func endpointsOf(cfg *config.Config) (map[string]*connector.Endpoint, error) {
	endpoints := map[string]*connector.Endpoint{}
	for _, account := range cfg.Accounts {
		for _, c := range account.Connections {
			if c.Adapter != roster.AdapterInbound {
				continue
			}
			endpoint, err := endpointOf(cfg, c)
			if errors.Is(err, connector.ErrNoSecret) {
				continue // what only reads the state is given no secrets
			}
			if err != nil {
				return nil, inboundFault(err)
			}
			endpoints[c.Ref] = endpoint
		}
	}
	return endpoints, nil
}

func endpointOf(cfg *config.Config, c roster.Connection) (*connector.Endpoint, error) {
	var err error
	if c.Settings, err = cfg.Settings(c.Ref, connector.Info().Settings); err != nil {
		return nil, err
	}
	if list := config.CheckSettings(cfg, c.Ref, connector.Info().Settings); len(list) > 0 {
		return nil, fmt.Errorf("connection %s: %s", c.Ref, list[0].Message)
	}
	return connector.NewEndpoint(c)
}

// codeInbound is the code of a fault in a connection that other systems push to.
const codeInbound = "config.inbound"

func inboundFault(err error) *roster.Fault {
	return &roster.Fault{Code: codeInbound, Message: err.Error(), Hint: "correct the connection, and try it with `rosterd validate`"}
}

// handler answers what is pushed, and leaves the rest to next.
func (in *inbound) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in.current.Load().api.Handler(next).ServeHTTP(w, r)
	})
}

// inboundFindings checks a connection that other systems push to, beyond its
// settings' schema.
func inboundFindings(cfg *config.Config, conn roster.Connection) []config.Fault {
	findings := config.CheckSettings(cfg, conn.Ref, connector.Info().Settings)
	if len(findings) > 0 {
		return findings
	}
	// Away from its machine a secret may not be known; then nothing else is either.
	endpoint, err := endpointOf(cfg, conn)
	if err == nil {
		for _, account := range cfg.Accounts {
			for _, other := range account.Connections {
				if other.Adapter != roster.AdapterInbound || other.Ref == conn.Ref {
					continue
				}
				if same, otherErr := endpointOf(cfg, other); otherErr == nil && same.Provider == endpoint.Provider && same.Client == endpoint.Client {
					err = fmt.Errorf("connection %s has the same provider and client_id as %s: a request could mean either", conn.Ref, other.Ref)
				}
			}
		}
	}
	if err == nil || errors.Is(err, connector.ErrNoSecret) {
		return nil
	}
	f := inboundFault(err)
	return []config.Fault{config.AtAdapter(cfg, conn.Ref, config.Fault{
		Severity: config.SeverityError, Code: config.Code(f.Code), File: cfg.Path, Message: f.Message, Hint: f.Hint,
	})}
}

// adapterInfo asks an adapter what it is, or tells it of one that is built in.
func adapterInfo(ctx context.Context, host *adapters.Host, name string) (sdk.Info, error) {
	if name == roster.AdapterInbound {
		return connector.Info(), nil
	}
	return host.Describe(ctx, name)
}

// opened is an open connection that is read.
type opened interface {
	Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error)
	Get(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error)
	Has(ability sdk.Ability) bool
	Close() error
}

// source opens the connection that a job reads: with its adapter's program, or
// what was pushed to it.
func (p view) source(
	ctx context.Context, run roster.Run, ref string, open func(context.Context, string, sdk.Ability) (*adapters.Conn, error),
) (opened, error) {
	c, ok := p.connection(ref)
	if !ok || c.Adapter != roster.AdapterInbound {
		return open(ctx, ref, sdk.AbilitySource)
	}
	if run.Scope.Sweep {
		return nil, &roster.Fault{
			Code: "job.sweep", Message: "what is pushed to " + ref + " is not kept, so that nobody can tell what is gone from it",
			Hint: "start the job without a sweep",
		}
	}
	endpoint, err := endpointOf(p.cfg, c)
	if err != nil {
		return nil, inboundFault(err)
	}
	return pushedSource{&connector.Source{Store: p.store, Endpoint: endpoint}}, nil
}

// pushedSource is what was pushed to a connection.
type pushedSource struct{ *connector.Source }

// Has reports whether the connection has an ability: it is read and nothing else.
func (pushedSource) Has(ability sdk.Ability) bool { return ability == sdk.AbilitySource }

// Close has nothing to close.
func (pushedSource) Close() error { return nil }

// Get is refused.
func (pushedSource) Get(context.Context, sdk.GetRequest) (*sdk.Page, error) {
	return nil, sdk.Fail(sdk.CodeConfig, adapters.ErrAbility)
}

// roomyInbound keeps what is pushed from taking the disk's last room.
type roomyInbound struct{ p *parts }

// SaveInbound stores a record while there is room for more than it.
func (r roomyInbound) SaveInbound(ctx context.Context, conn string, record roster.Inbound, most int) (roster.Inbound, error) {
	if err := store.CheckRoom(r.p.now().cfg.StateDir); err != nil {
		return record, err
	}
	return r.p.store.SaveInbound(ctx, conn, record, most)
}

// InboundLatest returns what waits of a record.
func (r roomyInbound) InboundLatest(ctx context.Context, conn string, kind sdk.Kind, id string) (roster.Inbound, error) {
	return r.p.store.InboundLatest(ctx, conn, kind, id)
}

// tidyInbound removes, when a run has ended, what all jobs have read: no copy of
// people is kept.
func (p view) tidyInbound(ctx context.Context, job roster.Job, closing *closers) {
	if c, ok := p.connection(job.From); ok && c.Adapter == roster.AdapterInbound {
		closing.add(func() error { return p.dropRead(context.WithoutCancel(ctx), job.From) })
	}
}

// dropRead removes what every job that reads a connection has behind it, which is
// everything of a kind that none reads. The latest of each staff member and lead
// source stays.
func (p *parts) dropRead(ctx context.Context, ref string) error {
	for _, kind := range sdk.Kinds() {
		least := uint64(math.MaxUint64)
		// Every run looks up the counterparts of all staff and lead sources anew.
		if (kind == sdk.KindStaff || kind == sdk.KindLeadSource) && p.reads(ref, kind) {
			continue
		}
		for _, job := range p.now().cfg.Jobs {
			if job.From != ref || !slices.Contains(job.Kinds, kind) {
				continue
			}
			cursor, err := p.store.Cursor(ctx, job.Ref, kind)
			if err != nil {
				return err
			}
			place, err := connector.ParseCursor(cursor)
			if err != nil {
				return fmt.Errorf("job %s: %w", job.Ref, err)
			}
			least = min(least, place)
		}
		if _, err := p.store.DropInbound(ctx, ref, kind, least); err != nil {
			return err
		}
	}
	return nil
}

// reads reports whether a job reads records of a kind from a connection.
func (p *parts) reads(ref string, kind sdk.Kind) bool {
	return slices.ContainsFunc(p.now().cfg.Jobs, func(job roster.Job) bool {
		return job.From == ref && slices.Contains(job.Kinds, kind)
	})
}

// pushedFields are the fields that records pushed to a connection can have.
func (p view) pushedFields(c roster.Connection, kinds []sdk.Kind) (fields []mapping.EditorField, err error) {
	endpoint, err := endpointOf(p.cfg, c)
	if err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		for _, name := range endpoint.Columns(kind) {
			fields = appendField(fields, mapping.EditorField{Name: name})
		}
	}
	return fields, nil
}
