package wire

import (
	"context"
	"errors"

	"github.com/rosterd/rosterd/plugins/sdk"
	adapterv1 "github.com/rosterd/rosterd/plugins/sdk/proto/v1"
)

// Read reads one page.
func (s *Server) Read(ctx context.Context, r *adapterv1.ReadRequest) (_ *adapterv1.ReadResponse, err error) {
	defer s.recovered(ctx, &err)
	src, ctx, release, err := use[sdk.Source](ctx, s, r.GetHandle(), sdk.AbilitySource)
	if err != nil {
		return nil, err
	}
	defer release()
	page, err := src.Read(ctx, sdk.ReadRequest{
		Kind: sdk.Kind(r.GetKind()), After: r.GetAfter(), Limit: int(r.GetLimit()),
	})
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	if page == nil {
		return nil, toStatus(ctx, sdk.Fail(sdk.CodeInternal, errors.New("the adapter returned no page and no error")))
	}
	if err := validateRemoved(page.Removed); err != nil {
		return nil, toStatus(ctx, sdk.Fail(sdk.CodeInternal, err))
	}
	return &adapterv1.ReadResponse{Page: pageToProto(page)}, nil
}

// ImportIdentity says on whose behalf imports run.
func (s *Server) ImportIdentity(ctx context.Context, r *adapterv1.ImportIdentityRequest) (_ *adapterv1.ImportIdentityResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := use[sdk.ImportStarter](ctx, s, r.GetHandle(), sdk.AbilityImportStarter)
	if err != nil {
		return nil, err
	}
	defer release()
	id, err := v.ImportIdentity(ctx)
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	return identityToProto(id), nil
}

// StartImport announces an import.
func (s *Server) StartImport(ctx context.Context, r *adapterv1.StartImportRequest) (_ *adapterv1.StartImportResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := useToWrite[sdk.ImportStarter](ctx, s, r.GetHandle(), sdk.AbilityImportStarter)
	if err != nil {
		return nil, err
	}
	defer release()
	res, err := v.StartImport(ctx, startFromProto(r))
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	return &adapterv1.StartImportResponse{
		Outcome: string(res.Outcome), SessionId: clean(res.SessionID, maxText),
		Code: string(res.Code), Detail: clean(res.Detail, maxText),
	}, nil
}

// SubscribeOutcomes asks for events about what became of clients.
func (s *Server) SubscribeOutcomes(ctx context.Context, r *adapterv1.SubscribeOutcomesRequest) (_ *adapterv1.SubscribeOutcomesResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := useToWrite[sdk.OutcomeSubscriber](ctx, s, r.GetHandle(), sdk.AbilityOutcomeSubscriber)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := v.SubscribeOutcomes(ctx, sdk.SubscribeOutcomesRequest{TargetURL: r.GetTargetUrl()}); err != nil {
		return nil, toStatus(ctx, err)
	}
	return &adapterv1.SubscribeOutcomesResponse{}, nil
}

// ListFields lists the fields of the connection's business.
func (s *Server) ListFields(ctx context.Context, r *adapterv1.ListFieldsRequest) (_ *adapterv1.ListFieldsResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := use[sdk.FieldLister](ctx, s, r.GetHandle(), sdk.AbilityFieldLister)
	if err != nil {
		return nil, err
	}
	defer release()
	fields, err := v.ListFields(ctx)
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	return &adapterv1.ListFieldsResponse{Fields: fieldsToProto(fields)}, nil
}

// Quotas tells what is left of the limits that a connection keeps.
func (s *Server) Quotas(ctx context.Context, r *adapterv1.QuotasRequest) (_ *adapterv1.QuotasResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := use[sdk.QuotaTeller](ctx, s, r.GetHandle(), sdk.AbilityQuotaTeller)
	if err != nil {
		return nil, err
	}
	defer release()
	quotas, err := v.Quotas(ctx)
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	return &adapterv1.QuotasResponse{Quotas: quotasToProto(quotas)}, nil
}

// Check tests a connection.
func (s *Server) Check(ctx context.Context, r *adapterv1.CheckRequest) (_ *adapterv1.CheckResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := use[sdk.Checker](ctx, s, r.GetHandle(), sdk.AbilityChecker)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := v.Check(ctx); err != nil {
		return nil, toStatus(ctx, err)
	}
	return &adapterv1.CheckResponse{}, nil
}
