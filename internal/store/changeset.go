package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sort"
	"sync"
)

// cachedBlocks is how many opened blocks a change set keeps, for readers of
// pages that end or begin within a block.
const cachedBlocks = 4

// ChangeSet reads one finished change set. It is safe for concurrent use. It
// goes on working when the change set is removed or replaced.
type ChangeSet struct {
	file *os.File
	seal *fileSeal
	// starts holds the first entry of each block and the number of entries,
	// offsets the place of each block and that of the index.
	starts  []int
	offsets []int64

	mu sync.Mutex
	// cache holds the blocks last used, the latest first.
	cache []*openBlock
}

// openBlock is one decrypted block; it is not changed after it is made.
type openBlock struct {
	number    int
	n         int
	ends      []byte
	data, ids []byte
}

// Open opens the change set of a run and reads it once, so that one that is
// damaged is found before the first of it is delivered. It returns
// [ErrNotFound] when there is none and [ErrSealed] when it was changed or cut.
// The caller closes it.
func (s *ChangeSets) Open(run string) (*ChangeSet, error) {
	path, err := s.path(run)
	if err != nil {
		return nil, err
	}
	cs, err := s.open(path, run)
	if err != nil {
		return nil, explainSet(fmt.Errorf("open the change set of run %s: %w", run, err))
	}
	return cs, nil
}

func (s *ChangeSets) open(path, run string) (*ChangeSet, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	cs := &ChangeSet{file: file}
	err = cs.readFrame(s.keys, run)
	var room []byte
	for number := 0; err == nil && number < len(cs.starts)-1; number++ {
		room, err = cs.readSealed(number, room)
		if err == nil {
			_, err = cs.openBlock(number, room)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return cs, nil
}

// explainSet says what can be done about a change set that is of no use.
func explainSet(err error) error {
	if errors.Is(err, ErrSealed) || errors.Is(err, ErrNotFound) {
		return explainAs(err, CodeDamaged, "start the job again: it reads and freezes everything anew")
	}
	return Explain(err)
}

// Len returns the number of entries.
func (c *ChangeSet) Len() int { return c.starts[len(c.starts)-1] }

// Close releases the file. Later reads fail.
func (c *ChangeSet) Close() error {
	c.mu.Lock()
	c.cache = nil
	c.mu.Unlock()
	return c.file.Close()
}

// AppendClients appends the data of the entries from (inclusive) to to
// (exclusive), joined with commas, to dst and returns it. On an error it
// returns dst as it was.
func (c *ChangeSet) AppendClients(dst []byte, from, to int) ([]byte, error) {
	out := dst
	err := c.each(from, to, func(b *openBlock, first, last int) {
		if len(out) > len(dst) || first != from {
			out = append(out, ',')
		}
		out = append(out, b.data[b.dataStart(first-c.starts[b.number]):b.dataEnd(last-1-c.starts[b.number])]...)
	})
	if err != nil {
		return dst, err
	}
	return out, nil
}

// IDs returns the ids of the entries from (inclusive) to to (exclusive).
func (c *ChangeSet) IDs(from, to int) ([]string, error) {
	var ids []string
	err := c.each(from, to, func(b *openBlock, first, last int) {
		for i := first - c.starts[b.number]; i < last-c.starts[b.number]; i++ {
			ids = append(ids, b.id(i))
		}
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// Entries calls visit with the entries from (inclusive) to to (exclusive), in
// order, until it returns an error. Data is not changed later, and must not be; as
// long as it is used, all of its block stays in memory.
func (c *ChangeSet) Entries(from, to int, visit func(entry int, data []byte) error) error {
	var stop error
	err := c.each(from, to, func(b *openBlock, first, last int) {
		for at := first; at < last && stop == nil; at++ {
			i := at - c.starts[b.number]
			stop = visit(at, b.data[b.dataStart(i):b.dataEnd(i)])
		}
	})
	if stop != nil {
		return stop
	}
	return err
}

// each calls visit with the blocks that hold [from, to) and with the part of
// that range that each of them holds.
func (c *ChangeSet) each(from, to int, visit func(b *openBlock, first, last int)) error {
	if from < 0 || from > to || to > c.Len() {
		return fmt.Errorf("read the change set of run %s: entries %d to %d of %d do not exist", c.seal.run, from, to, c.Len())
	}
	number := sort.SearchInts(c.starts, from+1) - 1
	for from < to {
		b, err := c.block(number)
		if err != nil {
			return explainSet(fmt.Errorf("read the change set of run %s: %w", c.seal.run, err))
		}
		last := min(to, c.starts[number+1])
		visit(b, from, last)
		from, number = last, number+1
	}
	return nil
}

// block returns a decrypted block from the cache or the file.
func (c *ChangeSet) block(number int) (*openBlock, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, b := range c.cache {
		if b.number == number {
			copy(c.cache[1:i+1], c.cache[:i])
			c.cache[0] = b
			return b, nil
		}
	}
	b, err := c.readBlock(number)
	if err != nil {
		return nil, err
	}
	if len(c.cache) < cachedBlocks {
		c.cache = append(c.cache, nil)
	}
	copy(c.cache[1:], c.cache)
	c.cache[0] = b
	return b, nil
}

func (c *ChangeSet) readBlock(number int) (*openBlock, error) {
	sealed, err := c.readSealed(number, nil)
	if err != nil {
		return nil, err
	}
	return c.openBlock(number, sealed)
}

// readSealed reads a block as it is in the file, into room where it fits.
func (c *ChangeSet) readSealed(number int, room []byte) ([]byte, error) {
	size := int(c.offsets[number+1] - c.offsets[number])
	sealed := slices.Grow(room[:0], size)[:size]
	_, err := c.file.ReadAt(sealed, c.offsets[number])
	return sealed, err
}

// openBlock opens a block in place.
func (c *ChangeSet) openBlock(number int, sealed []byte) (*openBlock, error) {
	plain, err := c.seal.open(sealed, partBlock, number)
	if err != nil {
		return nil, err
	}
	n := c.starts[number+1] - c.starts[number]
	if len(plain) < 4+8*n || int(binary.LittleEndian.Uint32(plain)) != n {
		return nil, fmt.Errorf("%w: block %d does not fit the index", ErrSealed, number)
	}
	b := &openBlock{number: number, n: n, ends: plain[4 : 4+8*n]}
	rest := plain[4+8*n:]
	size := b.dataEnd(n - 1)
	if size > len(rest) {
		return nil, fmt.Errorf("%w: block %d does not fit its ends", ErrSealed, number)
	}
	b.data, b.ids = rest[:size], rest[size:]
	return b, nil
}

func (b *openBlock) end(i int) int { return int(binary.LittleEndian.Uint32(b.ends[4*i:])) }

func (b *openBlock) dataEnd(i int) int { return b.end(i) }

// dataStart skips the comma behind the entry before.
func (b *openBlock) dataStart(i int) int {
	if i == 0 {
		return 0
	}
	return b.end(i-1) + 1
}

func (b *openBlock) id(i int) string {
	start := 0
	if i > 0 {
		start = b.end(b.n + i - 1)
	}
	return string(b.ids[start:b.end(b.n+i)])
}

// readFrame reads the header, the footer and the index.
func (c *ChangeSet) readFrame(keys *Keyring, run string) error {
	info, err := c.file.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if size < int64(changeSetHeader+footerBytes) {
		return fmt.Errorf("%w: the file is cut", ErrSealed)
	}
	header := make([]byte, changeSetHeader)
	footer := make([]byte, footerBytes)
	if _, err := c.file.ReadAt(header, 0); err != nil {
		return err
	}
	if _, err := c.file.ReadAt(footer, size-int64(footerBytes)); err != nil {
		return err
	}
	if string(header[:len(changeSetMagic)]) != changeSetMagic || string(footer[12:]) != footerMagic {
		return fmt.Errorf("%w: the file is cut or no change set of this version", ErrSealed)
	}
	if err := keys.id.check(header[len(changeSetMagic):][:len(KeyID{})]); err != nil {
		return err
	}
	if c.seal, err = keys.fileSeal(header, run); err != nil {
		return err
	}
	place, length := binary.LittleEndian.Uint64(footer), binary.LittleEndian.Uint32(footer[8:])
	if place > uint64(size) || int64(place)+int64(length)+int64(footerBytes) != size {
		return fmt.Errorf("%w: the file is cut", ErrSealed)
	}
	sealed := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(c.file, int64(place), int64(length)), sealed); err != nil {
		return err
	}
	return c.readIndex(sealed, int64(place))
}

// readIndex opens the index. Its number is the number of blocks, which its
// length tells: an index of fewer blocks does not open.
func (c *ChangeSet) readIndex(sealed []byte, place int64) error {
	const head = 8 + 4
	blocks := (len(sealed) - c.seal.aead.Overhead() - head) / 8
	if blocks < 0 {
		return fmt.Errorf("%w: the file is cut", ErrSealed)
	}
	plain, err := c.seal.open(sealed, partIndex, blocks)
	if err != nil {
		return err
	}
	c.starts, c.offsets = make([]int, 1, blocks+1), make([]int64, 1, blocks+1)
	c.offsets[0] = int64(changeSetHeader)
	for i := range blocks {
		one := plain[head+8*i:]
		c.starts = append(c.starts, c.starts[i]+int(binary.LittleEndian.Uint32(one)))
		c.offsets = append(c.offsets, c.offsets[i]+int64(binary.LittleEndian.Uint32(one[4:])))
	}
	if uint64(c.Len()) != binary.LittleEndian.Uint64(plain) || c.offsets[blocks] != place {
		return fmt.Errorf("%w: the index does not fit the file", ErrSealed)
	}
	return nil
}
