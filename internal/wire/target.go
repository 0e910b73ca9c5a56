package wire

import (
	"context"
	"fmt"

	"github.com/rosterd/rosterd/plugins/sdk"
	adapterv1 "github.com/rosterd/rosterd/plugins/sdk/proto/v1"
)

var (
	_ sdk.Target           = (*Remote)(nil)
	_ sdk.Finder           = (*Remote)(nil)
	_ sdk.Getter           = (*Remote)(nil)
	_ sdk.StaffLister      = (*Remote)(nil)
	_ sdk.StaffFinder      = (*Remote)(nil)
	_ sdk.LeadSourceLister = (*Remote)(nil)
)

// Target describes what the connection writes.
func (r *Remote) Target(ctx context.Context) (sdk.TargetInfo, error) {
	res, err := r.rpc.Target(ctx, &adapterv1.TargetRequest{Handle: r.handle})
	if err != nil {
		return sdk.TargetInfo{}, fromStatus(ctx, "describe target", err)
	}
	return targetFromProto(res)
}

// Write carries out operations. With an error every operation has
// [sdk.OutcomeUnknown]; the exception is one that wraps [ErrNotSent], where
// each is [sdk.OutcomeRefused].
func (r *Remote) Write(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	if err := sendable(req); err != nil {
		return Unwritten(len(req.Operations), sdk.OutcomeRefused, err), err
	}
	res, err := r.rpc.Write(ctx, writeToProto(r.handle, req))
	if err != nil {
		err = fromStatus(ctx, "write", err)
		return Unwritten(len(req.Operations), sdk.OutcomeUnknown, err), err
	}
	if len(res.GetResults()) != len(req.Operations) {
		err = broken("write", fmt.Errorf("%d results for %d operations", len(res.GetResults()), len(req.Operations)))
		return Unwritten(len(req.Operations), sdk.OutcomeUnknown, err), err
	}
	return sdk.WriteResponse{Results: resultsFromProto(res.GetResults(), req.Operations)}, nil
}

// Find looks for records. An answer of which one match cannot be used is an
// error: without it a record would be taken for one that is not there.
func (r *Remote) Find(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
	if len(req.Queries) > MaxOperations {
		return sdk.FindResponse{}, notSent("find: %d queries, at most %d", len(req.Queries), MaxOperations)
	}
	res, err := r.rpc.Find(ctx, findToProto(r.handle, req))
	if err != nil {
		return sdk.FindResponse{}, fromStatus(ctx, "find", err)
	}
	return matchesFromProto(res.GetMatches(), len(req.Queries))
}

// Get reads the present values of records and validates the page.
func (r *Remote) Get(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error) {
	if len(req.IDs) > sdk.DefaultBatch {
		return nil, notSent("get: %d ids, at most %d", len(req.IDs), sdk.DefaultBatch)
	}
	res, err := r.rpc.Get(ctx, &adapterv1.GetRequest{Handle: r.handle, Kind: string(req.Kind), Ids: req.IDs})
	if err != nil {
		return nil, fromStatus(ctx, "get", err)
	}
	page := pageFromProto(res.GetPage())
	if err := asked(page, req); err != nil {
		return nil, broken("get", err)
	}
	return page, nil
}

// ListStaff lists the staff of the connection.
func (r *Remote) ListStaff(ctx context.Context) ([]sdk.Staff, error) {
	res, err := r.rpc.ListStaff(ctx, &adapterv1.ListStaffRequest{Handle: r.handle})
	if err != nil {
		return nil, fromStatus(ctx, "list staff", err)
	}
	return staffFromProto("list staff", res.GetStaff())
}

// FindStaff finds staff by e-mail address.
func (r *Remote) FindStaff(ctx context.Context, email string) ([]sdk.Staff, error) {
	res, err := r.rpc.FindStaff(ctx, &adapterv1.FindStaffRequest{Handle: r.handle, Email: email})
	if err != nil {
		return nil, fromStatus(ctx, "find staff", err)
	}
	return staffFromProto("find staff", res.GetStaff())
}

// ListLeadSources lists the lead sources of the connection.
func (r *Remote) ListLeadSources(ctx context.Context) ([]sdk.LeadSource, error) {
	res, err := r.rpc.ListLeadSources(ctx, &adapterv1.ListLeadSourcesRequest{Handle: r.handle})
	if err != nil {
		return nil, fromStatus(ctx, "list lead sources", err)
	}
	return leadSourcesFromProto(res.GetLeadSources())
}

// ListClubs lists the clubs of the connection.
func (r *Remote) ListClubs(ctx context.Context) ([]sdk.Club, error) {
	res, err := r.rpc.ListClubs(ctx, &adapterv1.ListClubsRequest{Handle: r.handle})
	if err != nil {
		return nil, fromStatus(ctx, "list clubs", err)
	}
	return clubsFromProto(res.GetClubs())
}
