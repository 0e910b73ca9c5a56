package adapters_test

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func itoa(n int) string { return strconv.Itoa(n) }

// exhaust lets an adapter end until it is parked.
func exhaust(t *testing.T, c *adapters.Conn) error {
	t.Helper()
	var err error
	await(t, "the adapter to be parked", func() bool {
		_, err = c.Read(t.Context(), members)
		return errors.Is(err, adapters.ErrParked)
	})
	return err
}

func TestAnAdapterThatEndsTooOftenIsParked(t *testing.T) {
	t.Parallel()
	dir := copies(t, "fake")
	var log logged
	h := newHost(t, func(o *adapters.Options) {
		o.Dir, o.Pause, o.Budget, o.Logger = dir, time.Nanosecond, 3, log.logger()
	}, "other")
	c := open(t, h, connection("fake", "crash"))
	err := exhaust(t, c)
	wantClass(t, err, sdk.ClassFail)
	for _, want := range []string{"ended 3 times within 10m", "exit status 9", "Mend the cause"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if n := strings.Count(log.String(), "adapter started"); n != 3 {
		t.Errorf("%d starts", n)
	}
	// Everything about it fails at once, and it is not started.
	if _, err := h.Describe(t.Context(), "fake"); !errors.Is(err, adapters.ErrParked) {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "adapter started"); n != 3 {
		t.Errorf("%d starts", n)
	}
	replaceSelf(t, filepath.Join(dir, "fake"), "corrected")
	if _, err := h.Open(t.Context(), connection("fake", "")); err != nil {
		t.Error("the replaced program was not tried:", err)
	}
}

func TestAParkedAdapterIsTriedAgainWhenAPersonSaysSo(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) { o.Pause, o.Budget = time.Nanosecond, 2 }, "fake")
	exhaustErr := exhaust(t, open(t, h, connection("fake", "crash")))
	if exhaustErr == nil {
		t.Fatal("not parked")
	}
	h.Unpark("fake")
	if _, err := h.Open(t.Context(), connection("fake", "")); err != nil {
		t.Error(err)
	}
}

func TestEndsOfLongAgoDoNotPark(t *testing.T) {
	t.Parallel()
	var hours atomic.Int64
	now := func() time.Time { return time.Unix(1000, 0).Add(time.Duration(hours.Load()) * time.Hour) }
	h := newHost(t, func(o *adapters.Options) { o.Now, o.Budget = now, 3 }, "fake")
	c := open(t, h, connection("fake", "crash"))
	// An end may be noted in its hour or in the next.
	for range 6 {
		_, err := c.Read(t.Context(), members)
		wantClass(t, err, sdk.ClassRetry)
		if !errors.Is(err, adapters.ErrCrashed) {
			t.Fatal(err)
		}
		hours.Add(1)
	}
}

func TestAParkedAdapterStopsNoOther(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *adapters.Options) { o.Pause, o.Budget = time.Nanosecond, 2 }, "fake", "other")
	good := open(t, h, connection("other", ""))
	pid := valuesOf(good)[0]
	if err := exhaust(t, open(t, h, connection("fake", "crash"))); err == nil {
		t.Fatal("not parked")
	}
	if valuesOf(good)[0] != pid {
		t.Error("the other process was replaced")
	}
}

func TestTheListLeavesNothingRunningThatHasNoConnection(t *testing.T) {
	t.Parallel()
	var log logged
	h := newHost(t, func(o *adapters.Options) { o.Logger = log.logger() }, "fake", "other")
	c := open(t, h, connection("fake", ""))
	pid := valuesOf(c)[0]
	if _, err := h.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the other's end", func() bool { return strings.Contains(log.String(), `msg="adapter stopped" adapter=other`) })
	if valuesOf(c)[0] != pid {
		t.Error("a process with a connection was stopped")
	}
	// What is known of a program is not asked twice.
	if _, err := h.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "adapter started"); n != 2 {
		t.Errorf("%d starts", n)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of "+pid, func() bool { return gone(pid) })
}
