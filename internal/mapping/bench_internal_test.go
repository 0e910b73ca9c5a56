package mapping

import (
	"testing"
)

func BenchmarkPhoneLibrary(b *testing.B) {
	for b.Loop() {
		parsePhone("(416) 555-0123", "CA")
	}
}

func BenchmarkTitle(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		titleName("ANNE-MARIE")
	}
}

func BenchmarkEmail(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		normalizeEmail(" Anne.12@Example.COM")
	}
}

func BenchmarkEngine(b *testing.B) {
	e, page := benchEngine(b)
	defer e.close()
	b.ReportAllocs()
	for b.Loop() {
		e.mapPage(page, rowSet{to: page.Rows}, func(int) {})
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*page.Rows), "µs/record")
}
