package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// comparer makes the change set of a sync: it compares what was read with what
// the links remember, and appends what differs. A record whose digest is that of
// the last time is not even mapped.
type comparer struct {
	p       *preparation
	sync    *SyncFlow
	changes ChangeSet
	refs    *resolver
	walks   map[sdk.Kind]*walk
	// blanks counts, by kind and field, the linked records in which the field
	// would become empty.
	blanks map[string]int
	// appended are the records that the run changes: one that is read again is
	// compared when it is delivered, behind what comes before it.
	appended map[sdk.Kind]keySet
	// creates counts what would be created, by kind, and converting says that members
	// would be made of prospects.
	creates    map[sdk.Kind]int
	converting bool
	directory  *directory
	// going counts the linked records that are taken for gone.
	going map[sdk.Kind]int
	// reopening counts the records of which only the references are sent.
	reopening int
	// left are prospects of whom the source has said that they are gone, until the
	// members are read; ending says that they are.
	left   []string
	ending bool
	// pending are the records of a page that are to be matched.
	pending []change
	// echoes are what the creates in doubt of the other direction may have made.
	echoes map[sdk.Kind]echo
	// parked are intents that wait for a person and whose record has changed.
	parked []roster.Intent
	// packed, payload and shorts are where a change is put together.
	packed, payload []byte
	shorts          []uint32
	fields          []roster.SentField
}

func newComparer(r *Runner, p *preparation, changes ChangeSet) *comparer {
	return &comparer{
		directory: newDirectory(r, p.live, p.flow.Sync),
		p:         p, sync: p.flow.Sync, changes: changes, refs: newResolver(p.flow.Sync),
		walks: map[sdk.Kind]*walk{}, blanks: map[string]int{}, appended: map[sdk.Kind]keySet{},
		creates: map[sdk.Kind]int{}, going: map[sdk.Kind]int{}, echoes: map[sdk.Kind]echo{},
	}
}

// mapPage looks up the records of a page in one read of the store and maps those
// that are not known to be unchanged.
func (c *comparer) mapPage(ctx context.Context, page *sdk.Page) mappedPage {
	out := mappedPage{page: page, ids: idsOf(page), rows: make([]uint64, page.Rows)}
	columns := c.sync.Digests.Columns(page.Columns)
	for i := range page.Rows {
		out.rows[i] = columns.Row(page.Row(i))
	}
	var err error
	if out.standings, err = c.sync.Links.Standings(ctx, c.sync.route(page.Kind), out.ids); err != nil {
		return mappedPage{err: fmt.Errorf("look up links: %w", err)}
	}
	var wanted []int
	for i := range page.Rows {
		if !c.untouched(out.standings[i], out.rows[i]) {
			wanted = append(wanted, i)
		}
	}
	out.mapped = &roster.Mapped{}
	if len(wanted) == 0 {
		return out
	}
	wanted = everyForm(out.ids, wanted)
	if out.mapped, err = c.sync.Mapper.MapRows(ctx, page, wanted); err != nil {
		return mappedPage{err: fmt.Errorf("map: %w", err)}
	}
	if len(out.mapped.Records) != len(wanted) {
		return mappedPage{err: fmt.Errorf("map: %d outcomes for %d records", len(out.mapped.Records), len(wanted))}
	}
	return out
}

// everyForm adds to some rows of a page the others with their ids: what a page has
// of one record is taken in its order, because the last form counts.
func everyForm(ids []string, rows []int) []int {
	if len(rows) == len(ids) {
		return rows
	}
	of := make(map[string]struct{}, len(rows))
	for _, row := range rows {
		of[ids[row]] = struct{}{}
	}
	all := make([]int, 0, len(rows))
	for row, id := range ids {
		if _, ok := of[id]; ok {
			all = append(all, row)
		}
	}
	return all
}

// idsOf are the ids of a page's records. They share their memory.
func idsOf(page *sdk.Page) []string {
	size := 0
	for i := range page.Rows {
		size += len(page.Row(i).IDCell().Bytes())
	}
	text := make([]byte, 0, size)
	for i := range page.Rows {
		text = append(text, page.Row(i).IDCell().Bytes()...)
	}
	ids, rest := make([]string, page.Rows), string(text)
	for i := range ids {
		n := len(page.Row(i).IDCell().Bytes())
		ids[i], rest = rest[:n], rest[n:]
	}
	return ids
}

// untouched reports whether a source record is the one that was sent last, and
// would be mapped as it was then.
func (c *comparer) untouched(s roster.Standing, row uint64) bool {
	if s.Intent != nil {
		return s.Intent.State == roster.IntentDropped && s.Intent.Row == row
	}
	sent := s.Link.Sent
	return s.Link.Version > 0 && sent.Row == row && sent.Mapping == c.sync.Mapping && !sent.Open && !s.Link.Gone
}

// take sorts the records of one page.
func (c *comparer) take(ctx context.Context, kind sdk.Kind, page mappedPage) error {
	walk := c.walk(kind)
	for i, id := range page.ids {
		walk.saw(id, page.standings[i].Link.Version > 0)
	}
	for _, rejected := range page.page.Rejected {
		walk.saw(rejected.ID, false)
	}
	if err := c.records(ctx, kind, page); err != nil {
		return err
	}
	if err := c.repeated(ctx, kind, page); err != nil {
		return err
	}
	for _, id := range page.page.Removed {
		if err := c.p.supersede(ctx, kind, id); err != nil {
			return err
		}
	}
	return c.removed(ctx, kind, page.page.Removed)
}

// records takes the records of a page that were mapped.
func (c *comparer) records(ctx context.Context, kind sdk.Kind, page mappedPage) error {
	shapes := shapeCache{names: page.mapped.Fields}
	for i := range page.mapped.Records {
		record := &page.mapped.Records[i]
		if c.isPending(record.ID) { // an earlier form of it comes first
			if err := c.matchPending(ctx); err != nil {
				return err
			}
		}
		if record.Verdict != roster.VerdictRejected {
			if err := c.p.supersede(ctx, kind, record.ID); err != nil {
				return err
			}
		}
		mapped, err := c.p.verdict(kind, record)
		if err != nil {
			return err
		}
		if mapped {
			if err := c.record(ctx, kind, &shapes, page, record); err != nil {
				return err
			}
		}
	}
	for _, text := range page.mapped.Warnings {
		c.p.warn(text)
	}
	return c.matchPending(ctx)
}

// repeated takes the records of a page that are what was sent last and were not
// mapped. Those that the run has changed already, because the source gave them in
// another form before, are mapped after all: the later form counts.
func (c *comparer) repeated(ctx context.Context, kind sdk.Kind, page mappedPage) error {
	var again []int
	mapped := page.mapped.Records
	for i, standing := range page.standings {
		if len(mapped) > 0 && mapped[0].Row == i {
			mapped = mapped[1:]
			continue
		}
		if err := c.p.supersede(ctx, kind, page.ids[i]); err != nil {
			return err
		}
		switch {
		case standing.Intent != nil:
			c.p.counts.Skipped++
		case c.has(kind, page.ids[i]):
			again = append(again, i)
		default:
			c.p.counts.Unchanged++
		}
	}
	if len(again) == 0 {
		return nil
	}
	var err error
	if page.mapped, err = c.sync.Mapper.MapRows(ctx, page.page, again); err != nil {
		return fmt.Errorf("map: %w", err)
	}
	return c.records(ctx, kind, page)
}

func (c *comparer) has(kind sdk.Kind, source string) bool {
	set, ok := c.appended[kind]
	return ok && set.has(source)
}

// record compares one mapped record with its link.
func (c *comparer) record(ctx context.Context, kind sdk.Kind, shapes *shapeCache, page mappedPage, record *roster.MappedRecord) error {
	standing := page.standings[record.Row]
	if c.waits(page, record, standing) {
		return nil
	}
	record.Owner = c.p.sieve.owner(record.Owner)
	refs, err := c.refs.resolve(ctx, record.Owner, record.LeadSource)
	if err != nil {
		return err
	}
	if code, reason := c.refusal(kind, record, refs); code != "" {
		refused := quarantined(kind, record, roster.StageMap, code, reason)
		refused.Payload = roster.Payload(page.page.Columns, page.page.Row(record.Row))
		c.p.refuse(refused)
		return nil
	}
	next := c.change(kind, shapes, page, record)
	next.decided = standing.Intent != nil && standing.Intent.State == roster.IntentNew
	link := standing.Link
	sent := next.sent(c.sync.Digests, c.sync.Mapping, refs, c.fields)
	c.fields = sent.Fields
	switch kind {
	case sdk.KindStaff:
		return c.staffMember(ctx, next, link, sent)
	case sdk.KindLeadSource:
		if settled, err := c.leadSource(ctx, next, link, sent); settled || err != nil {
			return err
		}
	case sdk.KindProspect, sdk.KindMember:
	}
	return c.compare(ctx, next, link, sent, refs)
}

// compare decides about a record by its link.
func (c *comparer) compare(ctx context.Context, next change, link roster.Link, sent roster.Sent, refs references) error {
	switch {
	case c.has(next.kind, next.source):
		next.op, next.target, next.version = sdk.OpUpdate, link.Target, link.Version
		return c.append(&next)
	case link.Version == 0:
		return c.unlinked(ctx, next)
	case link.Sent.Mapping == 0 && link.Sent.Row == next.row:
		// It is as the other direction has left it: its own echo.
		return c.refresh(next, link)
	case link.Gone || refs.pending || link.Sent.Sum != sent.Sum && !c.sync.onlyLeftOut(link.Sent, sent):
		return c.update(&next, link, sent)
	case link.Sent.Row == sent.Row && link.Sent.Mapping == sent.Mapping && link.Sent.Open == sent.Open:
		c.p.counts.Unchanged++
		return nil
	}
	return c.refresh(next, link)
}

// refresh lets the link take over what the record is mapped from, without a
// change of the target.
func (c *comparer) refresh(next change, link roster.Link) error {
	c.p.counts.Unchanged++
	next.op, next.target, next.version, next.data, next.payload = opRefresh, link.Target, link.Version, nil, nil
	return c.append(&next)
}

// waits takes a record whose create is in doubt. One that a person is asked about
// is kept as it is read last.
func (c *comparer) waits(page mappedPage, record *roster.MappedRecord, s roster.Standing) bool {
	if s.Intent == nil || !s.Intent.State.Waits() {
		return false
	}
	c.p.counts.Waiting++
	if row := page.rows[record.Row]; s.Intent.State == roster.IntentParked && s.Intent.Row != row {
		changed := *s.Intent
		changed.Route, changed.Source, changed.Row = c.sync.route(page.page.Kind), record.ID, row
		changed.Payload = roster.Payload(page.page.Columns, page.page.Row(record.Row))
		c.parked = append(c.parked, changed)
	}
	return true
}

// refusal says why a mapped record cannot be sent.
func (c *comparer) refusal(kind sdk.Kind, record *roster.MappedRecord, refs references) (code, reason string) {
	switch {
	case len(record.Data) > maxClientBytes:
		return roster.CodeFreezeTooLarge, fmt.Sprintf("the mapped record is larger than %d KiB", maxClientBytes>>10)
	case len(c.sync.Clubs) > 0 && c.sync.Clubs[record.Club] == "":
		return roster.CodeMapClub, "the record's club has no id in the target's connection"
	case refs.unlinked == sdk.KindStaff && c.sync.Options.Owner == "required" && kind != sdk.KindStaff:
		return roster.CodeMapOwner, "its owner has no link to a staff member of the target, and the job requires one"
	}
	return "", ""
}

// change makes the entry of a record, without what becomes of it. It is valid
// until the next one is made.
func (c *comparer) change(kind sdk.Kind, shapes *shapeCache, page mappedPage, record *roster.MappedRecord) change {
	row := page.page.Row(record.Row)
	fields, order := shapes.of(record.Fields)
	c.shorts = c.shorts[:0]
	for _, at := range order {
		c.shorts = append(c.shorts, record.Shorts[at])
	}
	c.payload = roster.AppendPayload(c.payload[:0], page.page.Columns, row)
	next := change{
		kind: kind, source: record.ID, position: record.Position, club: record.Club,
		owner: record.Owner, leadSource: record.LeadSource, row: page.rows[record.Row],
		knownAs: record.Target, warned: len(record.Warnings) > 0,
		sum: record.Sum, shorts: c.shorts, fields: fields, data: record.Data, payload: c.payload,
	}
	for _, at := range record.Warnings {
		next.warnings = append(next.warnings, page.mapped.Warnings[at])
	}
	if name := c.sync.Options.Modified; name != "" {
		if at := slices.Index(page.page.Columns, name); at >= 0 {
			next.modified = string(row.Cell(at).Bytes())
		}
	}
	return next
}

func (c *comparer) create(ctx context.Context, next *change) error {
	echo, err := c.echo(ctx, next.kind)
	if err != nil {
		return err
	}
	if c.sync.Options.OnMissing && echo.may(next.source) {
		c.p.refuse(roster.Quarantined{
			Kind: next.kind, Record: next.source, Position: next.position, Payload: slices.Clone(next.payload),
			Stage: roster.StageMap, Code: roster.CodeDeliverWaiting,
			Reason: "a create of the other direction is in doubt, and this record may be what it has made; it is taken up when that is settled",
		})
		return nil
	}
	if !c.sync.Options.OnMissing {
		c.p.counts.Skipped++
		c.p.warn("records that the target does not have are left out: the job's on_missing is ignore")
		return nil
	}
	next.op = sdk.OpCreate
	c.p.counts.ToCreate++
	c.creates[next.kind]++
	return c.append(next)
}

func (c *comparer) update(next *change, link roster.Link, sent roster.Sent) error {
	if !c.sync.Options.OnMatch {
		c.p.counts.Skipped++
		c.p.warn("records that the target has are left as they are: the job's on_match is ignore")
		return nil
	}
	next.op, next.target, next.version = sdk.OpUpdate, link.Target, link.Version
	var blanked []string
	next.changed, blanked = c.sync.changes(link.Sent, sent)
	for _, name := range blanked {
		c.blanks[string(next.kind)+" "+name]++
	}
	c.p.counts.ToUpdate++
	return c.append(next)
}

func (c *comparer) append(next *change) error {
	switch next.op {
	case sdk.OpCreate, sdk.OpUpdate, sdk.OpDeactivate, sdk.OpDelete:
		if _, ok := c.appended[next.kind]; !ok {
			c.appended[next.kind] = newKeySet()
		}
		c.appended[next.kind].add(next.source)
	case sdk.OpConvert, sdk.OpTransfer:
	}
	c.p.entries++
	c.packed = next.append(c.packed[:0])
	if err := c.changes.Append("", c.packed); err != nil {
		return fmt.Errorf("append to the change set: %w", err)
	}
	return nil
}

// difference returns the names of the fields that differ between what was sent
// and what is to be sent, and of these the ones that become empty. Both are
// sorted by name. A field that the script fills no more is not in it: the target
// keeps what it has; a reference that is gone is.
func difference(before, after []roster.SentField) (changed, blanked []string) {
	for _, field := range after {
		was, there := fieldOf(before, field.Name)
		if there && was.Short == field.Short {
			continue
		}
		changed = append(changed, field.Name)
		if there && digest.WasEmpty(field.Short) && !digest.WasEmpty(was.Short) {
			blanked = append(blanked, field.Name)
		}
	}
	for _, name := range []string{roster.LeadSourceField, roster.OwnerField} {
		_, was := fieldOf(before, name)
		if _, is := fieldOf(after, name); was && !is {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed, blanked
}

// changes is difference for what a link remembers: every field may differ where
// the other direction has written the record since. What the job does not send any
// more is left as it is.
func (s *SyncFlow) changes(before, after roster.Sent) (changed, blanked []string) {
	before.Fields = slices.DeleteFunc(slices.Clone(before.Fields), func(f roster.SentField) bool {
		return f.Name == roster.OwnerField && s.Options.Owner == "ignore" ||
			f.Name == roster.LeadSourceField && s.Options.LeadSources == "ignore"
	})
	changed, blanked = difference(before.Fields, after.Fields)
	if before.Mapping == 0 {
		all, _ := difference(nil, after.Fields)
		changed = append(changed, all...)
		slices.Sort(changed)
		changed = slices.Compact(changed)
	}
	return changed, blanked
}

// onlyLeftOut reports whether what is to be sent differs only in fields that are
// not sent any more.
func (s *SyncFlow) onlyLeftOut(before, after roster.Sent) bool {
	changed, _ := s.changes(before, after)
	return len(changed) == 0 && len(before.Fields) > len(after.Fields)
}

func fieldOf(fields []roster.SentField, name string) (roster.SentField, bool) {
	at, ok := slices.BinarySearchFunc(fields, name, func(f roster.SentField, name string) int {
		return compareText(f.Name, name)
	})
	if !ok {
		return roster.SentField{}, false
	}
	return fields[at], true
}

// shapeCache makes the names of fields of sets of positions. Most records of a
// page carry the same fields.
type shapeCache struct {
	names []string
	last  roster.FieldSet
	made  []string
	order []int
}

// of returns the names of a set, sorted, and the place of each among the fields
// of the set by position.
func (s *shapeCache) of(set roster.FieldSet) (names []string, order []int) {
	if s.made != nil && s.last == set {
		return s.made, s.order
	}
	var carried []string
	for i, name := range s.names {
		if set.Has(i) {
			carried = append(carried, name)
		}
	}
	s.last, s.made, s.order = set, make([]string, len(carried)), make([]int, len(carried))
	for i := range carried {
		s.order[i] = i
	}
	slices.SortFunc(s.order, func(a, b int) int { return compareText(carried[a], carried[b]) })
	for i, at := range s.order {
		s.made[i] = carried[at]
	}
	return s.made, s.order
}
