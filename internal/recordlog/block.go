package recordlog

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	blockMagic = "rlog"
	blockForm  = 1
	// blockFixed is the size of what leads a block before its three names.
	blockFixed = len(blockMagic) + 1 + 4 + 4 + 8 + 4 + 4*roster.LogLevels
	// maxName bounds the names of run, job and connection.
	maxName = 255
)

// header is what stands in clear of a block.
type header struct {
	// sealed is the length of the sealed part.
	sealed, number uint32
	at             time.Time
	lost           uint32
	counts         [roster.LogLevels]uint32
	run, job, to   string
	// raw is the header as it stands in the file.
	raw []byte
}

// append packs a header.
func (h *header) append(b []byte) []byte {
	start := len(b)
	b = append(append(b, blockMagic...), blockForm)
	b = binary.LittleEndian.AppendUint32(b, h.sealed)
	b = binary.LittleEndian.AppendUint32(b, h.number)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.at.UnixNano())) //nolint:gosec // it is read back the same way
	b = binary.LittleEndian.AppendUint32(b, h.lost)
	for _, n := range h.counts {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	for _, name := range []string{h.run, h.job, h.to} {
		name = name[:min(len(name), maxName)]
		b = append(append(b, byte(len(name))), name...) //nolint:gosec // it is cut to fit
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
}

// parseHeader unpacks the header that b begins with. It is false where there is
// none, or a part of one.
func parseHeader(b []byte) (header, bool) {
	var h header
	if len(b) < blockFixed || string(b[:len(blockMagic)]) != blockMagic || b[len(blockMagic)] != blockForm {
		return h, false
	}
	number := binary.LittleEndian.Uint32
	rest := b[len(blockMagic)+1:]
	h.sealed, h.number = number(rest), number(rest[4:])
	h.at = time.Unix(0, int64(binary.LittleEndian.Uint64(rest[8:]))).UTC() //nolint:gosec // it was written the same way
	h.lost, rest = number(rest[16:]), rest[20:]
	for i := range h.counts {
		h.counts[i], rest = number(rest), rest[4:]
	}
	for _, name := range []*string{&h.run, &h.job, &h.to} {
		if len(rest) == 0 || len(rest) <= int(rest[0]) {
			return h, false
		}
		*name, rest = string(rest[1:1+rest[0]]), rest[1+rest[0]:]
	}
	size := len(b) - len(rest)
	if len(rest) < 4 || number(rest) != crc32.ChecksumIEEE(b[:size]) {
		return h, false
	}
	h.raw = b[:size+4]
	return h, true
}

// entries is the number of the block's entries.
func (h *header) entries() int {
	n := 0
	for _, count := range h.counts {
		n += int(count)
	}
	return n
}

// has reports whether the block has an entry of a level or of a graver one.
func (h *header) has(level roster.LogLevel) bool {
	for l := int(level); l < len(h.counts); l++ {
		if h.counts[l] > 0 {
			return true
		}
	}
	return false
}

// block is one block of a file that was read.
type block struct {
	header

	body []byte
}

// cut returns the blocks of a file. What is none is passed over: a block that a
// crash has cut stands at the end, damage anywhere.
func cut(data []byte) []block {
	var blocks []block
	for len(data) > 0 {
		h, ok := parseHeader(data)
		if !ok || uint64(len(data)-len(h.raw)) < uint64(h.sealed) {
			at := bytes.Index(data[1:], []byte(blockMagic))
			if at < 0 {
				break
			}
			data = data[1+at:]
			continue
		}
		end := len(h.raw) + int(h.sealed)
		blocks = append(blocks, block{header: h, body: data[len(h.raw):end]})
		data = data[end:]
	}
	return blocks
}

// The flags of a packed entry. The lowest two bits are its level.
const (
	flagOwner = 4 << iota
	flagLeadSource
	// The values of these are those of the entry before.
	flagSameKind
	flagSameCode
	flagSameClub
	flagSameDetail
)

const levelBits = 3

// appendEntry packs an entry. Most have the kind, the code, the club and the detail
// of the one before.
func appendEntry(b []byte, e, before *roster.LogEntry) []byte {
	flags := byte(e.Level) & levelBits
	set := func(flag byte, on bool) {
		if on {
			flags |= flag
		}
	}
	set(flagOwner, e.Missing&roster.LogOwner != 0)
	set(flagLeadSource, e.Missing&roster.LogLeadSource != 0)
	set(flagSameKind, e.Kind == before.Kind)
	set(flagSameCode, e.Code == before.Code)
	set(flagSameClub, e.Club == before.Club)
	set(flagSameDetail, e.Detail == before.Detail)
	b = append(b, flags)
	b = appendText(appendText(b, e.Record), e.Target)
	if flags&flagSameKind == 0 {
		b = appendText(b, string(e.Kind))
	}
	if flags&flagSameCode == 0 {
		b = appendText(b, e.Code)
	}
	if flags&flagSameClub == 0 {
		b = appendText(b, e.Club)
	}
	if flags&flagSameDetail == 0 {
		b = appendText(b, e.Detail)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// parseEntries unpacks the entries of a block. It is false where they cannot be
// read.
func parseEntries(b []byte, n int) ([]roster.LogEntry, bool) {
	entries := make([]roster.LogEntry, 0, min(n, len(b)))
	var e roster.LogEntry
	ok := true
	text := func() string {
		size, used := binary.Uvarint(b)
		if used <= 0 || size > uint64(len(b)-used) {
			ok, b = false, nil
			return ""
		}
		s := string(b[used : used+int(size)]) //nolint:gosec // it is no more than there is
		b = b[used+int(size):]                //nolint:gosec // see above
		return s
	}
	for len(b) > 0 {
		flags := b[0]
		b = b[1:]
		e.Level, e.Missing = roster.LogLevel(flags&levelBits), 0
		if flags&flagOwner != 0 {
			e.Missing |= roster.LogOwner
		}
		if flags&flagLeadSource != 0 {
			e.Missing |= roster.LogLeadSource
		}
		e.Record, e.Target = text(), text()
		if flags&flagSameKind == 0 {
			e.Kind = sdk.Kind(text())
		}
		if flags&flagSameCode == 0 {
			e.Code = text()
		}
		if flags&flagSameClub == 0 {
			e.Club = text()
		}
		if flags&flagSameDetail == 0 {
			e.Detail = text()
		}
		if !ok || int(e.Level) >= roster.LogLevels {
			return nil, false
		}
		entries = append(entries, e)
	}
	return entries, len(entries) == n
}
