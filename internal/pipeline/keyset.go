package pipeline

import (
	"hash/maphash"
	"math/bits"
)

// keySet remembers the keys of a run, which may be millions, by 96 bits of hash:
// two different keys of a million meet once in 10^17 runs. It takes some 20 bytes
// a key, where a map of the hashes takes 40 and one of the texts 100.
type keySet struct {
	seeds  [2]maphash.Seed
	shards []keyShard
}

// keyShard is a table that is grown by itself, so that growing copies little at
// a time. A key stands at the place of its hash or behind it, before the next
// empty place; a place with two zeros is empty.
type keyShard struct {
	high []uint64
	low  []uint32
	used int
}

const (
	// shardBits of a hash choose the shard.
	shardBits = 10
	// smallestShard is the size of a shard with one key.
	smallestShard = 16
)

func newKeySet() keySet {
	return keySet{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, shards: make([]keyShard, 1<<shardBits)}
}

// add reports whether key was not there yet.
func (s keySet) add(key string) bool {
	high, low := s.hash(key)
	shard := &s.shards[high>>(64-shardBits)]
	if 4*(shard.used+1) > 3*len(shard.high) {
		shard.grow()
	}
	return shard.add(high, low)
}

func (s keySet) hash(key string) (high uint64, low uint32) {
	high, low = maphash.String(s.seeds[0], key), uint32(maphash.String(s.seeds[1], key))
	if high == 0 && low == 0 {
		low = 1
	}
	return high, low
}

func (t *keyShard) add(high uint64, low uint32) bool {
	i, there := t.find(high, low)
	if !there {
		t.high[i], t.low[i] = high, low
		t.used++
	}
	return !there
}

// find returns where a hash stands, or where it would stand.
func (t *keyShard) find(high uint64, low uint32) (i int, there bool) {
	// The bits behind those of the shard, scaled to the size of the table.
	place, _ := bits.Mul64(high<<shardBits, uint64(len(t.high)))
	for i = int(place); ; i++ {
		if i == len(t.high) {
			i = 0
		}
		switch {
		case t.high[i] == 0 && t.low[i] == 0:
			return i, false
		case t.high[i] == high && t.low[i] == low:
			return i, true
		}
	}
}

// has reports whether key is there.
func (s keySet) has(key string) bool {
	high, low := s.hash(key)
	shard := &s.shards[high>>(64-shardBits)]
	if len(shard.high) == 0 {
		return false
	}
	_, there := shard.find(high, low)
	return there
}

func (t *keyShard) grow() {
	size := max(smallestShard, len(t.high)*3/2)
	larger := keyShard{high: make([]uint64, size), low: make([]uint32, size)}
	for i, high := range t.high {
		if high != 0 || t.low[i] != 0 {
			larger.add(high, t.low[i])
		}
	}
	*t = larger
}
