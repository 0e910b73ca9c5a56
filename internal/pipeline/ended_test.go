package pipeline_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/pipeline"
	"github.com/rosterd/rosterd/internal/roster"
)

func TestEachEndOfARunIsToldOnceAndAsItIsStored(t *testing.T) {
	for name, x := range map[string]struct {
		ids     []string
		deliver func(context.Context, roster.Run, func(int)) (pipeline.Delivery, error)
		want    roster.RunState
	}{
		"ok":      {ids: []string{"a", "b"}, want: roster.RunOK},
		"blocked": {want: roster.RunBlocked},
		"failed": {ids: []string{"a"}, want: roster.RunFailed, deliver: func(context.Context, roster.Run, func(int)) (pipeline.Delivery, error) {
			return pipeline.Delivery{}, &roster.Fault{Code: "export.changed", Message: "another business"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newMemory(), x.ids...)
			if x.deliver != nil {
				w.deliver = x.deliver
			}
			var told []roster.Run
			w.Ended = func(run roster.Run) { told = append(told, run) }
			stored := w.run(t)
			w.Stop()
			if len(told) != 1 || told[0].State != x.want {
				t.Fatalf("told %+v, want one run that is %s", told, x.want)
			}
			if diff := cmp.Diff(told[0], stored); diff != "" {
				t.Errorf("told (-) and stored (+) differ:\n%s", diff)
			}
		})
	}
}
