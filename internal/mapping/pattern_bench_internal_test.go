package mapping

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// BenchmarkStringFunctions measures calls of a script, a thousand in a loop,
// with the engine's own functions and with those that scripts get.
func BenchmarkStringFunctions(b *testing.B) {
	own := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer own.Close()
	lua.OpenBase(own)
	lua.OpenString(own)
	e := benchEngine(b, BenchSource)
	for _, call := range []string{
		`s:find("@", 1, true)`, `s:find("%s", 5)`, `s:match("^%s*(.-)%s*$")`, `s:match("([%w.]+)@([%w.]+)")`, `s:gsub("%s+", " ")`, `s:gsub("^%s+", "")`,
	} {
		source := `local s = "  Anne-Marie.O'Neil+gym@example.com " return function() for i = 1, 1000 do local a, b = ` + call + ` end end`
		for name, l := range map[string]*lua.LState{"engine": own, "ours": e.lua} {
			b.Run(call+"/"+name, func(b *testing.B) {
				chunk, err := l.LoadString(source)
				if err != nil {
					b.Fatal(err)
				}
				l.Push(chunk)
				l.Call(0, 1)
				fn := l.Get(-1)
				l.Pop(1)
				b.ReportAllocs()
				for b.Loop() {
					e.patterns.newRecord()
					l.Push(fn)
					l.Call(0, 0)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/call")
			})
		}
	}
}
