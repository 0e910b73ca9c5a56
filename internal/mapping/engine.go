package mapping

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	// loadDeadline bounds a script's own top level, which only declares.
	loadDeadline = time.Second
	// callStackSize and registry sizes bound recursion and the values at hand.
	callStackSize    = 200
	registrySize     = 1 << 12
	registryMaxSize  = 1 << 16
	registryGrowStep = 1 << 10
)

// engine is one Lua state with one loaded script. It serves one goroutine.
type engine struct {
	lua    *lua.LState
	script string
	// mapFn and plan are the two forms of a script; it has one of them.
	mapFn   lua.LValue
	plan    *plan
	modules []*module
	context Context
	target  roster.MapTarget
	// literals are the texts that stand in the script itself: an error may show
	// them, because they are not from a record.
	literals map[string]struct{}

	record     lua.LValue
	contextArg lua.LValue
	// contextFields are what contextArg shows.
	contextFields *lua.LTable
	null          *lua.LUserData
	// stopped is what skip and reject raise; ruling is what they decided.
	stopped *lua.LUserData
	ruling  ruling

	// index holds the columns of the page at hand by name. Each other list of
	// columns has a number of its own.
	columns       []string
	columnsNumber int
	index         map[string]int
	// unknown are the names that the script has read on the page at hand and
	// that are no column of it.
	unknown map[string]struct{}
	row     sdk.Row
	club    Club

	patterns matcher
	phones   phoneBook
	layouts  map[string]string
	regexes  map[string]*regex
	tables   map[string]*lookupTable
	// countries are the codes of countries by the keys of their names, made on
	// first use.
	countries map[string]string
	// messages are the forms of the engine's messages, made on first use.
	messages []engineMessage

	// library and methods are the functions of the library, for Lua code and
	// behind the fields of a plan.
	library        []function
	methods        map[string]*lua.LFunction
	expressionMeta *lua.LTable
	// building says that the script is being loaded: parts of a plan are made.
	building bool
	// args holds the arguments of one call from Lua code.
	args []value
	// failed is the error that Lua code in a plan raised; failedLine is the
	// line of a function that failed.
	failed     error
	failedLine int

	// fieldLines are the lines of target fields, for the cases of a script.
	fieldLines map[string]int

	result result
	// records are those of a page whose reply is written, for the next page.
	records []roster.MappedRecord
	// returned are the places at which map returns a table whose names are
	// known; built is what it returns there.
	returned []returned
	built    *lua.LUserData
}

// ruling is what skip or reject decided about a record.
type ruling struct {
	verdict roster.Verdict
	reason  string
	line    int
}

// newEngine loads a script. A fault of the script is a [ScriptError].
func newEngine(ctx context.Context, script Script, c Context, target roster.MapTarget) (*engine, error) {
	proto, err := compile(script)
	if err != nil {
		return nil, err
	}
	e := &engine{
		script: script.Name, context: c, target: target,
		literals: map[string]struct{}{}, unknown: map[string]struct{}{}, layouts: map[string]string{}, regexes: map[string]*regex{}, tables: map[string]*lookupTable{},
	}
	e.result.init(script.Name, target)
	e.lua = lua.NewState(lua.Options{
		SkipOpenLibs: true, CallStackSize: callStackSize,
		RegistrySize: registrySize, RegistryMaxSize: registryMaxSize, RegistryGrowStep: registryGrowStep,
	})
	e.openLibraries()
	collectLiterals(proto, e.literals)
	if err := e.loadTables(script); err != nil {
		e.close()
		return nil, err
	}
	if err := e.loadModules(ctx, script); err != nil {
		e.close()
		return nil, err
	}
	if err := lint(script.Name, proto, e.globals()); err != nil {
		e.close()
		return nil, err
	}
	if script.counter != nil {
		proto, err = script.counter.compile(e, script)
	} else {
		proto = e.shortened(script, proto)
	}
	if err == nil {
		err = e.runTopLevel(ctx, proto)
	}
	if err == nil {
		err = e.placeFields(script)
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *engine) close() { e.lua.Close() }

// runTopLevel runs the script's own statements, which declare its functions.
func (e *engine) runTopLevel(ctx context.Context, proto *lua.FunctionProto) error {
	ctx, cancel := context.WithTimeout(ctx, loadDeadline)
	defer cancel()
	e.lua.SetContext(ctx)
	defer e.lua.RemoveContext()
	e.building = true
	defer func() { e.building = false }()
	e.lua.Push(e.lua.NewFunctionFromProto(proto))
	if err := e.lua.PCall(0, 1, nil); err != nil {
		if ctx.Err() != nil {
			return &ScriptError{
				File: e.script, Message: "the script did not finish loading within " + loadDeadline.String(),
				Hint: "only declare functions and tables outside of `map`",
			}
		}
		text, line := e.describe(err)
		return &ScriptError{
			File: e.script, Line: line, Message: text,
			Hint: "this happened while the script was loaded, before any record was mapped",
		}
	}
	returned := e.lua.Get(-1)
	e.lua.Pop(1)
	return e.takeForm(returned)
}

// takeForm finds out which of the two forms the script has.
func (e *engine) takeForm(returned lua.LValue) error {
	if data, ok := returned.(*lua.LUserData); ok {
		e.plan, _ = data.Value.(*plan)
	}
	e.mapFn = e.lua.GetGlobal("map")
	isFunction := e.mapFn.Type() == lua.LTFunction
	switch {
	case isFunction && e.plan != nil:
		return &ScriptError{
			File: e.script, Message: "the script has a plan and a function `map`, and can be only one of them",
			Hint: "rename the function, and use it in the plan as call(name)",
		}
	case !isFunction && e.plan == nil:
		return &ScriptError{
			File: e.script, Message: "the script neither returns a plan nor has a function `map`",
			Hint: "end it with `return mapping{ first_name = source.first:trim() }`, or add `function map(record, context) ... end`",
		}
	}
	return nil
}

// mapPage maps the rows asked for, in order. It tells progress of each row
// before it begins.
func (e *engine) mapPage(page *sdk.Page, rows rowSet, progress func(row int)) *roster.Mapped {
	e.setColumns(page.Columns)
	e.contextFields.RawSetString("kind", lua.LString(page.Kind))
	e.result.reset()
	clear(e.unknown)
	m := &roster.Mapped{Records: slices.Grow(e.records, max(rows.to-rows.from-len(rows.left), 0))}
	e.records = nil
	for row := rows.from; row < rows.to; row++ {
		if !rows.has(row) {
			continue
		}
		progress(row)
		m.Records = append(m.Records, roster.MappedRecord{Row: row})
		e.mapRow(page.Row(row), &m.Records[len(m.Records)-1])
	}
	m.Fields = slices.Clone(e.result.fields)
	m.Unknown = slices.Sorted(maps.Keys(e.unknown))
	m.Warnings = e.result.warnings
	return m
}

// recycle takes back what mapPage has returned last: the next page takes its place.
func (e *engine) recycle(m *roster.Mapped) {
	const most = 4096 // of records that are kept
	if cap(m.Records) <= most {
		clear(m.Records)
		e.records = m.Records[:0]
	}
	e.result.recycle()
}

// maxUnknown bounds the names that are told of a page.
const maxUnknown = 20

// missed notes a name that is no column. Only a name that stands in the script
// is told: one that was computed may hold a value of the record.
func (e *engine) missed(name string) {
	if _, literal := e.literals[name]; literal && len(e.unknown) < maxUnknown {
		e.unknown[name] = struct{}{}
	}
}

func (e *engine) setColumns(columns []string) {
	if e.index != nil && slices.Equal(columns, e.columns) {
		return
	}
	e.columns = slices.Clone(columns)
	e.columnsNumber++
	e.index = make(map[string]int, len(columns))
	for i, name := range columns {
		e.index[name] = i
	}
}

func (e *engine) mapRow(row sdk.Row, r *roster.MappedRecord) {
	r.ID, r.Position = row.ID(), row.Position()
	club, known := e.context.Clubs[row.Club()]
	e.row, e.club, r.Club = row, club, club.Key
	switch {
	case !known && e.context.ClubsRequired:
		r.Verdict, r.Stage, r.Code = roster.VerdictRejected, roster.StageMap, roster.CodeMapClub
		r.Reason = "the record's club is not one of the connection's clubs"
	case e.plan != nil:
		e.plan.mapRow(e, r)
	default:
		e.callMap(r)
	}
	if r.Verdict == roster.VerdictRejected {
		r.Payload = e.result.payload(e.columns, row)
	}
}

// callMap runs the script for one record and takes its result.
func (e *engine) callMap(r *roster.MappedRecord) {
	l := e.lua
	e.patterns.newRecord()
	l.Push(e.mapFn)
	l.Push(e.record)
	l.Push(e.contextArg)
	if err := l.PCall(2, 2, nil); err != nil {
		e.takeError(err, r)
		return
	}
	value, reason := l.Get(-2), l.Get(-1)
	l.Pop(2)
	if table, ok := value.(*lua.LTable); ok {
		e.result.take(e, table, r)
		return
	}
	if value == lua.LValue(e.built) {
		e.result.finish(e, r)
		return
	}
	if value == lua.LNil {
		r.Verdict, r.Reason = roster.VerdictSkipped, "the script returned no record"
		if text, ok := reason.(lua.LString); ok {
			r.Reason = cutReason(string(text))
		}
		return
	}
	e.result.invalid(r, "map returned a "+value.Type().String()+", not a table of fields")
}

func (e *engine) takeError(err error, r *roster.MappedRecord) {
	if fault, ok := errors.AsType[*lua.ApiError](err); ok && fault.Object == lua.LValue(e.stopped) {
		e.takeRuling(r)
		return
	}
	text, line := e.describe(err)
	r.Verdict, r.Stage, r.Code = roster.VerdictRejected, roster.StageMap, roster.CodeMapError
	r.Line, r.Reason = line, place(e.script, line)+text
}

// takeRuling takes what skip or reject decided.
func (e *engine) takeRuling(r *roster.MappedRecord) {
	r.Verdict, r.Reason, r.Line = e.ruling.verdict, e.ruling.reason, e.ruling.line
	if r.Verdict == roster.VerdictRejected {
		r.Stage, r.Code = roster.StageMap, roster.CodeMapRejected
	}
}

// progressWord is what the worker publishes: the call's sequence number, and
// the row at hand counted from 1.
func progressWord(sequence uint32, row int) uint64 {
	return uint64(sequence)<<32 | uint64(uint32(row+1))
}

// rowsDone stands for the row when every row is mapped.
const rowsDone = int(^uint32(0)>>1) - 1

// progressRow returns the row of a word and whether it belongs to the call.
func progressRow(word uint64, sequence uint32) (int, bool) {
	row := int(uint32(word)) - 1
	return row, uint32(word>>32) == sequence && row >= 0 && row != rowsDone
}
