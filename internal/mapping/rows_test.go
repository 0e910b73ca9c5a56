package mapping_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/mapping"
	"github.com/rosterd/rosterd/internal/roster"
)

func TestRowsOfAPageAreMappedAsInTheWholePage(t *testing.T) {
	t.Parallel()
	page := mapping.BenchPage(t, 40, 3)
	m := loadFor(t, newPool(t, 1), mapping.BenchPlan, mapping.BenchTarget())
	whole := mapOne(t, m, page)
	all := make([]int, page.Rows)
	for i := range all {
		all[i] = i
	}
	for _, rows := range [][]int{{0}, {39}, {0, 39}, {3, 4, 17}, all[1:], all, {}} {
		mapped, err := m.MapRows(t.Context(), page, rows)
		if err != nil || len(mapped.Records) != len(rows) {
			t.Fatalf("%v: %v", rows, err)
		}
		for i, row := range rows {
			if diff := cmp.Diff(whole.Records[row], mapped.Records[i]); diff != "" {
				t.Errorf("%v, row %d: %s", rows, row, diff)
			}
		}
	}
}

func TestARowThatStopsIsNamedByItsPlaceInThePage(t *testing.T) {
	t.Parallel()
	m := load(t, newPool(t, 1), "function map(r) if r.trouble then while true do end end return { first_name = r.name } end")
	page := people(t, 8, map[int]string{2: "not asked for", 5: "x"})
	mapped, err := m.MapRows(t.Context(), page, []int{1, 5, 7})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range mapped.Records {
		got = append(got, fmt.Sprint(r.Row, " ", r.ID, " ", r.Code))
	}
	want := []string{"1 m-1 ", "5 m-5 " + roster.CodeMapStopped, "7 m-7 "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRowsThatThePageDoesNotHaveAreRefused(t *testing.T) {
	t.Parallel()
	m := load(t, newPool(t, 1), "function map(r) return { first_name = r.name } end")
	for _, rows := range [][]int{{-1}, {3}, {1, 1}, {2, 0}} {
		if _, err := m.MapRows(t.Context(), people(t, 3, nil), rows); !errors.Is(err, roster.ErrInvalid) {
			t.Errorf("%v: %v", rows, err)
		}
	}
}
