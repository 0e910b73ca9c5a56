package adapters_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

func (f *fakeConn) SubscribeOutcomes(context.Context, sdk.SubscribeOutcomesRequest) error { return nil }

func (f *fakeConn) Target(context.Context) (sdk.TargetInfo, error) {
	return sdk.TargetInfo{Kinds: []sdk.TargetKind{{Kind: sdk.KindMember, Writes: []sdk.Op{sdk.OpCreate}, Class: sdk.ClassE}}}, nil
}

func (f *fakeConn) Write(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	switch f.set.Mode {
	case "crash":
		os.Exit(9)
	case "late":
		return f.writeLate(req)
	case "hang":
		<-ctx.Done()
		return sdk.WriteResponse{}, ctx.Err()
	case "fail":
		return sdk.WriteResponse{}, sdk.Fail(sdk.CodeAuth, errors.New("the token is refused"))
	case "too few":
		return sdk.WriteResponse{}, nil
	}
	results := make([]sdk.Result, len(req.Operations))
	for i := range results {
		results[i] = sdk.Result{Outcome: sdk.OutcomeOK, ID: req.Operations[i].Key}
	}
	return sdk.WriteResponse{Results: results}, nil
}

// writeLate does not look at its context: it waits until the gate opens, long
// after its caller has given up, and then sends what it was to write.
func (f *fakeConn) writeLate(req sdk.WriteRequest) (sdk.WriteResponse, error) {
	res, err := http.Get(f.set.URL + "/gate?pid=" + strconv.Itoa(os.Getpid()))
	if err != nil {
		return sdk.WriteResponse{}, err
	}
	_ = res.Body.Close()
	for range req.Operations {
		res, err := http.Post(f.set.URL+"/create", "application/json", strings.NewReader("{}"))
		if err != nil {
			return sdk.WriteResponse{}, err
		}
		_ = res.Body.Close()
	}
	return sdk.WriteResponse{Results: make([]sdk.Result, len(req.Operations))}, nil
}

func (f *fakeConn) Find(_ context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
	return sdk.FindResponse{Matches: make([][]sdk.Match, len(req.Queries))}, nil
}

func (f *fakeConn) Get(_ context.Context, req sdk.GetRequest) (*sdk.Page, error) {
	b := sdk.NewPageBuilder(req.Kind, nil)
	for _, id := range req.IDs {
		b.Add(id, "", "")
	}
	return b.Page(nil, true)
}

func (f *fakeConn) ListStaff(context.Context) ([]sdk.Staff, error) {
	return []sdk.Staff{{ID: strconv.FormatBool(f.conn.ReadOnly)}}, nil
}

func (f *fakeConn) FindStaff(_ context.Context, email string) ([]sdk.Staff, error) {
	return []sdk.Staff{{ID: "1", Email: email}}, nil
}

func (f *fakeConn) ListLeadSources(context.Context) ([]sdk.LeadSource, error) {
	return []sdk.LeadSource{{ID: "1", Name: "Web"}}, nil
}

func (f *fakeConn) ListClubs(context.Context) ([]sdk.Club, error) {
	return []sdk.Club{{ID: "12", Name: "Downtown"}}, nil
}
