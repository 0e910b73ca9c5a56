package mapping

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Frames are led by their length (32 bits, little-endian, without the five
// bytes of the head) and one byte that says what they hold.
const (
	frameLoad    = 'L' // to the worker: a loadRequest as JSON
	framePage    = 'P' // to the worker: a pageHead, then ends and cells of the page
	frameLoaded  = 'l' // from the worker: the script is ready
	frameFault   = 'f' // from the worker: a ScriptError as JSON
	frameRefused = 'r' // from the worker: why the page is malformed
	frameMapped  = 'm' // from the worker: a packed roster.Mapped
)

const (
	frameHead = 5
	// maxFrame bounds a frame: a page of the contract with its ends, or a
	// reply, which the worker keeps under maxReplyBytes.
	maxFrame = 64 << 20
)

var errFrame = errors.New("malformed frame")

// readFrame reads a frame. Its body is put into room, if it fits there; nobody needs
// what was in it any more.
func readFrame(r io.Reader, room []byte) (kind byte, body []byte, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size > maxFrame {
		return 0, nil, fmt.Errorf("%w: %d bytes", errFrame, size)
	}
	body = slices.Grow(room[:0], int(size))[:size]
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, err
	}
	return head[4], body, nil
}

func writeFrame(w io.Writer, kind byte, parts ...[]byte) error {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	if size > maxFrame {
		return fmt.Errorf("%w: %d bytes", errFrame, size)
	}
	head := append(binary.LittleEndian.AppendUint32(make([]byte, 0, frameHead), uint32(size)), kind)
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// loadRequest is what a worker needs to make its state.
type loadRequest struct {
	Script  Script
	Context Context
	Target  roster.MapTarget
	// MemoryLimit is in bytes; zero leaves the process as it is.
	MemoryLimit int64
}

// rowSet is the part of a page that is asked for.
type rowSet struct {
	// from is inclusive, to exclusive.
	from, to int
	// left are rows in between that are left out.
	left []int
}

func (s rowSet) has(row int) bool {
	return row >= s.from && row < s.to && !slices.Contains(s.left, row)
}

// part is the set's part between from and to.
func (s rowSet) part(from, to int) rowSet {
	return rowSet{from: from, to: to, left: slices.Clone(s.left)}
}

// only returns the set's row where it has just one, else -1.
func (s rowSet) only() int {
	found := -1
	for row := s.from; row < s.to; row++ {
		if !s.has(row) {
			continue
		}
		if found >= 0 {
			return -1
		}
		found = row
	}
	return found
}

// appendPageHead writes what leads a page on its way to the worker. Ends and
// cells follow it as they are.
func appendPageHead(b []byte, sequence uint32, rows rowSet, page *sdk.Page) []byte {
	b = appendInts(b, int(sequence), rows.from, rows.to, len(rows.left))
	b = appendInts(b, rows.left...)
	b = appendText(b, string(page.Kind))
	b = appendInts(b, len(page.Columns))
	for _, column := range page.Columns {
		b = appendText(b, column)
	}
	return appendInts(b, page.Rows, len(page.Ends))
}

func parsePage(body []byte) (sequence uint32, rows rowSet, page *sdk.Page, err error) {
	r := reader{bytes: body}
	sequence = uint32(r.int())
	rows.from, rows.to = r.int(), r.int()
	for range r.count() {
		rows.left = append(rows.left, r.int())
	}
	page = &sdk.Page{Kind: sdk.Kind(r.text())}
	for range r.count() {
		page.Columns = append(page.Columns, r.text())
	}
	page.Rows = r.int()
	page.Ends = r.take(r.int())
	page.Cells = r.bytes[r.pos:]
	if r.failed {
		return 0, rowSet{}, nil, errFrame
	}
	if err := page.Validate(); err != nil {
		return 0, rowSet{}, nil, err
	}
	rows.to = min(rows.to, page.Rows)
	return sequence, rows, page, nil
}

// appendMapped packs what became of a page: the size of the heads, the fields
// and the records' heads with their texts, then all data and payloads. The
// other side needs one string for all texts and no copy of the data.
func appendMapped(b []byte, m *roster.Mapped, digests bool) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, 0)
	for _, texts := range [][]string{m.Fields, m.Unknown, m.Warnings} {
		b = appendInts(b, len(texts))
		for _, text := range texts {
			b = appendText(b, text)
		}
	}
	shorts := 0
	for i := range m.Records {
		shorts += len(m.Records[i].Shorts)
	}
	b = appendInts(b, len(m.Records), shorts)
	b = append(b, 0)
	if digests {
		b[len(b)-1] = 1
	}
	for i := range m.Records {
		b = appendHead(b, &m.Records[i])
		if digests {
			b = appendDigests(b, &m.Records[i])
		}
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	for i := range m.Records {
		b = append(append(b, m.Records[i].Data...), m.Records[i].Payload...)
	}
	return b
}

func appendHead(b []byte, r *roster.MappedRecord) []byte {
	b = appendInts(b, r.Row, r.Line, int(r.Verdict))
	b = appendText(appendText(appendText(appendText(b, r.ID), r.Club), r.Position), r.Key)
	b = appendText(appendText(appendText(b, r.Code), r.Reason), string(r.Stage))
	b = appendText(appendText(appendText(b, r.Owner), r.LeadSource), r.Target)
	for _, word := range r.Fields {
		b = binary.AppendUvarint(b, word)
	}
	b = appendInts(b, len(r.Warnings))
	for _, w := range r.Warnings {
		b = appendInts(b, int(w))
	}
	return appendInts(b, len(r.Data), len(r.Payload))
}

// appendDigests appends the digests of a record, if it has any: as many as it
// has fields.
func appendDigests(b []byte, r *roster.MappedRecord) []byte {
	if r.Verdict != roster.VerdictMapped {
		return b
	}
	b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, r.Sum.Lo), r.Sum.Hi)
	for _, short := range r.Shorts {
		b = binary.LittleEndian.AppendUint32(b, short)
	}
	return b
}

// parseMapped is the counterpart of appendMapped for a page of that many rows.
// Data and payloads point into body.
func parseMapped(body []byte, rows int) (*roster.Mapped, error) {
	if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) > uint64(len(body)-4) {
		return nil, errFrame
	}
	head := body[4 : 4+binary.LittleEndian.Uint32(body)]
	p := mappedReader{head: reader{bytes: head, texts: string(head)}, data: reader{bytes: body[4+len(head):]}}
	r, m := &p.head, &roster.Mapped{}
	for _, texts := range []*[]string{&m.Fields, &m.Unknown, &m.Warnings} {
		for range r.count() {
			*texts = append(*texts, r.text())
		}
	}
	n := r.count()
	p.shorts = make([]uint32, 0, r.count())
	p.digests = slices.Equal(r.take(1), []byte{1})
	p.warnings = len(m.Warnings)
	for position := range min(len(m.Fields), roster.MaxFields) {
		p.fields.Add(position)
	}
	if n > rows || len(m.Fields) > roster.MaxFields || len(m.Unknown) > maxUnknown || len(m.Warnings) > maxWarnings {
		return nil, errFrame
	}
	m.Records = make([]roster.MappedRecord, n)
	for i := range m.Records {
		p.record(&m.Records[i])
	}
	if r.failed || p.data.failed || r.pos != len(r.bytes) || p.data.pos != len(p.data.bytes) {
		return nil, errFrame
	}
	return m, nil
}

// mappedReader reads the records of a page.
type mappedReader struct {
	head, data reader
	digests    bool
	// fields are all fields of the page.
	fields roster.FieldSet
	// shorts and marks hold those of all records; warnings is how many there are
	// on the page.
	shorts   []uint32
	marks    []uint16
	warnings int
}

func (p *mappedReader) record(rec *roster.MappedRecord) {
	r := &p.head
	rec.Row, rec.Line, rec.Verdict = r.int(), r.int(), roster.Verdict(r.int())
	rec.ID, rec.Club, rec.Position, rec.Key = r.text(), r.text(), r.text(), r.text()
	rec.Code, rec.Reason, rec.Stage = r.text(), r.text(), roster.Stage(r.text())
	rec.Owner, rec.LeadSource, rec.Target = r.text(), r.text(), r.text()
	for w := range rec.Fields {
		rec.Fields[w] = r.uvarint()
		r.failed = r.failed || rec.Fields[w]&^p.fields[w] != 0
	}
	if n := r.count(); n > 0 {
		rec.Warnings = p.takeMarks(n)
	}
	if n := r.int(); n > 0 {
		rec.Data = p.data.take(n)
	}
	if n := r.int(); n > 0 {
		rec.Payload = p.data.take(n)
	}
	if p.digests && rec.Verdict == roster.VerdictMapped {
		p.takeDigests(rec)
	}
}

func (p *mappedReader) takeMarks(n int) []uint16 {
	start := len(p.marks)
	for range n {
		w := p.head.int()
		if w >= p.warnings {
			p.head.failed = true
			return nil
		}
		p.marks = append(p.marks, uint16(w)) //nolint:gosec // It is below maxWarnings.
	}
	return p.marks[start:len(p.marks):len(p.marks)]
}

func (p *mappedReader) takeDigests(rec *roster.MappedRecord) {
	n := count(rec.Fields)
	packed := p.head.take(16 + 4*n)
	if packed == nil {
		return
	}
	rec.Sum = digest.Sum{Lo: binary.LittleEndian.Uint64(packed), Hi: binary.LittleEndian.Uint64(packed[8:])}
	start := len(p.shorts)
	for packed = packed[16:]; len(packed) > 0; packed = packed[4:] {
		p.shorts = append(p.shorts, binary.LittleEndian.Uint32(packed))
	}
	rec.Shorts = p.shorts[start:len(p.shorts):len(p.shorts)]
}

func parseFault(body []byte) error {
	fault := &ScriptError{}
	if err := json.Unmarshal(body, fault); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return fault
}

func appendInts(b []byte, values ...int) []byte {
	for _, v := range values {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// reader takes packed values from the front. After a fault it returns zeros and
// failed stays set.
type reader struct {
	bytes []byte
	// texts has the content of bytes, so that texts need no copy of their own;
	// empty where a copy each is good enough.
	texts  string
	pos    int
	failed bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.bytes[r.pos:])
	if n <= 0 {
		r.failed, r.pos = true, len(r.bytes)
		return 0
	}
	r.pos += n
	return v
}

func (r *reader) int() int {
	v := r.uvarint()
	if v > maxFrame {
		r.failed = true
		return 0
	}
	return int(v)
}

// count is an int that cannot exceed what is left, so that a loop over it ends
// soon.
func (r *reader) count() int {
	n := r.int()
	if n > len(r.bytes)-r.pos {
		r.failed = true
		return 0
	}
	return n
}

func (r *reader) take(n int) []byte {
	if n > len(r.bytes)-r.pos {
		r.failed = true
		return nil
	}
	r.pos += n
	return r.bytes[r.pos-n : r.pos : r.pos]
}

func (r *reader) text() string {
	b := r.take(r.int())
	if r.texts == "" {
		return string(b)
	}
	return r.texts[r.pos-len(b) : r.pos]
}
