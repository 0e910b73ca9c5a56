package sdktest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

// crm is an adapter of a system that records are written into. A test breaks it
// by replacing what it does.
type crm struct {
	out    *outside
	fake   *sdktest.Target
	class  sdk.GuaranteeClass
	able   []sdk.Ability
	info   func(context.Context) (sdk.TargetInfo, error)
	write  func(context.Context, sdk.WriteRequest) (sdk.WriteResponse, error)
	find   func(context.Context, sdk.FindRequest) (sdk.FindResponse, error)
	get    func(context.Context, sdk.GetRequest) (*sdk.Page, error)
	staff  func(context.Context) ([]sdk.Staff, error)
	owner  func(context.Context, string) ([]sdk.Staff, error)
	leads  func(context.Context) ([]sdk.LeadSource, error)
	clubs  func(context.Context) ([]sdk.Club, error)
	closed func() error
	// deaf makes writes ignore their context.
	deaf bool
}

func newCRM(class sdk.GuaranteeClass) *crm {
	return newCRMOf(sdktest.TargetOptions{Class: class, Converts: true, Transfers: true})
}

// newCRMOf is a CRM of which some is said.
func newCRMOf(o sdktest.TargetOptions) *crm {
	o.Finds = []string{"email"}
	o.IndexLag, o.Fields = 20*time.Millisecond, []sdk.TargetField{{Name: "name", Required: true}, {Name: "email"}}
	fake := sdktest.NewTarget(o)
	fake.SetStaff(sdk.Staff{ID: "s-1", Email: "Zoe@example.com"}, sdk.Staff{ID: "s-2"})
	fake.SetLeadSources(sdk.LeadSource{ID: "l-1", Name: "Web"}, sdk.LeadSource{ID: "l-2", Name: "Walk-in"})
	fake.SetClubs(sdk.Club{ID: "1", Name: "Downtown"}, sdk.Club{ID: "2"})
	c := &crm{out: &outside{}, fake: fake, class: o.Class, able: fake.Abilities(), info: fake.Target, closed: func() error { return nil }}
	c.write, c.find, c.get = fake.Write, fake.Find, fake.Get
	c.staff, c.owner, c.leads, c.clubs = fake.ListStaff, fake.FindStaff, fake.ListLeadSources, fake.ListClubs
	return c
}

func person(n int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"name":"Zoe %d","email":"zoe-%d@example.com"}`, n, n))
}

func (c *crm) suite() sdktest.Case {
	return sdktest.Case{
		Adapter: sdk.Adapter{
			Name: "crm", Version: "1.0.0", Description: "Writes people.",
			Settings: json.RawMessage(`{
				"type": "object", "additionalProperties": false, "required": ["token"],
				"properties": {"token": {"type": "string", "minLength": 1, "writeOnly": true, "description": "The token."}}
			}`),
			Opener: sdk.Open(c.open),
		},
		Connection: sdk.Connection{Name: "acme/crm", Settings: json.RawMessage(`{"token":"` + token + `"}`)},
		Fault: c.out.set(func(on bool) {
			if c.fake.Fail(nil); on {
				c.fake.Fail(sdk.Retry(time.Second, errDown))
			}
		}),
		Hang: c.out.set(func(on bool) {
			if on {
				c.out.hang = make(chan struct{})
				return
			}
			close(c.out.hang)
			c.out.hang = nil
		}),
		Write: &sdktest.Writing{
			Kind: sdk.KindProspect, Record: person, Club: "1", OtherClub: "2", Bad: json.RawMessage(`{"email":"not-an-address"}`), Count: c.fake.Count,
			Lose: c.out.set(func(on bool) {
				if c.fake.SetFault(nil); on {
					c.fake.SetFault(func(sdk.Operation) sdktest.Fault { return sdktest.FaultLostAnswer })
				}
			}),
		},
		StaffEmail: "zoe@example.com",
		Patience:   200 * time.Millisecond,
	}
}

func (c *crm) open(_ context.Context, conn sdk.Connection) (*client, error) {
	var s struct{ Token string }
	dec := json.NewDecoder(bytes.NewReader(conn.Settings))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil || s.Token == "" {
		return nil, sdk.Fail(sdk.CodeConfig, errors.New("the settings cannot work"))
	}
	return &client{c}, nil
}

// client is one connection to the CRM.
type client struct{ c *crm }

func (c *client) Abilities() []sdk.Ability { return c.c.able }

func (c *client) Target(ctx context.Context) (sdk.TargetInfo, error) { return c.c.info(ctx) }

func (c *client) Write(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	if c.c.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	if ctx.Err() == nil {
		if err := c.c.out.call(ctx); err != nil {
			return sdk.WriteResponse{}, err
		}
	}
	return c.c.write(ctx, req)
}

func (c *client) Find(ctx context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
	if err := c.c.out.call(ctx); err != nil {
		return sdk.FindResponse{}, err
	}
	return c.c.find(ctx, req)
}

func (c *client) Get(ctx context.Context, req sdk.GetRequest) (*sdk.Page, error) {
	if err := c.c.out.call(ctx); err != nil {
		return nil, err
	}
	return c.c.get(ctx, req)
}

func (c *client) ListStaff(ctx context.Context) ([]sdk.Staff, error) {
	if err := c.c.out.call(ctx); err != nil {
		return nil, err
	}
	return c.c.staff(ctx)
}

func (c *client) FindStaff(ctx context.Context, email string) ([]sdk.Staff, error) {
	return c.c.owner(ctx, email)
}

func (c *client) ListLeadSources(ctx context.Context) ([]sdk.LeadSource, error) {
	if err := c.c.out.call(ctx); err != nil {
		return nil, err
	}
	return c.c.leads(ctx)
}

func (c *client) ListClubs(ctx context.Context) ([]sdk.Club, error) {
	if err := c.c.out.call(ctx); err != nil {
		return nil, err
	}
	return c.c.clubs(ctx)
}

func (c *client) Close() error { return c.c.closed() }

func TestATargetOfEveryClassPasses(t *testing.T) {
	for _, class := range []sdk.GuaranteeClass{sdk.ClassA, sdk.ClassB, sdk.ClassBPrime, sdk.ClassC, sdk.ClassD, sdk.ClassE} {
		t.Run(string(class), func(t *testing.T) { sdktest.Run(t, newCRM(class).suite()) })
	}
	t.Run("the same record", func(t *testing.T) {
		c := newCRMOf(sdktest.TargetOptions{Class: sdk.ClassE, SameRecord: true})
		for name, result := range record(t, c.suite(), "target/") {
			if strings.HasPrefix(result, "failed") || strings.HasSuffix(name, "/target/convert") && result != "ok" {
				t.Errorf("%s: %s", name, result)
			}
		}
	})
}

func TestEveryCheckOfATargetIsMadeForSomeClass(t *testing.T) {
	made := map[string]string{}
	for _, class := range []sdk.GuaranteeClass{sdk.ClassA, sdk.ClassB, sdk.ClassBPrime, sdk.ClassC, sdk.ClassD, sdk.ClassE} {
		for name, result := range record(t, newCRM(class).suite(), "") {
			if made[name] != "ok" {
				made[name] = result
			}
		}
	}
	for name, result := range made {
		if result != "ok" {
			t.Errorf("%s: %s", name, result)
		}
	}
}

func TestNothingIsWrittenWithoutLeave(t *testing.T) {
	c := newCRM(sdk.ClassC)
	suite := c.suite()
	suite.Write = nil
	for name, result := range record(t, suite, "") {
		if len(result) > 6 && result[:6] == "failed" {
			t.Errorf("%s: %s", name, result)
		}
	}
	if c.fake.Writes() != 0 {
		t.Errorf("%d writes", c.fake.Writes())
	}
}
