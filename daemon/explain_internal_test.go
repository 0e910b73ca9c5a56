package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func TestTheVerdictOnARecordNamesWhatMendsIt(t *testing.T) {
	link := func(sent roster.Sent) []admin.LinkReport {
		return []admin.LinkReport{{Kind: sdk.KindProspect, Link: &roster.Link{Source: "4711", Target: "8812", Version: 1, Sent: sent}}}
	}
	pending := func(p admin.Pending) []admin.LinkReport {
		return []admin.LinkReport{{Kind: sdk.KindProspect, Pending: &p}}
	}
	unchanged := &admin.NextRun{Found: true}
	creates := &admin.NextRun{Found: true, Changes: []roster.Change{{Op: sdk.OpCreate, Kind: sdk.KindProspect}}}
	for name, test := range map[string]struct {
		e             admin.Explanation
		standing      jobStanding
		text, command string
	}{
		"parked": {
			admin.Explanation{Kinds: pending(admin.Pending{State: roster.IntentParked, Parked: "p1", Reason: "no answer"}), Next: creates},
			jobStanding{},
			"waits for a person: no answer", "rosterd parked show p1",
		},
		"review": {
			admin.Explanation{Kinds: pending(admin.Pending{State: roster.IntentParked, Parked: "p1", Review: true})},
			jobStanding{},
			"which record of the target", "rosterd review show p1",
		},
		"in doubt": {
			admin.Explanation{Kinds: pending(admin.Pending{State: roster.IntentArmed})},
			jobStanding{},
			"not proven", "rosterd job run acme/leads --watch",
		},
		"dropped": {
			admin.Explanation{Record: "47 11", Kinds: pending(admin.Pending{State: roster.IntentDropped})},
			jobStanding{},
			"leave it alone", "rosterd links set acme/leads prospect '47 11' TARGET --reason WHY",
		},
		"refused by the script": {
			admin.Explanation{Quarantined: []roster.Quarantined{{ID: "q1", Stage: roster.StageMap, Reason: "no name"}}, Next: creates},
			jobStanding{},
			"no name", "rosterd quarantine replay q1 --watch",
		},
		"unreadable": {
			admin.Explanation{Quarantined: []roster.Quarantined{{ID: "q1", Stage: roster.StageRead, Reason: "a quote"}}},
			jobStanding{},
			"mend it in the source", "rosterd job run acme/leads --watch",
		},
		"pushed": {
			admin.Explanation{Pushed: []admin.PushedRecord{{Kind: sdk.KindProspect}}},
			jobStanding{},
			"was pushed", "rosterd job run acme/leads --watch",
		},
		"skipped": {
			admin.Explanation{Mapped: []admin.MappedRecord{{Reason: "the script skips it: a test", Line: 4}}, Next: unchanged},
			jobStanding{},
			"a test (line 4)", "rosterd map show leads.lua",
		},
		"refused by the job": {
			admin.Explanation{Mapped: []admin.MappedRecord{{}}, Next: &admin.NextRun{Found: true, Reasons: []string{nextRefuses + "map.owner_unlinked: no owner"}}},
			jobStanding{},
			"the next run refuses it: map.owner_unlinked: no owner", "rosterd map show leads.lua",
		},
		"not there yet": {
			admin.Explanation{Record: "4711", Next: creates},
			jobStanding{},
			"creates it", "rosterd sync acme/leads 4711",
		},
		"paused": {
			admin.Explanation{Next: creates},
			jobStanding{paused: &roster.Pause{}},
			"the job is paused", "rosterd job resume acme/leads",
		},
		"blocked": {
			admin.Explanation{Next: creates},
			jobStanding{last: roster.Run{State: roster.RunBlocked, Fault: &roster.Fault{Message: "too many"}}},
			"a guard has blocked the last run: too many", "rosterd plan acme/leads",
		},
		"failed": {
			admin.Explanation{Next: creates},
			jobStanding{last: roster.Run{State: roster.RunFailed}},
			"the last run has failed", "rosterd job run acme/leads --watch",
		},
		"changed": {
			admin.Explanation{Kinds: link(roster.Sent{}), Next: &admin.NextRun{Found: true, Changes: []roster.Change{{Op: sdk.OpUpdate, Kind: sdk.KindProspect, Target: "8812", Fields: []string{"email", "mobile"}}}}},
			jobStanding{},
			"updates email, mobile", "rosterd sync acme/leads 4711",
		},
		"gone from the source": {
			admin.Explanation{Kinds: link(roster.Sent{}), Next: &admin.NextRun{}},
			jobStanding{},
			"gone from the source", "rosterd job run acme/leads --sweep --watch",
		},
		"gone from the target": {
			admin.Explanation{Kinds: link(roster.Sent{}), Next: unchanged, Target: []admin.SeenRecord{{Kind: sdk.KindProspect, ID: "8812"}}},
			jobStanding{},
			"does not have any more", "rosterd links remove acme/leads prospect 4711 --reason WHY",
		},
		"without its lead source": {
			admin.Explanation{Kinds: link(roster.Sent{Open: true}), Next: unchanged, Lines: []admin.LogLine{{Text: "created, without its lead source, which has no link at x"}}},
			jobStanding{},
			"without an owner or a lead source", "rosterd links list acme/leads --kind lead_source",
		},
		"all is well":      {admin.Explanation{Kinds: link(roster.Sent{}), Next: unchanged}, jobStanding{}, "nothing needs to be done", ""},
		"source not asked": {admin.Explanation{Kinds: link(roster.Sent{}), Unknown: "no daemon runs"}, jobStanding{}, "no daemon runs", "rosterd job run acme/leads --watch"},
		"nothing":          {admin.Explanation{}, jobStanding{}, "nothing is known", "rosterd links list acme/leads"},
	} {
		test.standing.job = roster.Job{Ref: "acme/leads", Type: roster.JobSync, Mapping: "leads.lua"}
		if test.e.Record == "" {
			test.e.Record = "4711"
		}
		v := test.standing.verdict(&test.e)
		if !strings.Contains(v.Text, test.text) || v.Command != test.command {
			t.Errorf("%s: %q, %q", name, v.Text, v.Command)
		}
	}
}

func TestAnAddressIsFoundAsAWholeWhateverItsCase(t *testing.T) {
	for value, want := range map[string]bool{
		"ann@example.com":                      true,
		" Ann@Example.COM ":                    true,
		"Ann Lee <ann@example.com>":            true,
		`["bo@example.com","ann@example.com"]`: true,
		"write to ann@example.com.":            true,
		"joann@example.com":                    false,
		"ann@example.com.au":                   false,
		"ann":                                  false,
		"":                                     false,
	} {
		if got := hasAddress([]byte(value), "ann@example.com"); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
	if !payloadHas([]byte(`{"id":"1","fields":{"mail":"ann@example.com"}}`), "ANN@example.com") || payloadHas([]byte(`{"id":"ann@example.com","fields":{"mail":null}}`), "ann@example.com") {
		t.Error("a payload is searched by its values, and not by its id")
	}
	for text, want := range map[string]bool{"ann@example.com": true, "4711": false, "@example.com": false, "a b@example.com": false, "ann@host": false} {
		if isEmail(text) != want {
			t.Errorf("%q is taken for an e-mail address: %v", text, !want)
		}
	}
}

func TestTheLatestRefusalIsTold(t *testing.T) {
	now := time.Now()
	e := admin.Explanation{Quarantined: []roster.Quarantined{
		{ID: "q2", Stage: roster.StageDeliver, Reason: "later", At: now}, {ID: "q1", Stage: roster.StageMap, Reason: "earlier", At: now.Add(-time.Hour)},
	}}
	v := jobStanding{job: roster.Job{Ref: "acme/leads", Type: roster.JobSync}}.verdict(&e)
	if v.Command != "rosterd quarantine replay q2 --watch" {
		t.Errorf("%+v", v)
	}
}
