package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/plugins/sdk"
	adapterv1 "github.com/rosterd/rosterd/plugins/sdk/proto/v1"
)

// Target describes what a connection writes.
func (s *Server) Target(ctx context.Context, r *adapterv1.TargetRequest) (_ *adapterv1.TargetResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := use[sdk.Target](ctx, s, r.GetHandle(), sdk.AbilityTarget)
	if err != nil {
		return nil, err
	}
	defer release()
	info, err := v.Target(ctx)
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	return targetToProto(info), nil
}

// Write carries out operations.
func (s *Server) Write(ctx context.Context, r *adapterv1.WriteRequest) (_ *adapterv1.WriteResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := useToWrite[sdk.Target](ctx, s, r.GetHandle(), sdk.AbilityTarget)
	if err != nil {
		return nil, err
	}
	defer release()
	res, err := v.Write(ctx, writeFromProto(r))
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	if len(res.Results) != len(r.GetOperations()) {
		return nil, toStatus(ctx, sdk.Fail(sdk.CodeInternal,
			fmt.Errorf("the adapter returned %d results for %d operations", len(res.Results), len(r.GetOperations()))))
	}
	return &adapterv1.WriteResponse{Results: resultsToProto(res.Results)}, nil
}

// Find looks for records.
func (s *Server) Find(ctx context.Context, r *adapterv1.FindRequest) (_ *adapterv1.FindResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := use[sdk.Finder](ctx, s, r.GetHandle(), sdk.AbilityFinder)
	if err != nil {
		return nil, err
	}
	defer release()
	res, err := v.Find(ctx, findFromProto(r))
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	matches, err := matchesToProto(res.Matches)
	if err != nil {
		return nil, toStatus(ctx, sdk.Fail(sdk.CodeInternal, err))
	}
	return &adapterv1.FindResponse{Matches: matches}, nil
}

// Get reads the present values of records.
func (s *Server) Get(ctx context.Context, r *adapterv1.GetRequest) (_ *adapterv1.GetResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := use[sdk.Getter](ctx, s, r.GetHandle(), sdk.AbilityGetter)
	if err != nil {
		return nil, err
	}
	defer release()
	page, err := v.Get(ctx, sdk.GetRequest{Kind: sdk.Kind(r.GetKind()), IDs: r.GetIds()})
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	if page == nil {
		return nil, toStatus(ctx, sdk.Fail(sdk.CodeInternal, errors.New("the adapter returned no page and no error")))
	}
	return &adapterv1.GetResponse{Page: pageToProto(page)}, nil
}

// ListStaff lists the staff of a connection.
func (s *Server) ListStaff(ctx context.Context, r *adapterv1.ListStaffRequest) (_ *adapterv1.ListStaffResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := use[sdk.StaffLister](ctx, s, r.GetHandle(), sdk.AbilityStaffLister)
	if err != nil {
		return nil, err
	}
	defer release()
	staff, err := v.ListStaff(ctx)
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	list, err := staffToProto(staff)
	if err != nil {
		return nil, toStatus(ctx, sdk.Fail(sdk.CodeInternal, err))
	}
	return &adapterv1.ListStaffResponse{Staff: list}, nil
}

// FindStaff finds staff by e-mail address.
func (s *Server) FindStaff(ctx context.Context, r *adapterv1.FindStaffRequest) (_ *adapterv1.FindStaffResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := use[sdk.StaffFinder](ctx, s, r.GetHandle(), sdk.AbilityStaffFinder)
	if err != nil {
		return nil, err
	}
	defer release()
	staff, err := v.FindStaff(ctx, r.GetEmail())
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	list, err := staffToProto(staff)
	if err != nil {
		return nil, toStatus(ctx, sdk.Fail(sdk.CodeInternal, err))
	}
	return &adapterv1.FindStaffResponse{Staff: list}, nil
}

// ListLeadSources lists the lead sources of a connection.
func (s *Server) ListLeadSources(ctx context.Context, r *adapterv1.ListLeadSourcesRequest) (_ *adapterv1.ListLeadSourcesResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := use[sdk.LeadSourceLister](ctx, s, r.GetHandle(), sdk.AbilityLeadSourceLister)
	if err != nil {
		return nil, err
	}
	defer release()
	sources, err := v.ListLeadSources(ctx)
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	list, err := leadSourcesToProto(sources)
	if err != nil {
		return nil, toStatus(ctx, sdk.Fail(sdk.CodeInternal, err))
	}
	return &adapterv1.ListLeadSourcesResponse{LeadSources: list}, nil
}

// ListClubs lists the clubs of a connection.
func (s *Server) ListClubs(ctx context.Context, r *adapterv1.ListClubsRequest) (_ *adapterv1.ListClubsResponse, err error) {
	defer s.recovered(ctx, &err)
	v, ctx, release, err := use[sdk.ClubLister](ctx, s, r.GetHandle(), sdk.AbilityClubLister)
	if err != nil {
		return nil, err
	}
	defer release()
	clubs, err := v.ListClubs(ctx)
	if err != nil {
		return nil, toStatus(ctx, err)
	}
	list, err := clubsToProto(clubs)
	if err != nil {
		return nil, toStatus(ctx, sdk.Fail(sdk.CodeInternal, err))
	}
	return &adapterv1.ListClubsResponse{Clubs: list}, nil
}
