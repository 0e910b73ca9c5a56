package mapping

import (
	"slices"
	"strings"
)

// similar returns the name that somebody may have meant, or nothing: one that
// is equal but for case and separators, else the nearest by edits, at most one
// for a short name and two for a long one.
func similar(name string, names []string) string {
	bare := bareName(name)
	best, distance := "", 2
	switch {
	case len(name) < 3:
		distance = 1
	case len(name) > 5:
		distance = 3
	}
	for _, candidate := range slices.Sorted(slices.Values(names)) {
		if bareName(candidate) == bare {
			return candidate
		}
		if d := edits(name, candidate); d < distance && d < len(name) {
			best, distance = candidate, d
		}
	}
	return best
}

// bareName is a name without case and separators.
func bareName(name string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name))
}

// edits counts the letters that have to be added, taken away, exchanged or
// swapped with their neighbour to make one name of another.
func edits(from, to string) int {
	a, b := []rune(from), []rune(to)
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// meant is a hint that names what was probably meant, or the fallback.
func meant(name string, names []string, prefix, fallback string) string {
	if found := similar(name, names); found != "" {
		return "did you mean `" + prefix + found + "`?"
	}
	return fallback
}
