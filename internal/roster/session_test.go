package roster_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/roster"
)

func TestServedRangesStayAscendingAndDisjoint(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var ranges []roster.Range
		want := map[int]bool{}
		for range 20 {
			from := random.IntN(40)
			r := roster.Range{From: from, To: from + random.IntN(6)}
			ranges = roster.AddRange(ranges, r)
			for i := r.From; i < r.To; i++ {
				want[i] = true
			}
		}
		got := map[int]bool{}
		end := -1
		for _, r := range ranges {
			if r.From <= end || r.From >= r.To {
				t.Fatalf("not ascending and disjoint: %v", ranges)
			}
			end = r.To
			for i := r.From; i < r.To; i++ {
				got[i] = true
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("numbers in %v (-want +got):\n%s", ranges, diff)
		}
		if n := (roster.Session{Served: ranges}).ServedCount(); n != len(want) {
			t.Fatalf("served %d, want %d", n, len(want))
		}
	}
}

func TestASecretIsShownInNoForm(t *testing.T) {
	secret := roster.NewSecret("s3cret-token")
	holder := struct{ Token roster.Secret }{secret}
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("opened", "token", secret, "all", holder)
	for _, shown := range []string{
		fmt.Sprint(secret), fmt.Sprintf("%v %+v %#v %s %q", holder, holder, holder, secret, secret), string(encoded), log.String(),
	} {
		if strings.Contains(shown, "s3cret") {
			t.Errorf("shown in %s", shown)
		}
	}
	if secret.Reveal() != "s3cret-token" {
		t.Error("Reveal does not return it")
	}
}

func TestAFieldSetHoldsEveryPosition(t *testing.T) {
	var set, other roster.FieldSet
	for i := 0; i < roster.MaxFields; i += 3 {
		set.Add(i)
	}
	other.Add(1)
	set.Union(other)
	for i := range roster.MaxFields {
		if got, want := set.Has(i), i%3 == 0 || i == 1; got != want {
			t.Errorf("position %d: got %t, want %t", i, got, want)
		}
	}
}
