package adapters

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/wire"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// lookEvery is how often a running process's paths are looked at.
const lookEvery = time.Second

// access is what one process was let through to when it was started. Landlock
// lets files through, not names: a process with a file that was replaced has to
// be replaced as well, and so has one that lacks a path.
type access struct {
	confined bool
	grants   []grant

	mu sync.Mutex
	// places are the paths with the files that they led to at the start.
	places map[string]place
	looked time.Time
}

// place is a file whatever its content; zero for none.
type place struct{ device, inode uint64 }

func placeOf(path string) place {
	id := identify(os.Stat(path))
	return place{device: id.device, inode: id.inode}
}

// accessOf collects what the seat's next process is let through to: what all
// configured connections name, and all that were opened. It is nothing as long
// as the adapter did not describe itself, which says what in the settings is a
// path.
func (h *Host) accessOf(s *seat, is fileID) *access {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried = is
	a := &access{confined: h.confined, places: map[string]place{}, looked: h.opt.Now()}
	if !h.confined {
		return a
	}
	if s.learned.is == is && h.opt.Connections != nil {
		for _, conn := range h.opt.Connections(s.learned.info) {
			// What is wrong with one connection is told when that is opened.
			if grants, err := h.grantsOf(conn, s.learned.info.Settings); err == nil {
				a.grants = append(a.grants, grants...)
			}
		}
	}
	for _, grants := range s.named {
		a.grants = append(a.grants, grants...)
	}
	slices.SortFunc(a.grants, func(x, y grant) int { return cmp.Or(cmp.Compare(x.path, y.path), compareBool(x.write, y.write)) })
	a.grants = slices.Compact(a.grants)
	for _, g := range a.grants {
		a.places[g.path] = placeOf(g.path)
	}
	for _, path := range systemFiles() {
		a.places[path] = placeOf(path)
	}
	return a
}

func compareBool(a, b bool) int {
	if a == b {
		return 0
	}
	if a {
		return 1
	}
	return -1
}

// orders are those for the keeper of a process with the folder dir.
func (a *access) orders(program, dir string) orders {
	o := orders{Program: program, Confine: a.confined, Write: []string{dir}}
	for _, key := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		o.Read = append(o.Read, filepath.SplitList(os.Getenv(key))...) //nolint:forbidigo // Passed on to the adapter as well.
	}
	for _, g := range a.grants {
		if g.write {
			o.Write = append(o.Write, g.path)
		} else {
			o.Read = append(o.Read, g.path)
		}
	}
	return o
}

// covers reports whether the process is let through to grants.
func (a *access) covers(grants []grant) bool {
	return !a.confined || !slices.ContainsFunc(grants, func(g grant) bool { return !slices.Contains(a.grants, g) })
}

// replaced reports whether a path leads to another file than at the start. That
// one is gone is for the adapter to say.
func (a *access) replaced() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for path, was := range a.places {
		if is := placeOf(path); is != was && is != (place{}) {
			return true
		}
	}
	return false
}

// due reports whether it is time to look at the paths again.
func (a *access) due(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.looked) < lookEvery {
		return false
	}
	a.looked = now
	return true
}

// outdated finds out from time to time whether a process lacks what it should
// be let through to, and retires one that does.
func (h *Host) outdated(inst *instance) bool {
	if !inst.access.due(h.opt.Now()) || !inst.access.replaced() {
		return false
	}
	h.renew(inst)
	return true
}

// excuse makes an adapter's error one that is worth another try when a file was
// replaced: the process could not open it, and the next one can.
func (h *Host) excuse(inst *instance, err error) error {
	if err == nil || !wire.FromAdapter(err) || !inst.access.replaced() {
		return err
	}
	h.renew(inst)
	return &sdk.Error{Class: sdk.ClassRetry, Code: sdk.CodeChanged, Err: fmt.Errorf("a file was replaced meanwhile: %w", err)}
}

// fit returns a process that is let through to what a connection names. The
// caller has entered it.
func (h *Host) fit(ctx context.Context, conn roster.Connection) (*instance, error) {
	for {
		inst, err := h.running(ctx, conn.Adapter)
		if err != nil {
			return nil, err
		}
		grants, err := h.grantsOf(conn, inst.info.Settings)
		if err != nil {
			return nil, sdk.Fail(sdk.CodeConfig, err)
		}
		if !inst.access.covers(grants) || h.outdated(inst) {
			h.name(conn, grants)
			h.renew(inst)
			continue
		}
		if inst.enter() {
			return inst, nil
		}
	}
}

// name keeps what a connection's settings name for the starts to come.
func (h *Host) name(conn roster.Connection, grants []grant) {
	h.withSeat(conn.Adapter, func(s *seat) { s.named[conn.Ref] = grants })
}

// count counts the open connections of an adapter.
func (h *Host) count(adapter string, by int) {
	h.withSeat(adapter, func(s *seat) { s.conns += by })
}

// renew retires a process, so that the next call starts another.
func (h *Host) renew(inst *instance) {
	h.withSeat(inst.proc.name, func(s *seat) {
		if s.inst == inst {
			h.retire(s)
		}
	})
}

// release retires the process of an adapter without open connections.
func (h *Host) release(adapter string) {
	h.withSeat(adapter, func(s *seat) {
		if s.inst != nil && s.conns == 0 {
			h.retire(s)
		}
	})
}

// Unpark lets a parked adapter be started again. It is nothing for one that is
// not parked.
func (h *Host) Unpark(adapter string) {
	h.withSeat(adapter, (*seat).release)
}

// withSeat calls f with an adapter's seat, both locked, while the host is open.
func (h *Host) withSeat(adapter string, f func(*seat)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.seats[adapter]
	if s == nil || h.closed {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// retire empties a seat whose process is well: calls under way are finished,
// then it is stopped. The seat and the host are locked.
func (h *Host) retire(s *seat) {
	inst := s.inst
	s.inst = nil
	inst.retire()
	h.work.Go(func() {
		limit := time.NewTimer(h.opt.CallTimeout)
		defer limit.Stop()
		select {
		case <-inst.idle:
		case <-inst.proc.exited:
			return
		case <-limit.C:
		case <-h.ctx.Done():
		}
		inst.stop(h.opt.StopTimeout, h.opt.StopTimeout)
	})
}

// learn returns what is known of an adapter, starting it where that is not
// enough.
func (h *Host) learn(ctx context.Context, name string) (learned, error) {
	var known learned
	h.withSeat(name, func(s *seat) {
		if s.inst != nil && s.inst.proc.alive() {
			known = s.inst.learned()
			return
		}
		if !s.parked {
			known = s.learned
		}
	})
	path := filepath.Join(h.opt.Dir, name)
	if known.is != (fileID{}) && known.is == identify(os.Stat(path)) {
		if err := checkPin(h.opt.Lock, name, path, known.pin.SHA256); err != nil {
			return learned{}, sdk.Fail(sdk.CodeConfig, err)
		}
		return known, nil
	}
	inst, err := h.running(ctx, name)
	if err != nil {
		return learned{}, err
	}
	return inst.learned(), nil
}

// learned is what a ready process said of itself.
func (i *instance) learned() learned {
	p := i.proc.program
	return learned{
		info: i.info, is: p.is,
		pin: Pin{Name: p.name, Version: i.info.Version, Protocol: wire.ProtocolVersion, SHA256: p.sum},
	}
}
