package bolt

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rosterd/rosterd/internal/digest"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

func someRow() linkRow {
	return linkRow{
		back: []byte("t1"), by: []byte("r1"), origin: 2, version: 300, made: 1, changed: -2,
		halves: [directions]linkHalf{
			{row: 1, mapping: 2, sum: digest.Sum{Lo: 3, Hi: 4}, seen: 5, gone: true, shape: 6, shorts: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
			{row: 5, seen: 1, open: true},
		},
	}
}

func TestALinkIsUnpackedAsItWasPacked(t *testing.T) {
	row, got := someRow(), linkRow{}
	if err := got.decode(row.append(nil)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(row, got, cmp.AllowUnexported(linkRow{}, linkHalf{}), cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
}

func TestWhatIsNoPackedRowIsAnErrorAndNoPanic(t *testing.T) {
	row := someRow()
	intent := newIntentRow(&roster.Intent{Run: "r1", Entry: 300, Attempt: 1, Reason: "none"}, stateParked, "acme/x")
	unpack := map[string]func(raw []byte) error{
		"link":    func(raw []byte) error { return new(linkRow).decode(raw) },
		"intent":  func(raw []byte) error { _, err := unpackIntent(raw); return err },
		"parked":  func(raw []byte) error { _, _, err := unpackParked(raw); return err },
		"history": func(raw []byte) error { _, err := unpackEvents(raw); return err },
	}
	good := map[string][]byte{
		"link": row.append(nil), "intent": intent.pack(),
		"parked":  (&parkedRow{job: "j", name: "a b member", mark: '>', source: "s"}).pack(),
		"history": packEvents([]roster.LinkEvent{{What: "created", Source: "a", Target: "b"}}),
	}
	random := rand.New(rand.NewPCG(1, 2))
	for name, open := range unpack {
		raw := good[name]
		if err := open(raw); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for cut := 1; cut < len(raw); cut++ {
			if err := open(raw[:cut]); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%s of %d bytes of %d: got error %v", name, cut, len(raw), err)
			}
		}
		for range 10_000 {
			noise := append([]byte(nil), raw...)
			for range 1 + random.IntN(4) {
				noise[random.IntN(len(noise))] = byte(random.Uint32())
			}
			if err := open(noise); err != nil && !errors.Is(err, store.ErrDamaged) {
				t.Fatalf("%s: got error %v", name, err)
			}
		}
	}
}

func TestOnlyReadersThatBeganBeforeAreWaitedFor(t *testing.T) {
	var r readers
	over, cancel := context.WithCancel(t.Context())
	cancel()
	early := r.begin()
	if err := r.wait(over); err == nil {
		t.Error("a reader is not waited for")
	}
	late := r.begin()
	waited := make(chan error, 1)
	go func() { waited <- r.wait(t.Context()) }()
	r.end(early)
	r.end(late)
	if err := <-waited; err != nil {
		t.Error(err)
	}
	r.begin()
	r.age++
	after := r.begin()
	r.end(after)
	if len(r.open) != 1 {
		t.Errorf("open: %v", r.open)
	}
}
