package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// person is a record of the fake systems.
type person struct {
	id, name, phone, owner, lead string
	changed                      time.Time
	marker                       string
	inactive                     bool
}

// crm is a source whose records change. It is read from its beginning, a page of
// a few at a time; its cursor is the number of the last change.
type crm struct {
	mu      sync.Mutex
	people  []person
	staff   []person
	leads   []person
	members []person
	changes map[string]int
	last    int
	// gone are reported as removed by the next page; cut ends the reading after so
	// many pages because a quota is used up.
	gone []string
	cut  int
	read int
}

func newCRM(people ...person) *crm {
	c := &crm{changes: map[string]int{}}
	for _, p := range people {
		c.put(p)
	}
	return c
}

func (c *crm) put(p person) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	c.changes[p.id] = c.last
	if at := slices.IndexFunc(c.people, func(q person) bool { return q.id == p.id }); at >= 0 {
		c.people[at] = p
		return
	}
	c.people = append(c.people, p)
}

// putStaff keeps a staff member, whose name is the e-mail address, and putLead a
// lead source.
func (c *crm) putStaff(p person) { c.keep(&c.staff, p) }
func (c *crm) putLead(p person)  { c.keep(&c.leads, p) }

// joins makes a member of a prospect, who leaves the list of prospects.
func (c *crm) joins(p person) {
	c.remove(p.id)
	c.keep(&c.members, p)
}

func (c *crm) keep(list *[]person, p person) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	c.changes[p.id] = c.last
	*list = append(slices.DeleteFunc(*list, func(q person) bool { return q.id == p.id }), p)
}

func (c *crm) remove(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.people = slices.DeleteFunc(c.people, func(p person) bool { return p.id == id })
}

const crmPage = 3

func (c *crm) Read(_ context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read++
	if c.cut > 0 && c.read > c.cut {
		return nil, &sdk.Error{Class: sdk.ClassRetry, Code: sdk.CodeQuota, After: time.Hour, Err: fmt.Errorf("daily quota")}
	}
	list := map[sdk.Kind][]person{sdk.KindProspect: c.people, sdk.KindStaff: c.staff, sdk.KindLeadSource: c.leads, sdk.KindMember: c.members}[req.Kind]
	after := 0
	if req.After != nil {
		after, _ = strconv.Atoi(string(req.After))
	}
	sorted := slices.SortedStableFunc(slices.Values(list), func(a, b person) int { return c.changes[a.id] - c.changes[b.id] })
	sorted = slices.DeleteFunc(sorted, func(p person) bool { return c.changes[p.id] <= after })
	page := sorted[:min(crmPage, len(sorted))]
	b := newPeople(req.Kind)
	for _, p := range page {
		after = c.changes[p.id]
		addPerson(b, p)
	}
	for _, id := range c.gone {
		b.Remove(id)
	}
	return b.Page(sdk.Cursor(strconv.Itoa(after)), len(page) == len(sorted))
}

func newPeople(kind sdk.Kind) *sdk.PageBuilder {
	return sdk.NewPageBuilder(kind, []string{"name", "phone", "owner", "changed", "lead"})
}

func addPerson(b *sdk.PageBuilder, p person) {
	b.Add(p.id, "", "")
	b.String(p.name)
	b.String(p.phone)
	b.String(p.owner)
	b.String(p.changed.Format(time.RFC3339))
	b.String(p.lead)
}

// rows is a mapper without a script: name and phone become fields, owner a
// reference. A record named "skip" is skipped, one named "bad" rejected.
type rows struct {
	key    digest.Key
	mapped *atomic.Int64
	// spoil changes a name on its way.
	spoil func(string) string
	// named gives the fields the names by which people are matched.
	named bool
	// club is every record's.
	club string
}

// fields are the names of what a record of a kind has.
func (m rows) fields(kind sdk.Kind) []string {
	switch {
	case kind == sdk.KindStaff:
		return []string{"email"}
	case kind == sdk.KindLeadSource:
		return []string{"name"}
	case m.named:
		return []string{"first_name", "mobile"}
	}
	return []string{"name", "phone"}
}

func (m rows) MapRows(_ context.Context, page *sdk.Page, wanted []int) (*roster.Mapped, error) {
	m.mapped.Add(int64(len(wanted)))
	out := &roster.Mapped{Fields: m.fields(page.Kind)}
	for _, i := range wanted {
		row := page.Row(i)
		name, phone := string(row.Cell(0).Bytes()), string(row.Cell(1).Bytes())
		r := roster.MappedRecord{
			Row: i, ID: row.ID(), Key: row.ID(), Club: m.club, Owner: string(row.Cell(2).Bytes()), LeadSource: string(row.Cell(4).Bytes()),
		}
		switch name {
		case "skip":
			r.Verdict = roster.VerdictSkipped
		case "bad":
			r.Verdict, r.Stage, r.Code, r.Reason = roster.VerdictRejected, roster.StageMap, roster.CodeMapRejected, "bad"
			r.Payload = roster.Payload(page.Columns, row)
		default:
			if m.spoil != nil {
				name = m.spoil(name)
			}
			data := map[string]string{}
			for at, field := range out.Fields {
				data[field] = []string{name, phone}[at]
				text, _ := json.Marshal(data[field])
				f := m.key.Field(field, text)
				r.Sum, r.Shorts = r.Sum.Add(f), append(r.Shorts, f.Short())
				r.Fields.Add(at)
			}
			r.Data, _ = json.Marshal(data)
		}
		out.Records = append(out.Records, r)
	}
	return out, nil
}

// club is a target. Its faults are asked for by the number of the operation.
type club struct {
	mu      sync.Mutex
	kind    sdk.TargetKind
	records map[string]person
	next    int
	// fault says what goes wrong with an operation: "lost" executes it without an
	// answer, "gone" does not execute it and gives no answer, "late" executes it
	// when the clock has passed the exec lag, "reject", "auth" and "busy" refuse it.
	fault func(n int, op sdk.Operation) string
	calls int
	late  []func()
	// normal changes a name before it is stored.
	normal func(string) string
	// idle changes a record that is deactivated.
	idle func(*person)
	// busy is how long the target asks to wait.
	busy time.Duration
}

func newClub(class sdk.GuaranteeClass) *club {
	return &club{
		records: map[string]person{}, kind: sdk.TargetKind{
			Kind: sdk.KindProspect, Writes: []sdk.Op{sdk.OpCreate, sdk.OpUpdate, sdk.OpDeactivate, sdk.OpDelete}, Class: class,
			ExecLag: 5 * time.Second, IndexLag: 5 * time.Second, Update: sdk.UpdatePatch, Unique: "phone", Natural: []string{"phone"},
			KeyTTL: time.Hour,
		},
	}
}

func (c *club) Write(_ context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var res sdk.WriteResponse
	for _, op := range req.Operations {
		res.Results = append(res.Results, c.one(op))
	}
	return res, nil
}

func (c *club) one(op sdk.Operation) sdk.Result {
	c.calls++
	fault := ""
	if c.fault != nil {
		fault = c.fault(c.calls, op)
	}
	switch fault {
	case "gone":
		return sdk.Result{Outcome: sdk.OutcomeUnknown}
	case "late":
		c.late = append(c.late, func() { c.execute(op) })
		return sdk.Result{Outcome: sdk.OutcomeUnknown}
	case "reject":
		return sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassReject, Code: sdk.CodeData, Detail: "phone is malformed"}
	case "auth":
		return sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassFail, Code: sdk.CodeAuth, Detail: "the token is refused"}
	case "busy":
		return sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassRetry, Code: sdk.CodeQuota, Detail: "too many requests", After: c.busy}
	}
	r := c.execute(op)
	if fault == "lost" {
		return sdk.Result{Outcome: sdk.OutcomeUnknown}
	}
	return r
}

func (c *club) execute(op sdk.Operation) sdk.Result {
	var data map[string]string
	_ = json.Unmarshal(op.Data, &data)
	switch op.Op {
	case sdk.OpCreate:
		return c.create(op, data)
	case sdk.OpDelete:
		delete(c.records, op.ID)
	case sdk.OpConvert:
		p := c.records[op.ID]
		delete(c.records, op.ID)
		c.records["m"+op.ID] = p
		return sdk.Result{Outcome: sdk.OutcomeOK, ID: "m" + op.ID}
	default:
		p, ok := c.records[op.ID]
		if !ok {
			return sdk.Result{Outcome: sdk.OutcomeRefused, Class: sdk.ClassReject, Detail: "no such record"}
		}
		if op.Op == sdk.OpDeactivate {
			p.inactive = true
			if c.idle != nil {
				c.idle(&p)
			}
		} else {
			p.inactive = false
			p = c.fill(p, data, op)
		}
		c.records[op.ID] = p
	}
	return sdk.Result{Outcome: sdk.OutcomeOK, ID: op.ID}
}

func (c *club) create(op sdk.Operation, data map[string]string) sdk.Result {
	for id, p := range c.records {
		known := p.marker == op.Marker && (c.kind.Class == sdk.ClassA || c.kind.Class == sdk.ClassB)
		if known {
			c.records[id] = c.fill(p, data, op)
			return sdk.Result{Outcome: sdk.OutcomeOK, ID: id}
		}
		if c.kind.Class == sdk.ClassBPrime && p.phone == data["phone"] {
			return sdk.Result{Outcome: sdk.OutcomeConflict}
		}
	}
	c.next++
	id := fmt.Sprintf("t%d", c.next)
	c.records[id] = c.fill(person{id: id, marker: op.Marker}, data, op)
	return sdk.Result{Outcome: sdk.OutcomeOK, ID: id}
}

func (c *club) fill(p person, data map[string]string, op sdk.Operation) person {
	if name, ok := data["first_name"]; ok {
		data["name"], data["phone"] = name, data["mobile"]
	}
	if name, ok := data["name"]; ok {
		p.name = name
		if c.normal != nil {
			p.name = c.normal(name)
		}
	}
	if phone, ok := data["phone"]; ok {
		p.phone = phone
	}
	if op.Owner != "" {
		p.owner = op.Owner
	}
	if op.LeadSource != "" {
		p.lead = op.LeadSource
	}
	return p
}

func (c *club) Find(_ context.Context, req sdk.FindRequest) (sdk.FindResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var res sdk.FindResponse
	for _, q := range req.Queries {
		var matches []sdk.Match
		for id, p := range c.records {
			if q.Marker != "" && p.marker == q.Marker || p.phone != "" && (q.Fields["phone"] == p.phone || q.Fields["mobile"] == p.phone) {
				known := map[string]string{"name": p.name, "phone": p.phone}
				if q.Fields["mobile"] != "" {
					known = map[string]string{"first_name": p.name, "mobile": p.phone}
				}
				data, _ := json.Marshal(known)
				m := sdk.Match{ID: id, Data: data}
				if c.kind.Class == sdk.ClassC {
					m.Marker = p.marker
				}
				matches = append(matches, m)
			}
		}
		res.Matches = append(res.Matches, matches)
	}
	return res, nil
}

func (c *club) Get(_ context.Context, req sdk.GetRequest) (*sdk.Page, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := newPeople(req.Kind)
	for _, id := range req.IDs {
		if p, ok := c.records[id]; ok {
			addPerson(b, p)
		}
	}
	return b.Page(nil, true)
}

// Read walks the records, a page of a few at a time.
func (c *club) Read(_ context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := slices.Sorted(maps.Keys(c.records))
	ids = slices.DeleteFunc(ids, func(id string) bool { return id <= string(req.After) })
	b, after := newPeople(req.Kind), string(req.After)
	for _, id := range ids[:min(crmPage, len(ids))] {
		addPerson(b, c.records[id])
		after = id
	}
	return b.Page(sdk.Cursor(after), len(ids) <= crmPage)
}

// change changes a record as the club's own staff would.
func (c *club) change(id string, change func(*person)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.records[id]
	change(&p)
	c.records[id] = p
}

// settle lets what executes late execute.
func (c *club) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.late {
		f()
	}
	c.late = nil
}

// names counts the records by name.
func (c *club) names() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := map[string]int{}
	for _, p := range c.records {
		names[p.name]++
	}
	return names
}
