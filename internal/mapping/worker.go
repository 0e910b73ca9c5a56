package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	// workerGCPercent lets the small heap of a worker grow before it is swept:
	// nearly all of it is garbage after each page. The memory limit still holds.
	workerGCPercent = 400
	// maxGoStack bounds the engine's own recursion, in the parser above all.
	maxGoStack = 64 << 20
	// maxArrayIndex is where a table's keys stop being places of an array, so
	// that t[60000000] = 1 does not fill the memory with empty places.
	maxArrayIndex = 1 << 16
)

// Worker is the main loop of a worker process: it loads the script that the
// first frame brings and maps the pages that follow, until in ends. It serves
// the process that [Options].Command starts:
//
//	err := mapping.Worker(os.Stdin, os.Stdout, os.NewFile(3, "progress"))
//
// Progress is the shared memory in which it publishes the row at hand; without
// it, nil or unusable, the worker does its work all the same. Worker changes
// limits of the whole process, so nothing else may run in it. It returns nil at
// the end of in.
func Worker(in io.Reader, out io.Writer, progress *os.File) error {
	lua.MaxArrayIndex = maxArrayIndex
	debug.SetGCPercent(workerGCPercent)
	debug.SetMaxStack(maxGoStack)
	w := &worker{out: out, progress: mapProgress(progress)}
	// A file that is no progress file belongs to somebody else in the process:
	// it must not be closed when the garbage collector finds it.
	defer runtime.KeepAlive(progress)
	var body []byte
	for {
		var kind byte
		var err error
		kind, body, err = readFrame(in, body)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = w.serve(kind, body)
		}
		if err != nil {
			return fmt.Errorf("mapping worker: %w", err)
		}
		if cap(body) > mostKept {
			body = nil
		}
	}
}

type worker struct {
	out      io.Writer
	progress *uint64
	engine   *engine
	reply    []byte
}

func (w *worker) serve(kind byte, body []byte) error {
	switch {
	case kind == frameLoad && w.engine == nil:
		return w.load(body)
	case kind == framePage && w.engine != nil:
		return w.mapPage(body)
	}
	return fmt.Errorf("%w: unexpected kind %q", errFrame, kind)
}

func (w *worker) load(body []byte) error {
	var request loadRequest
	if err := json.Unmarshal(body, &request); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	if request.MemoryLimit > 0 {
		if err := limitProcess(request.MemoryLimit); err != nil {
			return err
		}
	}
	e, err := newEngine(context.Background(), request.Script, request.Context, request.Target)
	if fault, ok := errors.AsType[*ScriptError](err); ok {
		encoded, err := json.Marshal(fault)
		if err != nil {
			return err
		}
		return writeFrame(w.out, frameFault, encoded)
	}
	if err != nil {
		return err
	}
	w.engine = e
	return writeFrame(w.out, frameLoaded)
}

func (w *worker) mapPage(body []byte) error {
	sequence, rows, page, err := parsePage(body)
	if errors.Is(err, sdk.ErrPage) {
		return writeFrame(w.out, frameRefused, []byte(err.Error()))
	}
	if err != nil {
		return err
	}
	publish := func(row int) {
		if w.progress != nil {
			atomic.StoreUint64(w.progress, progressWord(sequence, row))
		}
	}
	mapped := w.engine.mapPage(page, rows, publish)
	publish(rowsDone)
	w.reply = appendMapped(w.reply[:0], mapped, w.engine.target.Digests != nil)
	w.engine.recycle(mapped)
	return writeFrame(w.out, frameMapped, w.reply)
}
