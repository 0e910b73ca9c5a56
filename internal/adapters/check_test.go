package adapters_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/rosterd/rosterd/internal/adapters"
)

func TestACheckFindsWhatKeepsAnAdapterFromStarting(t *testing.T) {
	dir := copies(t, "good", "changed")
	pins := lock(t, dir)
	h := newHost(t, func(o *adapters.Options) { o.Dir, o.Lock = dir, pins })
	replaceSelf(t, filepath.Join(dir, "changed"), "x")
	if err := h.Check("good"); err != nil {
		t.Error(err)
	}
	if err := h.Check("changed"); !errors.Is(err, adapters.ErrPin) {
		t.Errorf("a program that is not the pinned one: %v", err)
	}
	if err := h.Check("missing"); !errors.Is(err, adapters.ErrNotInstalled) {
		t.Errorf("a program that is not there: %v", err)
	}
}
