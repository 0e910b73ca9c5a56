package sandbox_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/sandbox"
)

const multi = `{"fields_mapping":{"first_name":"F","email":"E"},"import_params":{"upload_type":"multi","should_override":true}}`

func TestAMultiImportKeepsMattersUnderTheirClient(t *testing.T) {
	a := newApp(t,
		map[string]any{"first_name": "Ann", "email": "ann@example.com", "deals": []any{
			map[string]any{"title": "Gold", "Plan": "gold", "Goal": "of the client", "Nope": 1}, map[string]any{"title": "Locker", "Plan": nil},
		}},
		map[string]any{"first_name": "Ann", "email": "ann@example.com", "deals": []any{map[string]any{"title": "Gold", "Plan": "gold+"}}},
		map[string]any{"first_name": "No matters", "email": "b@example.com"},
	)
	p := newPlatform(t, a, func(o *sandbox.Options) {
		o.CustomFields = []sandbox.Field{{Label: "Goal"}, {Label: "Plan", ObjectType: "matter"}}
		o.Matters = sandbox.MatterKeys{Key: "deals", Name: "title"}
	})
	if im := p.run(t, multi); im.Created != 2 || im.Updated != 1 {
		t.Errorf("%+v", im)
	}
	got := map[string][]sandbox.Matter{}
	for _, c := range p.Clients() {
		got[c.Fields["first_name"]] = c.Matters
	}
	want := map[string][]sandbox.Matter{"No matters": nil, "Ann": {
		{Name: "Gold", Fields: map[string]string{"Plan": "gold+"}}, {Name: "Locker", Fields: map[string]string{}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("matters (-want +got):\n%s", diff)
	}
}

func TestMattersWithoutANameOfTheirOwnFailTheirClient(t *testing.T) {
	a := newApp(t,
		map[string]any{"first_name": "A", "matters": []any{map[string]any{"name": " "}}},
		map[string]any{"first_name": "B", "matters": []any{map[string]any{"name": "x"}, map[string]any{"name": "x"}}},
		map[string]any{"first_name": "C", "matters": "x"},
		map[string]any{"first_name": "D", "matters": []any{map[string]any{"name": "x"}}},
	)
	im := newPlatform(t, a, nil).run(t, multi)
	var reasons []string
	for _, f := range im.Failures {
		reasons = append(reasons, f.Reason)
	}
	want := []string{"Matter name can't be blank", "Matter name has already been taken", "Matters is not a list of objects"}
	if diff := cmp.Diff(want, reasons); diff != "" || im.Created != 1 {
		t.Errorf("created %d, reasons (-want +got):\n%s", im.Created, diff)
	}
}

func TestASingleImportLooksAtNoMatters(t *testing.T) {
	a := newApp(t, map[string]any{"first_name": "Ann", "matters": "x"})
	p := newPlatform(t, a, nil)
	if im := p.run(t, announcement); im.Created != 1 || p.Clients()[0].Matters != nil {
		t.Errorf("%+v", im)
	}
}

func TestACustomFieldIsTakenByTheKeyThatIsSet(t *testing.T) {
	for key, ignored := range map[sandbox.CustomKey][]string{
		"": nil, sandbox.CustomLabel: {"custom0000000001"}, sandbox.CustomID: {"Goal"},
	} {
		p := newPlatform(t, newApp(t), func(o *sandbox.Options) {
			o.CustomFields, o.CustomKey = []sandbox.Field{{Label: "Goal"}}, key
		})
		im := p.run(t, `{"fields_mapping":{"first_name":"F","Goal":"Goal","custom0000000001":"Goal"},"import_params":{}}`)
		if diff := cmp.Diff(ignored, im.Ignored); diff != "" {
			t.Errorf("%q: ignored (-want +got):\n%s", key, diff)
		}
	}
}
