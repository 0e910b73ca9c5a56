package pipeline

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// opRefresh changes nothing at the target: the record is mapped to what was sent
// already, and its link takes over the digests of what it was mapped from.
const opRefresh sdk.Op = "refresh"

// change is one entry of the change set of a sync: what is to be done about one
// record, and all that the link needs to know of it afterwards. It is stored
// sealed.
type change struct {
	op   sdk.Op
	kind sdk.Kind
	// source is the id of the source record. Of a record that is gone from the
	// source it is the id that it had.
	source, position string
	// target and version are those of the link when the change was made; empty and
	// 0 for a create.
	target  string
	version uint32
	// club is the account's key of the record's club.
	club string
	// owner and leadSource are ids of the source.
	owner, leadSource string
	// row and modified are of the source record: its digest, and when it was
	// changed as far as the job knows.
	row      uint64
	modified string
	// sum and shorts are the digests of the mapped record without its references;
	// shorts are those of fields.
	sum    digest.Sum
	fields []string
	shorts []uint32
	// changed are the fields that differ from what was sent last.
	changed []string
	// matched says that the target had the record and that no link leads to it yet,
	// reopened that only its references are sent, because one has a link by now, and
	// warned that something was left out or shortened when it was mapped.
	matched, reopened, warned bool
	// warnings say what that was, without its values.
	warnings []string
	// knownAs is the target's id as the source knows it; it is not stored.
	knownAs string
	// decided says that a person has looked at the records of the target that it
	// could be, and that it is none of them; it is not stored.
	decided bool
	// hits are the records of the target that a new one could be.
	hits []string
	// data is the mapped record, payload the source record, both as JSON.
	data, payload []byte
}

// errChange says that an entry of a change set is none that this version makes.
var errChange = errors.New("an entry of the change set cannot be read")

// changeForm leads every entry, so that a later form can be told from this one.
const changeForm = 1

// append packs the change.
func (c *change) append(b []byte) []byte {
	b = append(b, changeForm)
	for _, text := range []string{
		string(c.op), string(c.kind), c.source, c.position, c.target, c.club, c.owner, c.leadSource, c.modified,
	} {
		b = appendText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(c.version))
	for _, word := range []uint64{c.row, c.sum.Lo, c.sum.Hi} {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	b = appendTexts(b, c.fields)
	for _, short := range c.shorts {
		b = binary.LittleEndian.AppendUint32(b, short)
	}
	b = appendTexts(b, c.changed)
	b = appendTexts(b, c.hits)
	b = append(b, flag(c.matched)|flag(c.reopened)<<1|flag(c.warned)<<2|flag(len(c.warnings) > 0)<<3)
	if len(c.warnings) > 0 {
		b = appendTexts(b, c.warnings)
	}
	b = appendText(b, c.data)
	return appendText(b, c.payload)
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTexts(b []byte, texts []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, text := range texts {
		b = appendText(b, text)
	}
	return b
}

// parseChange unpacks a change. Its byte slices point into b.
func parseChange(b []byte) (change, error) { return new(changeParser).parse(b) }

// changeParser unpacks changes, of which most carry the same fields: their names
// are made once.
type changeParser struct {
	// names are made of packed.
	packed []byte
	names  []string
}

// parse unpacks a change. Its byte slices point into b.
func (p *changeParser) parse(b []byte) (change, error) {
	if len(b) == 0 || b[0] != changeForm {
		return change{}, fmt.Errorf("%w: unknown form", errChange)
	}
	r := changeReader{rest: b[1:]}
	var c change
	var op, kind string
	r.share(&op, &kind, &c.source, &c.position, &c.target, &c.club, &c.owner, &c.leadSource, &c.modified)
	c.op, c.kind = sdk.Op(op), sdk.Kind(kind)
	c.version = uint32(r.uvarint())
	c.row, c.sum.Lo, c.sum.Hi = r.word(), r.word(), r.word()
	c.fields = p.fields(&r)
	c.shorts = make([]uint32, len(c.fields))
	for i := range c.shorts {
		c.shorts[i] = r.short()
	}
	c.changed, c.hits = r.texts(), r.texts()
	if flags := r.take(1); flags != nil {
		c.matched, c.reopened, c.warned = flags[0]&1 != 0, flags[0]&2 != 0, flags[0]&4 != 0
		if flags[0]&8 != 0 {
			c.warnings = r.texts()
		}
	}
	c.data, c.payload = r.bytes(), r.bytes()
	if r.failed || len(r.rest) > 0 {
		return change{}, errChange
	}
	return c, nil
}

func (p *changeParser) fields(r *changeReader) []string {
	if p.packed != nil && bytes.HasPrefix(r.rest, p.packed) {
		r.rest = r.rest[len(p.packed):]
		return p.names
	}
	from := r.rest
	names := r.texts()
	if !r.failed {
		p.names, p.packed = names, from[:len(from)-len(r.rest)]
	}
	return names
}

// changeReader takes packed values from the front. After a fault it returns
// zeros and failed stays set.
type changeReader struct {
	rest   []byte
	failed bool
}

func (r *changeReader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *changeReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *changeReader) word() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *changeReader) short() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *changeReader) bytes() []byte { return r.take(r.uvarint()) }
func (r *changeReader) text() string  { return string(r.bytes()) }

// share takes texts that follow each other. They share their memory.
func (r *changeReader) share(into ...*string) {
	from := r.rest
	for range into {
		r.bytes()
	}
	if r.failed {
		return
	}
	all := string(from[:len(from)-len(r.rest)])
	again := changeReader{rest: from}
	for _, text := range into {
		size := len(again.bytes())
		end := len(from) - len(again.rest)
		*text = all[end-size : end]
	}
}

func (r *changeReader) texts() []string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return nil
	}
	var texts []string
	for range n {
		texts = append(texts, r.text())
	}
	return texts
}

// sent is what the link remembers once the change is delivered with these
// references. Its fields are put into room, if they fit; those of the change are
// sorted.
func (c *change) sent(key digest.Key, mapping uint32, refs references, room []roster.SentField) roster.Sent {
	s := roster.Sent{Row: c.row, Mapping: mapping, Sum: c.sum, Open: refs.open}
	if refs.open {
		s.Owner, s.LeadSource = c.owner, c.leadSource
	}
	s.Fields = slices.Grow(room[:0], c.fieldsSent())
	for i, name := range c.fields {
		s.Fields = append(s.Fields, roster.SentField{Name: name, Short: c.shorts[i]})
	}
	add := func(name, id string) {
		f := key.Field(name, []byte(id))
		s.Sum = s.Sum.Add(f)
		at, _ := slices.BinarySearchFunc(s.Fields, name, func(f roster.SentField, name string) int { return compareText(f.Name, name) })
		s.Fields = slices.Insert(s.Fields, at, roster.SentField{Name: name, Short: f.Short()})
	}
	refs.each(add)
	if c.club != "" && !slices.Contains(c.fields, roster.ClubField) {
		add(roster.ClubField, c.club)
	}
	return s
}

// fieldsSent is how many fields sent has at most.
func (c *change) fieldsSent() int { return len(c.fields) + 3 }
