package wire

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	"github.com/rosterd/rosterd/plugins/sdk"
	adapterv1 "github.com/rosterd/rosterd/plugins/sdk/proto/v1"
)

// Client makes calls to one adapter process. Every error it returns is an
// [*sdk.Error]; one that wraps [ErrTransport] says that no answer came. It
// serves concurrent calls and sets no deadline of its own.
type Client struct {
	rpc adapterv1.AdapterClient
}

// NewClient makes the daemon's end over a connection to an adapter.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{rpc: adapterv1.NewAdapterClient(conn)}
}

// Describe returns the adapter's description of itself.
func (c *Client) Describe(ctx context.Context) (sdk.Info, error) {
	res, err := c.rpc.Describe(ctx, &adapterv1.DescribeRequest{})
	if err != nil {
		return sdk.Info{}, fromStatus(ctx, "describe", err)
	}
	return infoFromProto(res), nil
}

// Open opens a connection in the adapter's process.
func (c *Client) Open(ctx context.Context, conn sdk.Connection) (*Remote, error) {
	res, err := c.rpc.Open(ctx, &adapterv1.OpenRequest{
		Name: conn.Name, ClientId: conn.ClientID, Clubs: conn.Clubs, Settings: conn.Settings,
		ReadOnly: conn.ReadOnly,
	})
	if err != nil {
		return nil, fromStatus(ctx, "open connection", err)
	}
	return &Remote{rpc: c.rpc, handle: res.GetHandle(), abilities: abilitiesFromProto(res.GetAbilities())}, nil
}

// Remote is one open connection in an adapter's process. It has the methods of
// every ability; [Remote.Abilities] says which may be called.
type Remote struct {
	rpc       adapterv1.AdapterClient
	handle    uint64
	abilities []sdk.Ability
}

var (
	_ sdk.Source            = (*Remote)(nil)
	_ sdk.ImportStarter     = (*Remote)(nil)
	_ sdk.OutcomeSubscriber = (*Remote)(nil)
	_ sdk.FieldLister       = (*Remote)(nil)
	_ sdk.QuotaTeller       = (*Remote)(nil)
	_ sdk.Checker           = (*Remote)(nil)
)

// Abilities returns what the connection can do with its settings.
func (r *Remote) Abilities() []sdk.Ability { return r.abilities }

// Close closes the connection in the adapter's process.
func (r *Remote) Close(ctx context.Context) error {
	_, err := r.rpc.Close(ctx, &adapterv1.CloseRequest{Handle: r.handle})
	return fromStatus(ctx, "close connection", err)
}

// Read reads one page and validates it.
func (r *Remote) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	res, err := r.rpc.Read(ctx, &adapterv1.ReadRequest{
		Handle: r.handle, Kind: string(req.Kind), After: req.After, Limit: int32(min(req.Limit, sdk.MaxPageBytes)),
	})
	if err != nil {
		return nil, fromStatus(ctx, "read page", err)
	}
	page := pageFromProto(res.GetPage())
	if err := validate(page, req); err != nil {
		return nil, sdk.Fail(sdk.CodeInternal, fmt.Errorf("read page: the adapter's answer: %w", err))
	}
	return page, nil
}

// validate checks what a page must be beyond its own form: an answer to the
// request that was made.
func validate(page *sdk.Page, req sdk.ReadRequest) error {
	if err := page.Validate(); err != nil {
		return err
	}
	switch {
	case page.Kind != req.Kind:
		return fmt.Errorf("%w: kind %s where %s was asked for", sdk.ErrPage, page.Kind, req.Kind)
	case page.Rows > req.Limit:
		return fmt.Errorf("%w: %d records where at most %d were asked for", sdk.ErrPage, page.Rows, req.Limit)
	}
	return validateRemoved(page.Removed)
}

// validateRemoved bounds the ids of removed records, which lie outside the
// cells.
func validateRemoved(ids []string) error {
	size := 0
	for _, id := range ids {
		if !validID(id) {
			return fmt.Errorf("%w: a removed record without an id, or with one of more than %d bytes", sdk.ErrPage, maxID)
		}
		size += len(id)
	}
	if size > maxRemoved {
		return fmt.Errorf("%w: %d bytes of ids of removed records, at most %d", sdk.ErrPage, size, maxRemoved)
	}
	return nil
}

// asked checks that a page answers a request for records by their ids: none
// that was not asked for, none twice, and no cursor.
func asked(page *sdk.Page, req sdk.GetRequest) error {
	err := validate(page, sdk.ReadRequest{Kind: req.Kind, Limit: len(req.IDs)})
	if err != nil {
		return err
	}
	left := make(map[string]struct{}, len(req.IDs))
	for _, id := range req.IDs {
		left[id] = struct{}{}
	}
	for i := range page.Rows {
		id := page.Row(i).ID()
		if _, ok := left[id]; !ok {
			return fmt.Errorf("%w: a record that was not asked for, or one twice", sdk.ErrPage)
		}
		delete(left, id)
	}
	if len(page.Next) > 0 || len(page.Removed) > 0 {
		return fmt.Errorf("%w: a cursor or removed records where records were asked for by id", sdk.ErrPage)
	}
	return nil
}

// ImportIdentity says on whose behalf imports run.
func (r *Remote) ImportIdentity(ctx context.Context) (sdk.ImportIdentity, error) {
	res, err := r.rpc.ImportIdentity(ctx, &adapterv1.ImportIdentityRequest{Handle: r.handle})
	if err != nil {
		return sdk.ImportIdentity{}, fromStatus(ctx, "import identity", err)
	}
	return identityFromProto(res), nil
}

// StartImport announces an import. With an error the outcome is
// [sdk.OutcomeUnknown].
func (r *Remote) StartImport(ctx context.Context, req sdk.StartImportRequest) (sdk.StartImportResponse, error) {
	res, err := r.rpc.StartImport(ctx, startToProto(r.handle, req))
	if err != nil {
		err = fromStatus(ctx, "start import", err)
		return sdk.StartImportResponse{Outcome: sdk.OutcomeUnknown, Code: code(err), Detail: err.Error()}, err
	}
	return sdk.StartImportResponse{
		Outcome: outcomeFromProto(res.GetOutcome()), SessionID: clean(res.GetSessionId(), maxText),
		Code: sdk.Code(clean(res.GetCode(), maxText)), Detail: clean(res.GetDetail(), maxText),
	}, nil
}

func code(err error) sdk.Code {
	if e, ok := errors.AsType[*sdk.Error](err); ok {
		return e.Code
	}
	return sdk.CodeInternal
}

// SubscribeOutcomes asks for events about what became of clients.
func (r *Remote) SubscribeOutcomes(ctx context.Context, req sdk.SubscribeOutcomesRequest) error {
	_, err := r.rpc.SubscribeOutcomes(ctx, &adapterv1.SubscribeOutcomesRequest{Handle: r.handle, TargetUrl: req.TargetURL})
	return fromStatus(ctx, "subscribe to outcomes", err)
}

// ListFields lists the fields of the connection's business.
func (r *Remote) ListFields(ctx context.Context) ([]sdk.Field, error) {
	res, err := r.rpc.ListFields(ctx, &adapterv1.ListFieldsRequest{Handle: r.handle})
	if err != nil {
		return nil, fromStatus(ctx, "list fields", err)
	}
	return fieldsFromProto(res.GetFields()), nil
}

// Quotas tells what is left of the limits that the connection keeps.
func (r *Remote) Quotas(ctx context.Context) ([]sdk.Quota, error) {
	res, err := r.rpc.Quotas(ctx, &adapterv1.QuotasRequest{Handle: r.handle})
	if err != nil {
		return nil, fromStatus(ctx, "tell quotas", err)
	}
	return quotasFromProto(res.GetQuotas())
}

// Check tests the connection.
func (r *Remote) Check(ctx context.Context) error {
	_, err := r.rpc.Check(ctx, &adapterv1.CheckRequest{Handle: r.handle})
	return fromStatus(ctx, "check", err)
}
