package mapping

import (
	"strings"
	"time"
)

// plainLayout says where the parts of a date begin.
type plainLayout struct{ year, month, day int }

// plainLayoutOf takes a layout that is a year of four digits, a month and a day
// of two each, and signs. ok is false for the others. A space is no sign: in a
// layout it stands for any number of them.
func plainLayoutOf(layout string) (at plainLayout, ok bool) {
	at = plainLayout{-1, -1, -1}
	for i := 0; i < len(layout); {
		into, size := &at.year, 4
		switch c := layout[i]; {
		case strings.HasPrefix(layout[i:], "2006"):
		case strings.HasPrefix(layout[i:], "01"):
			into, size = &at.month, 2
		case strings.HasPrefix(layout[i:], "02"):
			into, size = &at.day, 2
		case isAlnum(c) || c == ' ' || c >= 0x7f:
			return at, false
		default:
			i++
			continue
		}
		if *into >= 0 {
			return at, false
		}
		*into = i
		i += size
	}
	return at, at.year >= 0 && at.month >= 0 && at.day >= 0
}

// plainDate is parseDateIn for the layouts that plainLayoutOf takes. ok is
// false for the others.
func plainDate(s, layout string) (date string, ok bool) {
	at, ok := plainLayoutOf(layout)
	if !ok || len(s) != len(layout) {
		return "", ok
	}
	for i := range len(layout) {
		if isDigit(layout[i]) != isDigit(s[i]) || !isDigit(s[i]) && s[i] != layout[i] {
			return "", true
		}
	}
	year, month, day := number(s[at.year:at.year+4]), number(s[at.month:at.month+2]), number(s[at.day:at.day+2])
	switch {
	case year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month):
		return "", true
	case layout == time.DateOnly:
		return s, true
	}
	var b [10]byte
	copy(b[:], s[at.year:at.year+4])
	copy(b[5:], s[at.month:at.month+2])
	copy(b[8:], s[at.day:at.day+2])
	b[4], b[7] = '-', '-'
	return string(b[:]), true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// number reads a text of digits.
func number(s string) int {
	n := 0
	for i := range len(s) {
		n = 10*n + int(s[i]-'0')
	}
	return n
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
