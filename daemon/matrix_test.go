package main_test

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox/club"
)

// The answers to the questions of a sync, of which the test below
// tries each with each.
const (
	oneWayOut, oneWayIn, twoWay      = "one way out", "one way in", "two way"
	ownerYes, ownerUnlisted          = "owner", "owner without a staff list"
	createLeads, matchLeads, ignored = "create", "match", "ignore"
	saveCall                         = "save"
	createAndUpdate                  = "create and update"
)

// combination is one sync between a CRM and a club system of its own.
type combination struct {
	account   string
	direction string
	kinds     []club.Kind
	// owner and leads say what becomes of those, calls what the systems write
	// people with.
	owner, leads, calls string
	crm, club           *matrixEnd
}

// matrixEnd is a system of a combination.
type matrixEnd struct {
	*club.Platform
	// name leads the ids of what it has, and is part of its people's addresses.
	name, address string
}

// combinations are all of them, and a few more whose targets have no list of their
// staff.
func combinations() []*combination {
	people := []club.Kind{club.Prospect, club.Member}
	var all []*combination
	add := func(c combination) {
		c.account = fmt.Sprintf("a%d", len(all))
		all = append(all, &c)
	}
	for _, direction := range []string{oneWayOut, oneWayIn, twoWay} {
		for _, calls := range []string{saveCall, createAndUpdate} {
			for _, leads := range []string{createLeads, matchLeads, ignored} {
				for _, kinds := range [][]club.Kind{people[:1], people[1:], people} {
					for _, owner := range []string{ownerYes, ignored} {
						add(combination{direction: direction, kinds: kinds, owner: owner, leads: leads, calls: calls})
					}
				}
			}
			add(combination{direction: direction, kinds: people, owner: ownerUnlisted, leads: createLeads, calls: calls})
		}
	}
	return all
}

func (c *combination) String() string {
	return fmt.Sprintf("%s, %v, %s, lead sources %s, %s", c.direction, c.kinds, c.owner, c.leads, c.calls)
}

// TestEveryCombinationOfASyncDoesWhatItSaysAndThenNothing runs every combination of
// direction, kinds, owner, lead sources and calls against simulated systems over
// HTTP, by one daemon. Each person arrives once, with the ids that the other system
// has for its owner and its lead source, or without and with a warning; and when
// all runs are repeated, nothing is written.
func TestEveryCombinationOfASyncDoesWhatItSaysAndThenNothing(t *testing.T) {
	t.Parallel()
	s := newFolder(t, "rest")
	all := combinations()
	var accounts strings.Builder
	for _, c := range all {
		c.crm, c.club = c.platform(t, s, "crm"), c.platform(t, s, "club")
		accounts.WriteString(c.config())
	}
	s.write(t, "people.lua", matrixScript)
	s.write(t, "token", siteToken)
	s.write(t, "rosterd.yaml", fmt.Sprintf(matrixSite, s.public, s.path("bin/plugins"), accounts.String()))
	d := s.start(t, "--log-level", "error")
	s.ready(t)
	t.Run("combinations", func(t *testing.T) {
		for _, c := range all {
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				c.try(t, s)
			})
		}
	})
	t.Logf("%d combinations", len(all))
	d.stop(t)
}

const matrixSite = `version: 1
state_dir: state
listen: {public: "%s", admin: "unix:admin.sock"}
public_url: "http://127.0.0.1:1"
plugins: {dir: "%s"}
scripts_dir: .
accounts:
%s`

const matrixScript = `
local function given(text)
  if text ~= "" then return text end
end

function map(record, context)
  if context.kind == "staff" then return { email = record.email } end
  if context.kind == "lead_source" then return { name = record.name } end
  return {
    first_name = record.first_name, last_name = record.last_name, email = record.email,
    status = record.status, type = record.type,
    owner = given(record.owner_id), lead_source = given(record.lead_source_id),
  }
end
`

// platform starts one of the two systems. Both have one staff member and one lead
// source that the other one has too, with another id and in other letters, and one
// of each that it has not.
func (c *combination) platform(t *testing.T, s *site, name string) *matrixEnd {
	t.Helper()
	e := &matrixEnd{name: name}
	o := club.Options{Token: siteToken, Clubs: []club.Club{{ID: "1", Name: "Downtown"}}, Records: e.records(c.kinds)}
	if c.calls == saveCall {
		o.Without = append(o.Without, "prospect.create", "prospect.update", "member.create", "member.update")
	}
	if c.leads == matchLeads {
		o.Without = append(o.Without, "lead_source.create", "lead_source.save", "lead_source.update")
	}
	if c.owner == ownerUnlisted && c.target(name) {
		o.Without = append(o.Without, "staff.list", "staff.find")
	}
	e.Platform = club.New(o)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.address = "http://" + l.Addr().String()
	e.Start(l)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	text, err := e.Example(e.address)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, c.account+name+".yaml", text)
	return e
}

// target reports whether a system is written to.
func (c *combination) target(name string) bool {
	return c.direction == twoWay || (c.direction == oneWayOut) == (name == "club")
}

func (e *matrixEnd) records(kinds []club.Kind) []club.Record {
	letters := strings.ToLower
	if e.name == "club" {
		letters = strings.ToUpper
	}
	record := func(kind club.Kind, id string, fields map[string]string) club.Record {
		fields["club_id"], fields["status"] = "1", "active"
		return club.Record{ID: e.id(id), Kind: kind, Fields: fields}
	}
	out := []club.Record{
		record(club.Staff, "both", map[string]string{"first_name": "John", "last_name": "Staff", "email": letters("john@example.com")}),
		record(club.Staff, "own", map[string]string{"first_name": "Mary", "last_name": "Staff", "email": "staff@" + e.name + ".example.com"}),
		record(club.LeadSource, "paper", map[string]string{"name": letters("Newspaper")}),
		record(club.LeadSource, "web", map[string]string{"name": "Web of the " + e.name}),
	}
	for _, kind := range kinds {
		person := func(id, owner, lead string) {
			fields := map[string]string{"first_name": id, "last_name": string(kind), "email": e.email(kind, id), "type": string(kind)}
			if owner != "" {
				fields["owner_id"], fields["lead_source_id"] = e.id(owner), e.id(lead)
			}
			out = append(out, record(kind, string(kind)+"-"+id, fields))
		}
		person("shared", "both", "paper")
		person("foreign", "own", "web")
		person("alone", "", "")
	}
	return out
}

func (e *matrixEnd) id(name string) string { return e.name + "-" + name }
func (e *matrixEnd) email(kind club.Kind, name string) string {
	return name + "." + string(kind) + "@" + e.name + ".example.com"
}

// config is the combination's account.
func (c *combination) config() string {
	kinds := ""
	for _, kind := range c.kinds {
		kinds += ", " + string(kind)
	}
	if c.owner == ownerYes || c.owner == ownerUnlisted && c.direction != twoWay { // who cannot list staff is no source of it
		kinds += ", staff"
	}
	if c.leads != ignored {
		kinds += ", lead_source"
	}
	owner := map[bool]string{true: "ignore", false: "optional"}[c.owner == ignored]
	text := fmt.Sprintf("  %s:\n    name: %[1]s\n    country: CA\n    timezone: America/Toronto\n    connections:\n", c.account)
	for _, e := range []*matrixEnd{c.crm, c.club} {
		text += fmt.Sprintf("      %s: {adapter: rest, settings: {config: %[2]s%[1]s.yaml, base_url: %[3]q, token: {file: token}}}\n", e.name, c.account, e.address)
	}
	text += "    jobs:\n"
	for _, job := range c.jobs() {
		text += fmt.Sprintf("      %s: {type: sync, from: %s, to: %s, kinds: [%s], read: all, mapping: people.lua, schedule: manual, owner: %s, lead_sources: %s, guards: {max_update: 100%%}}\n",
			job.name, job.from.name, job.to.name, kinds[2:], owner, c.leads)
	}
	return text
}

type matrixJob struct {
	name     string
	from, to *matrixEnd
}

func (c *combination) jobs() []matrixJob {
	out, in := matrixJob{"out", c.crm, c.club}, matrixJob{"in", c.club, c.crm}
	switch c.direction {
	case oneWayOut:
		return []matrixJob{out}
	case oneWayIn:
		return []matrixJob{in}
	}
	return []matrixJob{out, in}
}

// try runs the jobs, looks at both systems, and runs the jobs once more.
func (c *combination) try(t *testing.T, s *site) {
	t.Helper()
	for _, job := range c.jobs() {
		run := c.run(t, s, job)
		if *run.Counts.Created != c.created() || run.Counts.Warned != c.warned() {
			t.Errorf("%s: want %d created and %d warned of: %+v", job.name, c.created(), c.warned(), run.Counts)
		}
		if warned := slices.ContainsFunc(run.Warnings, func(w string) bool { return strings.Contains(w, "without their owner") }); warned != (c.warned() > 0) {
			t.Errorf("%s: %d people have to be warned of, warnings %q", job.name, c.warned(), run.Warnings)
		}
	}
	c.look(t)
	before := [2][]club.Record{c.crm.everything(), c.club.everything()}
	writes := c.crm.writes() + c.club.writes()
	for _, job := range c.jobs() {
		run := c.run(t, s, job)
		if *run.Counts.Created+*run.Counts.Updated+run.Counts.Reopened+run.Counts.Linked+run.Counts.Warned > 0 {
			t.Errorf("%s again: %+v", job.name, run.Counts)
		}
	}
	if n := c.crm.writes() + c.club.writes() - writes; n > 0 {
		t.Errorf("%d calls that write, although nothing has changed", n)
	}
	for i, e := range []*matrixEnd{c.crm, c.club} {
		if after := e.everything(); len(after) != len(before[i]) {
			t.Errorf("%s: %d records, and %d after nothing had changed", e.name, len(before[i]), len(after))
		}
	}
}

// created is how many records each direction makes: its own people, and the lead
// source that the other system has not.
func (c *combination) created() int {
	if c.leads == createLeads {
		return 3*len(c.kinds) + 1
	}
	return 3 * len(c.kinds)
}

// warned is how many people are sent without something.
func (c *combination) warned() int {
	switch {
	case c.owner == ownerUnlisted:
		return 2 * len(c.kinds)
	case c.owner == ownerYes || c.leads == matchLeads:
		return len(c.kinds)
	}
	return 0
}

// run runs a job to its end, and wants its counts to add up.
func (c *combination) run(t *testing.T, s *site, job matrixJob) roster.Run {
	t.Helper()
	run, err := s.client.StartRun(t.Context(), c.account+"/"+job.name)
	if err != nil {
		t.Fatal(err)
	}
	run = s.ended(t, run.ID)
	n := run.Counts
	if run.State != roster.RunOK || n.Created == nil || n.Updated == nil {
		t.Fatalf("%s ended %s: %v, %q, %+v", job.name, run.State, run.Fault, run.Warnings, n)
	}
	if sum := *n.Created + *n.Updated + n.Unchanged + n.Linked + n.Skipped + n.Quarantined + n.Waiting; sum != n.Read {
		t.Errorf("%s: read %d, and the rest adds up to %d: %+v", job.name, n.Read, sum, n)
	}
	return run
}

// look wants each person of a source once in the target, and every person of the
// source as it was.
func (c *combination) look(t *testing.T) {
	t.Helper()
	for _, job := range c.jobs() {
		for _, kind := range c.kinds {
			for _, name := range []string{"shared", "foreign", "alone"} {
				c.person(t, job, kind, name)
			}
		}
		for _, want := range job.from.records(c.kinds) {
			got := job.from.of(want.Kind, "id", want.ID)
			if len(got) != 1 || !holds(got[0], want) {
				t.Errorf("%s has changed at its source: %v, want %v", want.ID, got, want.Fields)
			}
		}
	}
}

// person wants a person of the source once in the target, with the ids that it has
// to have.
func (c *combination) person(t *testing.T, job matrixJob, kind club.Kind, name string) {
	t.Helper()
	found := job.to.of(kind, "email", job.from.email(kind, name))
	if len(found) != 1 {
		t.Errorf("%s %s of %s is there %d times", kind, name, job.from.name, len(found))
		return
	}
	owner, lead := c.references(job, name)
	if got := found[0].Fields; got["owner_id"] != owner || got["lead_source_id"] != lead {
		t.Errorf("%s %s of %s: owner %q, want %q, lead source %q, want %q", kind, name, job.from.name,
			got["owner_id"], owner, got["lead_source_id"], lead)
	}
}

// references are the target's ids that a person has to have.
func (c *combination) references(job matrixJob, name string) (owner, lead string) {
	if name == "shared" && c.owner == ownerYes {
		owner = job.to.id("both")
	}
	switch {
	case c.leads == ignored || name == "alone":
	case name == "shared":
		lead = job.to.id("paper")
	case c.leads == createLeads:
		if made := job.to.of(club.LeadSource, "name", "Web of the "+job.from.name); len(made) == 1 {
			lead = made[0].ID
		} else {
			lead = fmt.Sprintf("one lead source, and not %d", len(made))
		}
	}
	return owner, lead
}

// holds reports whether a record has the fields of another one. The name of a lead
// source may have got the letters that it has in the other system.
func holds(got, want club.Record) bool {
	for name, value := range want.Fields {
		same := got.Fields[name] == value || want.Kind == club.LeadSource && strings.EqualFold(got.Fields[name], value)
		if !same {
			return false
		}
	}
	return true
}

// of finds records by the value of a field, or by "id".
func (e *matrixEnd) of(kind club.Kind, field, value string) []club.Record {
	return slices.DeleteFunc(e.Records(kind), func(r club.Record) bool {
		if field == "id" {
			return r.ID != value
		}
		return r.Fields[field] != value
	})
}

func (e *matrixEnd) everything() []club.Record {
	var all []club.Record
	for _, kind := range club.Kinds() {
		all = append(all, e.Records(kind)...)
	}
	return all
}

// writes counts the requests that were to change something.
func (e *matrixEnd) writes() int {
	n := 0
	for call, times := range maps.All(e.State().Received) {
		switch _, what, _ := strings.Cut(call, "."); club.Call(what) {
		case club.CallList, club.CallFind, club.CallGet, club.CallClubs:
		default:
			n += times
		}
	}
	return n
}
