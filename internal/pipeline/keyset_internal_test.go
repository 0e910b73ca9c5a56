package pipeline

import (
	"strconv"
	"testing"
)

func TestAKeyIsNewOnceOnly(t *testing.T) {
	t.Parallel()
	const n = 100_000
	s := newKeySet()
	for range 2 {
		fresh := 0
		for i := range n {
			if s.add(strconv.Itoa(i)) {
				fresh++
			}
		}
		if used := used(s); used != n || fresh != n && fresh != 0 {
			t.Fatalf("%d keys are there and %d were new, want %d each, and none the second time", used, fresh, n)
		}
	}
}

func TestAShardFindsKeysAroundItsEnd(t *testing.T) {
	t.Parallel()
	var shard keyShard
	shard.grow()
	last := ^uint64(0) >> shardBits
	for i := range uint32(8) {
		if !shard.add(last, i) || shard.add(last, i) {
			t.Fatalf("key %d is not new once", i)
		}
	}
	shard.grow()
	for i := range uint32(8) {
		if shard.add(last, i) {
			t.Errorf("key %d is not found after the table has grown", i)
		}
	}
	if !shard.add(0, 1) || shard.add(0, 1) {
		t.Error("a hash that is nearly zero is not new once")
	}
}

func used(s keySet) int {
	n := 0
	for _, shard := range s.shards {
		n += shard.used
	}
	return n
}

func BenchmarkAKey(b *testing.B) {
	keys := make([]string, 1_000_000)
	for i := range keys {
		keys[i] = "m" + strconv.Itoa(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := newKeySet()
		for _, key := range keys {
			s.add(key)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(keys)), "ns/key")
}
