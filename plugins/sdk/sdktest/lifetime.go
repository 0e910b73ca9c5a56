package sdktest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

func lifetimeChecks() []check {
	return []check{
		{"close/again", "let connections be opened and closed any number of times, and be independent of each other", reopens},
		{"close/goroutines", "end in Close every goroutine that the connection started, and wait for them", goroutinesEnd},
		{"stdout", "log with sdk.Connection.Logger; the standard output belongs to the protocol", printsNothing},
	}
}

// reopens closes one of two connections and uses the other.
func reopens(p *probe) error {
	for range 3 {
		if _, err := p.connect(); err != nil {
			return err
		}
	}
	last := p.open[len(p.open)-1]
	check := func() error {
		if !contains(last, sdk.AbilityChecker) {
			return nil
		}
		_, err := call(p.ctx, "check", p.c.Patience, func(ctx context.Context) (struct{}, error) { return struct{}{}, callCheck(ctx, last) })
		return err
	}
	well := check() == nil
	p.open = p.open[:len(p.open)-1]
	if err := p.closeAll(); err != nil {
		return err
	}
	p.open = append(p.open, last)
	if err := check(); well && err != nil {
		return fmt.Errorf("another connection was closed: %w", err)
	}
	return nil
}

func contains(o Opened, a sdk.Ability) bool {
	_, err := abilityOf[any](o, a)
	return err == nil
}

// exercise makes a call of every kind, those that write only where the case
// lets it. What they answer is for other checks.
func (p *probe) exercise(ctx context.Context) error {
	s, stop, err := p.way.reach()
	if err != nil {
		return err
	}
	defer stop()
	lone := &probe{ctx: ctx, way: p.way, subject: s, c: p.c}
	o, err := lone.connect()
	if err != nil {
		return err
	}
	lone.uses(ctx, o)
	if p.c.Fault != nil {
		restore := p.c.Fault()
		lone.uses(ctx, o)
		restore()
	}
	return lone.closeAll()
}

// uses calls what the connection can do, and ignores what comes of it.
func (p *probe) uses(ctx context.Context, o Opened) {
	info, err := p.describe()
	if err != nil {
		return
	}
	if v, ok := o.Value.(sdk.Source); ok && contains(o, sdk.AbilitySource) {
		for _, k := range info.Kinds {
			r := reader{p: p, source: v, info: k}
			_, _ = r.walk(nil, behindLimit, p.c.MaxRecords)
			// Left in the middle of a walk, as a run that was cancelled does.
			_, _ = r.read(ctx, nil, 1)
			_, _ = r.read(ctx, sdk.Cursor("\xff"), 1)
		}
	}
	writer{p: p, opened: o}.lookUp(ctx)
	if p.c.Write == nil {
		return
	}
	if w, err := p.writer(); err == nil {
		_, _ = w.write(ctx, w.creates(2)...)
	}
}

func identify(ctx context.Context, o Opened) error {
	v, err := abilityOf[sdk.ImportStarter](o, sdk.AbilityImportStarter)
	if err != nil {
		return err
	}
	_, err = v.ImportIdentity(ctx)
	return err
}

// goroutinesEnd marks the goroutines that come of a connection with a profiler
// label, which a goroutine hands on to those that it starts: nothing else in
// the process is taken for a leak.
func goroutinesEnd(p *probe) error {
	if !p.way.inProcess {
		return leftOutError("goroutines can be seen from inside the process only: call sdktest.Run in a test of the adapter")
	}
	const key = "rosterd_sdktest"
	mark := fmt.Sprintf("%s %p", p.way.name, p)
	var err error
	pprof.Do(p.ctx, pprof.Labels(key, mark), func(ctx context.Context) { err = p.exercise(ctx) })
	if err != nil {
		return err
	}
	label := fmt.Sprintf("%q:%q", key, mark)
	var left string
	for end := time.Now().Add(p.c.Patience); ; time.Sleep(5 * time.Millisecond) {
		if left = labelled(label); left == "" {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("goroutines are left %s after the connection was closed:\n%s", p.c.Patience, left)
		}
	}
}

// labelled returns the stacks of the goroutines with a label.
func labelled(label string) string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return err.Error()
	}
	var found []string
	for block := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(block, label) {
			found = append(found, block)
		}
	}
	return strings.Join(found, "\n\n")
}

// printsNothing catches what is written to os.Stdout meanwhile.
func printsNothing(p *probe) error {
	if !p.way.inProcess {
		return leftOutError("rosterd turns what the program prints into log lines: call sdktest.Run in a test of the adapter")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("catch the standard output: %w", err)
	}
	printed := make(chan []byte, 1)
	go func() {
		text, _ := io.ReadAll(r) // ends when w is closed
		printed <- text
	}()
	before := os.Stdout
	os.Stdout = w
	err = p.exercise(p.ctx)
	os.Stdout = before
	_ = w.Close() // nothing is buffered
	text := <-printed
	_ = r.Close() // only read from
	if err != nil {
		return err
	}
	if len(text) > 0 {
		return fmt.Errorf("%d bytes were printed to the standard output", len(text))
	}
	return nil
}
