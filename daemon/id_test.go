package main

import (
	"testing"
	"time"
)

func TestIdsOfOneSecondSortByTime(t *testing.T) {
	base := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	before := newID(base)
	for at := time.Duration(0); at < 2*time.Second; at += 1237 * time.Microsecond {
		id := newID(base.Add(at + 2*time.Microsecond))
		if id <= before || len(id) != len(before) {
			t.Fatalf("%s is made after %s", id, before)
		}
		before = id
	}
}
