package pipeline

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// slow is a store whose closings end when they are let go, and a target that notes
// what is written meanwhile.
type slow struct {
	*costs

	// began is told of every closing and of every write, in their order.
	began chan string
	// goes lets a closing end, with an error or without.
	goes chan error
	// prospect is the source of a prospect that is linked.
	prospect string
}

func (s *slow) Standings(_ context.Context, route roster.Route, sources []string) ([]roster.Standing, error) {
	standings := make([]roster.Standing, len(sources))
	for i, source := range sources {
		if route.Kind == sdk.KindProspect && source == s.prospect {
			standings[i].Link = roster.Link{Source: source, Target: "p1", Version: 1}
		}
	}
	return standings, nil
}

func (s *slow) CloseLinks(_ context.Context, c roster.Closing) (roster.Closed, error) {
	s.began <- "store"
	if err := <-s.goes; err != nil {
		return roster.Closed{}, err
	}
	run := &roster.Run{}
	return roster.Closed{}, c.Update(run, roster.Closed{})
}

// newSlow is a delivery of creates of these records, one a batch.
func newSlow(t *testing.T, class sdk.GuaranteeClass, sources ...string) (*slow, *writing) {
	t.Helper()
	c := newCosts(t)
	w := c.writing()
	c.entries = nil
	for _, source := range sources {
		create := costlyChange()
		create.source = source
		c.entries = append(c.entries, create.append(nil))
	}
	s := &slow{costs: c, began: make(chan string, 10), goes: make(chan error)}
	c.sync.Links, c.sync.Intents = s, s
	target := c.sync.Target[sdk.KindMember]
	target.Class, target.Batch = class, 1
	c.sync.Target[sdk.KindMember] = target
	write := c.sync.Write
	c.sync.Write = func(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
		s.began <- "write"
		return write(ctx, req)
	}
	return s, w
}

func (s *slow) Arm(_ context.Context, intents []roster.Intent) ([]roster.Standing, error) {
	return make([]roster.Standing, len(intents)), nil
}

// begins is what began until so many writes or closings have.
func (s *slow) begins(n int) []string {
	var all []string
	for range n {
		all = append(all, <-s.began)
	}
	return all
}

func deliverAll(t *testing.T, w *writing) <-chan error {
	t.Helper()
	over := make(chan error, 1)
	go func() { over <- w.all(t.Context()) }()
	return over
}

func TestABatchIsSentWhileTheOneBeforeIsStored(t *testing.T) {
	s, w := newSlow(t, sdk.ClassB, "m1", "m2", "m3")
	over := deliverAll(t, w)
	// The second is written, and no closing has ended.
	if got := s.begins(3); got[0] != "write" || !slices.Contains(got[1:], "store") || !slices.Contains(got[1:], "write") {
		t.Fatal(got)
	}
	for range 3 {
		s.goes <- nil
	}
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	if *w.counts.Created != 3 {
		t.Errorf("%d are counted", *w.counts.Created)
	}
}

func TestABatchWithARecordOfTheOneBeforeWaitsUntilThatIsStored(t *testing.T) {
	s, w := newSlow(t, sdk.ClassB, "m1", "m1")
	over := deliverAll(t, w)
	if got := s.begins(2); !slices.Equal(got, []string{"write", "store"}) {
		t.Fatal(got)
	}
	select {
	case what := <-s.began:
		t.Fatalf("a %s began while the first form was being stored", what)
	case s.goes <- nil:
	}
	if got := s.begins(2); !slices.Equal(got, []string{"write", "store"}) {
		t.Fatal(got)
	}
	s.goes <- nil
	if err := <-over; err != nil {
		t.Fatal(err)
	}
}

func TestNoCreateThatIsArmedIsSentBeforeTheOnesBeforeItAreStored(t *testing.T) {
	for _, class := range []sdk.GuaranteeClass{sdk.ClassA, sdk.ClassBPrime, sdk.ClassC, sdk.ClassD, sdk.ClassE} {
		s, w := newSlow(t, class, "m1", "m2")
		over := deliverAll(t, w)
		for range 2 {
			if got := s.begins(2); !slices.Equal(got, []string{"write", "store"}) {
				t.Fatal(class, got)
			}
			s.goes <- nil
		}
		if err := <-over; err != nil {
			t.Fatal(class, err)
		}
	}
}

func TestNoConversionIsSentBeforeTheBatchBeforeItIsStored(t *testing.T) {
	s, w := newSlow(t, sdk.ClassB, "m1", "m2")
	target := s.sync.Target[sdk.KindMember]
	target.Writes = append(target.Writes, sdk.OpConvert)
	s.sync.Target[sdk.KindMember], s.prospect = target, "m2"
	over := deliverAll(t, w)
	if got := s.begins(2); !slices.Equal(got, []string{"write", "store"}) {
		t.Fatal(got)
	}
	select {
	case what := <-s.began:
		t.Fatalf("a %s began while the batch before was being stored", what)
	case s.goes <- nil:
	}
	s.begins(2) // the conversion
	if got := s.begins(1); !slices.Equal(got, []string{"store"}) {
		t.Fatal(got) // of the update that follows on it
	}
	s.goes <- nil
	if err := <-over; err != nil {
		t.Fatal(err)
	}
}

func TestARunWhoseOutcomesCannotBeStoredEndsAndStoresNoneBehindThem(t *testing.T) {
	s, w := newSlow(t, sdk.ClassB, "m1", "m2", "m3")
	over := deliverAll(t, w)
	s.begins(3)
	full := errors.New("the disk is full")
	s.goes <- full
	if err := <-over; !errors.Is(err, full) {
		t.Fatal(err)
	}
	select {
	case what := <-s.began:
		t.Errorf("a %s began after the failure", what)
	default:
	}
	if w.counts.Created != nil {
		t.Errorf("%d are counted", *w.counts.Created)
	}
}
