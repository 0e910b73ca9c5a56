package sdktest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

// kinds changes what a target says of its kinds.
func kinds(c *crm, change func(*sdk.TargetKind)) {
	info := c.info
	c.info = func(ctx context.Context) (sdk.TargetInfo, error) {
		i, err := info(ctx)
		for n := range i.Kinds {
			change(&i.Kinds[n])
		}
		return i, err
	}
}

// results changes what a target says of operations.
func results(c *crm, change func(sdk.WriteRequest, []sdk.Result) []sdk.Result) {
	write := c.write
	c.write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
		res, err := write(ctx, req)
		if err == nil {
			res.Results = change(req, res.Results)
		}
		return res, err
	}
}

// after changes the results of one operation.
func after(c *crm, op sdk.Op, change func(*sdk.Result)) {
	results(c, func(req sdk.WriteRequest, r []sdk.Result) []sdk.Result {
		for i := range r {
			if req.Operations[i].Op == op {
				change(&r[i])
			}
		}
		return r
	})
}

// instead makes a target do another operation than the one that is asked for.
func instead(c *crm, asked, done sdk.Op) {
	write := c.write
	c.write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
		for i := range req.Operations {
			if req.Operations[i].Op == asked {
				req.Operations[i].Op = done
			}
		}
		return write(ctx, req)
	}
}

// everything finds all records, whatever is looked for.
func everything(c *crm) {
	c.find = func(_ context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
		res := sdk.FindResponse{Matches: make([][]sdk.Match, len(req.Queries))}
		for i, q := range req.Queries {
			for _, r := range c.fake.Records() {
				res.Matches[i] = append(res.Matches[i], sdk.Match{ID: r.ID, Marker: q.Marker})
			}
		}
		return res, nil
	}
}

// TestABrokenTargetIsReportedByItsCheck breaks a proper target in one way each
// and names the check that has to say so.
func TestABrokenTargetIsReportedByItsCheck(t *testing.T) {
	both, value := []string{"value", "grpc"}, []string{"value"}
	for _, tt := range []struct {
		fault string
		class sdk.GuaranteeClass
		ways  []string
		check string
		says  string
		spoil func(*crm)
	}{
		{"it writes no kind", sdk.ClassC, both, "target/describe", "no kind", func(c *crm) {
			c.info = func(context.Context) (sdk.TargetInfo, error) { return sdk.TargetInfo{}, nil }
		}},
		{"its markers cannot be found", sdk.ClassC, both, "target/describe", "without the ability finder", func(c *crm) {
			c.able = slices.DeleteFunc(c.able, func(a sdk.Ability) bool { return a == sdk.AbilityFinder })
		}},
		{"it forgets keys at once", sdk.ClassA, both, "target/describe", "KeyTTL", func(c *crm) {
			kinds(c, func(k *sdk.TargetKind) { k.KeyTTL = 0 })
		}},
		{"it does not say what is unique", sdk.ClassBPrime, both, "target/describe", "unique", func(c *crm) {
			kinds(c, func(k *sdk.TargetKind) { k.Unique = "" })
		}},
		{"it finds anybody by a field", sdk.ClassE, both, "target/finds", "are found where one was created", everything},
		{"what it finds by is no field", sdk.ClassE, both, "target/describe", "not among the declared", func(c *crm) {
			kinds(c, func(k *sdk.TargetKind) { k.Finds = []string{"phone"} })
		}},
		{"it cannot find by what it names", sdk.ClassE, both, "target/describe", "without the ability finder", func(c *crm) {
			c.able = slices.DeleteFunc(c.able, func(a sdk.Ability) bool { return a == sdk.AbilityFinder })
		}},
		{"it finds by no field", sdk.ClassD, both, "target/describe", "class D", func(c *crm) {
			kinds(c, func(k *sdk.TargetKind) { k.Natural = nil })
		}},
		{"what is unique is no field", sdk.ClassBPrime, both, "target/describe", "not among the declared", func(c *crm) {
			kinds(c, func(k *sdk.TargetKind) { k.Unique = "phone" })
		}},
		{"it names no operation", sdk.ClassE, both, "target/describe", "no operation", func(c *crm) {
			kinds(c, func(k *sdk.TargetKind) { k.Writes = nil })
		}},
		{"its description calls the system", sdk.ClassE, both, "target/describe", errDown.Error(), func(c *crm) {
			info := c.info
			c.info = func(ctx context.Context) (sdk.TargetInfo, error) {
				if _, err := c.fake.ListStaff(ctx); err != nil {
					return sdk.TargetInfo{}, err
				}
				return info(ctx)
			}
		}},
		{"its description changes", sdk.ClassE, both, "target/describe", "differently", func(c *crm) {
			var n atomic.Int64
			kinds(c, func(k *sdk.TargetKind) { k.Batch = int(n.Add(1)) })
		}},
		{"it swaps results (idempotent)", sdk.ClassB, both, "target/results", "another operation's record", swapped},
		{"it swaps results (marker)", sdk.ClassC, both, "target/results", "another operation's record", swapped},
		{"it swaps results (natural key)", sdk.ClassD, both, "target/results", "another operation's record", swapped},
		{"it swaps results (nothing)", sdk.ClassE, both, "target/results", "none of the values", swapped},
		{"it returns too few results", sdk.ClassE, value, "target/results", "4 results for 5", fewer},
		{"it returns too few results", sdk.ClassE, []string{"grpc"}, "target/results", "4 results for 5", fewer},
		{"it creates without an id", sdk.ClassE, both, "target/results", "id", func(c *crm) {
			results(c, func(_ sdk.WriteRequest, r []sdk.Result) []sdk.Result { r[0].ID = ""; return r })
		}},
		{"it gives two records one id", sdk.ClassE, both, "target/results", "the same id", func(c *crm) {
			results(c, func(_ sdk.WriteRequest, r []sdk.Result) []sdk.Result { r[0].ID = r[len(r)-1].ID; return r })
		}},
		{"it creates each record twice", sdk.ClassE, both, "target/results", "10 records more", func(c *crm) {
			write := c.write
			c.write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
				_, _ = write(ctx, req)
				return write(ctx, req)
			}
		}},
		{"a bad record spoils its batch", sdk.ClassC, both, "target/bad-record", "operation 1 has the outcome", func(c *crm) {
			results(c, func(_ sdk.WriteRequest, r []sdk.Result) []sdk.Result {
				if i := slices.IndexFunc(r, func(r sdk.Result) bool { return r.Outcome == sdk.OutcomeRefused }); i >= 0 {
					return slices.Repeat(r[i:i+1], len(r))
				}
				return r
			})
		}},
		{"a bad record stops the connection", sdk.ClassC, both, "target/bad-record", `class "fail"`, func(c *crm) {
			results(c, func(_ sdk.WriteRequest, r []sdk.Result) []sdk.Result {
				for i := range r {
					if r[i].Class != "" {
						r[i].Class = sdk.ClassFail
					}
				}
				return r
			})
		}},
		{"a detail quotes a value", sdk.ClassC, both, "target/bad-record", "quotes the value of the field", func(c *crm) {
			results(c, func(req sdk.WriteRequest, r []sdk.Result) []sdk.Result {
				for i := range r {
					if r[i].Detail != "" {
						r[i].Detail = "refused: " + string(req.Operations[i].Data)
					}
				}
				return r
			})
		}},
		{"an update makes another record", sdk.ClassE, both, "target/update", "records more", func(c *crm) {
			write := c.write
			c.write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
				for _, op := range req.Operations {
					if op.Op == sdk.OpUpdate {
						c.fake.Put(sdktest.Stored{Kind: req.Kind})
					}
				}
				return write(ctx, req)
			}
		}},
		{"an update is done once only", sdk.ClassE, both, "target/update", "which the outside system accepts", func(c *crm) {
			seen := map[string]bool{}
			results(c, func(req sdk.WriteRequest, r []sdk.Result) []sdk.Result {
				for i, op := range req.Operations {
					if seen[op.ID] && op.Op == sdk.OpUpdate {
						r[i] = sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassReject, Code: sdk.CodeData, Detail: "nothing changed"}
					}
					seen[op.ID] = true
				}
				return r
			})
		}},
		{"it duplicates what has a key", sdk.ClassA, both, "target/repeat", "other ids", duplicating},
		{"it duplicates what is under an id", sdk.ClassB, both, "target/repeat", "other ids", duplicating},
		{"it takes what is there for created", sdk.ClassBPrime, both, "target/conflict", `outcome "ok"`, func(c *crm) {
			results(c, func(_ sdk.WriteRequest, r []sdk.Result) []sdk.Result {
				for i := range r {
					if r[i].Outcome == sdk.OutcomeConflict {
						r[i] = sdk.Result{Outcome: sdk.OutcomeOK, ID: r[i].ID}
					}
				}
				return r
			})
		}},
		{"it ignores markers", sdk.ClassC, both, "target/marker", "records are found", everything},
		{"it finds what nobody has", sdk.ClassC, both, "finder/ok", "do not fit", func(c *crm) {
			c.fake.Put(sdktest.Stored{Kind: sdk.KindProspect})
			everything(c)
		}},
		{"it stores no marker", sdk.ClassC, both, "target/marker", "is not found", func(c *crm) {
			write := c.write
			c.write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
				for i := range req.Operations {
					req.Operations[i].Marker = ""
				}
				return write(ctx, req)
			}
		}},
		{"it finds by part of a marker", sdk.ClassC, both, "target/marker", "another marker", func(c *crm) {
			find := c.find
			c.find = func(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
				res, err := find(ctx, req)
				for _, m := range res.Matches {
					for i := range m {
						m[i].Marker += "x"
					}
				}
				return res, err
			}
		}},
		{"it answers fewer queries", sdk.ClassC, both, "finder/ok", "queries", func(c *crm) {
			c.find = func(context.Context, sdk.FindRequest) (sdk.FindResponse, error) { return sdk.FindResponse{}, nil }
		}},
		{"it ignores fields", sdk.ClassD, both, "target/natural", "records are found", everything},
		{"a prospect says how it becomes a member", sdk.ClassE, both, "target/describe", "a prospect becomes a member", func(c *crm) {
			kinds(c, func(k *sdk.TargetKind) { k.SameRecord = true })
		}},
		{"a member is made in two ways", sdk.ClassE, both, "target/describe", "not made of it by an update", func(c *crm) {
			kinds(c, func(k *sdk.TargetKind) { k.SameRecord = k.Kind == sdk.KindMember })
		}},
		{"a conversion has no id", sdk.ClassE, both, "target/convert", "id", func(c *crm) {
			after(c, sdk.OpConvert, func(r *sdk.Result) { r.ID = "" })
		}},
		{"a conversion answers with the prospect", sdk.ClassE, both, "target/convert", "member with the id of result 1", func(c *crm) {
			results(c, func(req sdk.WriteRequest, r []sdk.Result) []sdk.Result {
				for i, op := range req.Operations {
					if op.Op == sdk.OpConvert {
						r[i].ID = op.ID
					}
				}
				return r
			})
		}},
		{"a prospect is counted twice", sdk.ClassE, both, "target/convert", "records more", func(c *crm) {
			after(c, sdk.OpConvert, func(*sdk.Result) { c.fake.Put(sdktest.Stored{Kind: sdk.KindProspect}) })
		}},
		{"two prospects become one member", sdk.ClassE, both, "target/convert", "the same id", func(c *crm) {
			after(c, sdk.OpConvert, func(r *sdk.Result) { r.ID = "one" })
		}},
		{"a transfer is not made", sdk.ClassE, both, "target/transfer", "of another club", func(c *crm) {
			instead(c, sdk.OpTransfer, sdk.OpUpdate)
		}},
		{"a transfer makes another record", sdk.ClassE, both, "target/transfer", "records more", func(c *crm) {
			after(c, sdk.OpTransfer, func(*sdk.Result) { c.fake.Put(sdktest.Stored{Kind: sdk.KindProspect}) })
		}},
		{"a transfer changes the id", sdk.ClassE, both, "target/transfer", "another one in the other club", func(c *crm) {
			after(c, sdk.OpTransfer, func(r *sdk.Result) { r.ID += "x" })
		}},
		{"it writes though the call is over", sdk.ClassE, value, "target/cancel", `outcome "ok"`, func(c *crm) {
			write := c.write
			c.write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
				return write(context.WithoutCancel(ctx), req)
			}
		}},
		{"it writes though nothing may be written", sdk.ClassE, value, "target/read-only", "outcome ok", func(c *crm) {
			c.write = func(_ context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
				return c.fake.Write(context.Background(), req)
			}
		}},
		{"a search writes", sdk.ClassC, both, "target/read-only", "by calls that only read", func(c *crm) {
			find := c.find
			c.find = func(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
				c.fake.Put(sdktest.Stored{Kind: req.Kind})
				return find(ctx, req)
			}
		}},
		{"a system that is down is taken for success", sdk.ClassE, both, "target/fault", `outcome "ok"`, sanguine},
		{"a system that is down rejects records", sdk.ClassE, both, "target/fault", `class "reject"`, func(c *crm) {
			write := c.write
			c.write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
				if res, err := write(ctx, req); err == nil {
					return res, nil
				}
				one := sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassReject, Code: sdk.CodeData, Detail: "no"}
				return sdk.WriteResponse{Results: slices.Repeat([]sdk.Result{one}, len(req.Operations))}, nil
			}
		}},
		{"a lost answer is taken for success", sdk.ClassE, both, "target/lost-answer", `outcome is "ok"`, sanguine},
		{"a lost answer is sent again", sdk.ClassE, both, "target/lost-answer", "2 records more", func(c *crm) {
			write := c.write
			c.write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
				res, err := write(ctx, req)
				if err == nil && res.Results[0].Outcome == sdk.OutcomeUnknown {
					return write(ctx, req)
				}
				return res, err
			}
		}},
		{"it ignores the context", sdk.ClassE, both, "target/hang", "within", func(c *crm) {
			c.deaf = true
		}},
		{"a getter returns what was not asked for", sdk.ClassE, both, "getter/ok", "asked for", func(c *crm) {
			get := c.get
			c.get = func(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error) {
				req.IDs = append(slices.Clone(req.IDs), c.fake.Put(sdktest.Stored{Kind: req.Kind}))
				return get(ctx, req)
			}
		}},
		{"a getter loses records", sdk.ClassE, both, "getter/ok", "1 records", func(c *crm) {
			get := c.get
			c.get = func(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error) {
				req.IDs = req.IDs[:1]
				return get(ctx, req)
			}
		}},
		{"staff are listed twice", sdk.ClassE, both, "staff/ok", "twice", func(c *crm) {
			c.fake.SetStaff(sdk.Staff{ID: "1"}, sdk.Staff{ID: "1"})
		}},
		{"staff are found in one case only", sdk.ClassE, both, "staff-finder/ok", "upper case", func(c *crm) {
			c.owner = func(_ context.Context, email string) ([]sdk.Staff, error) {
				if email == "zoe@example.com" {
					return []sdk.Staff{{ID: "s-1", Email: email}}, nil
				}
				return nil, nil
			}
		}},
		{"all staff are found", sdk.ClassE, both, "staff-finder/ok", "that none has", func(c *crm) {
			c.owner = func(ctx context.Context, _ string) ([]sdk.Staff, error) { return c.fake.ListStaff(ctx) }
		}},
		{"a club is listed twice", sdk.ClassE, both, "clubs/ok", "listed twice", func(c *crm) {
			c.fake.SetClubs(sdk.Club{ID: "1"}, sdk.Club{ID: "1"})
		}},
		{"a lead source has no name", sdk.ClassE, both, "lead-sources/ok", "no name", func(c *crm) {
			c.fake.SetLeadSources(sdk.LeadSource{ID: "1"})
		}},
		{"a write leaks a goroutine", sdk.ClassE, both, "close/goroutines", "goroutines are left", func(c *crm) {
			stop := make(chan struct{})
			t.Cleanup(func() { close(stop) })
			results(c, func(_ sdk.WriteRequest, r []sdk.Result) []sdk.Result { go func() { <-stop }(); return r })
		}},
	} {
		t.Run(fmt.Sprint(tt.fault, " ", tt.class), func(t *testing.T) {
			c := newCRM(tt.class)
			tt.spoil(c)
			got := record(t, c.suite(), tt.check)
			for _, way := range tt.ways {
				if r := got[way+"/"+tt.check]; !strings.HasPrefix(r, "failed") || !strings.Contains(r, tt.says) || !strings.Contains(r, "what to do: ") {
					t.Errorf("%s/%s: %q", way, tt.check, r)
				}
			}
		})
	}
}

func swapped(c *crm) {
	results(c, func(_ sdk.WriteRequest, r []sdk.Result) []sdk.Result {
		if len(r) > 1 {
			r[0], r[1] = r[1], r[0]
		}
		return r
	})
}

func fewer(c *crm) {
	results(c, func(_ sdk.WriteRequest, r []sdk.Result) []sdk.Result { return r[1:] })
}

// duplicating creates a record whatever is there.
func duplicating(c *crm) {
	loose := sdktest.NewTarget(sdktest.TargetOptions{Class: sdk.ClassE})
	c.write = loose.Write
}

// sanguine answers ok whatever comes.
func sanguine(c *crm) {
	write := c.write
	c.write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
		_, _ = write(ctx, req)
		one := sdk.Result{Outcome: sdk.OutcomeOK, ID: "t-1"}
		return sdk.WriteResponse{Results: slices.Repeat([]sdk.Result{one}, len(req.Operations))}, nil
	}
}

// TestAConversionThatChangesNothingIsReported breaks targets whose members keep
// the records of prospects.
func TestAConversionThatChangesNothingIsReported(t *testing.T) {
	for says, spoil := range map[string]func(*crm){
		"not returned by Get": func(c *crm) {
			write := c.write
			c.write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
				req.Kind = sdk.KindProspect
				return write(ctx, req)
			}
		},
		"another id as a member": func(c *crm) {
			results(c, func(req sdk.WriteRequest, r []sdk.Result) []sdk.Result {
				for i := range r {
					if req.Kind == sdk.KindMember {
						r[i].ID += "x"
					}
				}
				return r
			})
		},
	} {
		c := newCRMOf(sdktest.TargetOptions{Class: sdk.ClassE, SameRecord: true})
		spoil(c)
		got := record(t, c.suite(), "target/convert")
		for _, way := range []string{"value", "grpc"} {
			if r := got[way+"/target/convert"]; !strings.HasPrefix(r, "failed") || !strings.Contains(r, says) {
				t.Errorf("%s: %q, want %q", way, r, says)
			}
		}
	}
}
