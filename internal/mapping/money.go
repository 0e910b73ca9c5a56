package mapping

import (
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"
)

// moneyFunctions read and add up amounts. An amount is a text like "1234.50"
// and never a floating-point number, which cannot hold ten cents.
func moneyFunctions() []function {
	return []function{
		{"money", "parse", "money", "s, [decimal]", "text", "\"$1,234.50\" as 1234.50; decimal is \".\" or \",\", and without it 1,234 is nil", parsedMoney},
		{"money", "add", "plus", "a, ...", "text", "the sum of the amounts that are there", addedMoney},
		{"money", "sub", "minus", "a, b", "text", "a less b", onAmounts(func(a, b amount) amount { return a.plus(amount{new(big.Int).Neg(b.n), b.scale}) })},
		{"money", "round", "round", "a, n", "text", "a with n decimals; half a unit goes away from zero", roundedMoney},
		{"money", "cents", "cents", "a", "text", "the amount in hundredths: 12.50 as 1250; nil where that is no whole number", cents},
		{"money", "compare", "compare", "a, b", "number", "-1, 0 or 1 for less, equal, more", comparedMoney},
	}
}

const (
	// maxAmount bounds the digits of an amount.
	maxAmount = 40
	// maxDecimals bounds those behind its point.
	maxDecimals = 9
)

func parsedMoney(_ *engine, args []value) value {
	text, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	decimal, ok := argument(args, 1).asText()
	if !ok {
		return badArgument(1, "text")
	}
	return textValue(parseMoney(text, decimal))
}

// parseMoney reads an amount as people write it. Which of two signs separates
// the decimals is not guessed: 1,234 is one amount in Canada and another one in
// Germany, so it needs the declared sign.
func parseMoney(s, decimal string) string {
	digits, negative, ok := bareAmount(s)
	if !ok || decimal != "" && decimal != "." && decimal != "," {
		return ""
	}
	if decimal == "" {
		if decimal, ok = decimalSign(digits); !ok {
			return ""
		}
	}
	whole, fraction, ok := splitAmount(digits, decimal)
	if !ok {
		return ""
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if negative && strings.Trim(whole, "0.") != "" {
		whole = "-" + whole
	}
	return whole
}

// splitAmount returns the digits before and behind the decimal sign.
func splitAmount(digits, decimal string) (whole, fraction string, ok bool) {
	whole = digits
	if decimal != "" {
		var found bool
		if whole, fraction, found = strings.Cut(digits, decimal); found && fraction == "" {
			return "", "", false
		}
	}
	whole, ok = ungrouped(whole)
	ok = ok && whole+fraction != "" && strings.Trim(fraction, "0123456789") == "" && len(fraction) <= maxDecimals
	return whole, fraction, ok
}

// bareAmount returns the digits with their separators, where a space stands for
// every kind of space and ' for every apostrophe, and whether the amount is
// below zero: -5, 5- or (5).
func bareAmount(s string) (digits string, negative, ok bool) {
	s = trim(s)
	if s == "" || len(s) > 2*maxAmount {
		return "", false, false
	}
	if inner, found := strings.CutPrefix(s, "("); found && strings.HasSuffix(inner, ")") {
		s, negative = trim(strings.TrimSuffix(inner, ")")), true
	}
	s = strings.NewReplacer("\u2212", "-", "\u2019", "'", "\u00a0", " ", "\u202f", " ").Replace(s)
	signs := 0
	for range 2 {
		if rest := strings.Trim(s, "-"); len(rest) < len(s) {
			signs += len(s) - len(rest)
			s = trim(rest)
		}
		s = cutCurrency(s)
	}
	if signs > 1 || signs == 1 && negative || len(s) > maxAmount {
		return "", false, false
	}
	s = strings.TrimPrefix(s, "+")
	return s, negative || signs == 1, s != "" && strings.Trim(s, "0123456789.,' ") == ""
}

// cutCurrency cuts a sign ($, CA$, €) or a code of three letters from either
// end.
func cutCurrency(s string) string {
	start := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsUpper(r) && !unicode.Is(unicode.Sc, r) })
	if start > 0 && isCurrency(s[:start]) {
		s = trim(s[start:])
	}
	end := strings.LastIndexFunc(s, func(r rune) bool { return !unicode.IsUpper(r) && !unicode.Is(unicode.Sc, r) })
	if end >= 0 {
		_, size := utf8.DecodeRuneInString(s[end:])
		if end += size; end < len(s) && isCurrency(s[end:]) {
			s = trim(s[:end])
		}
	}
	return s
}

func isCurrency(s string) bool {
	signs := strings.IndexFunc(s, func(r rune) bool { return unicode.Is(unicode.Sc, r) })
	return len(s) == 3 && isASCII(s) || signs >= 0 && signs <= 2 && utf8.RuneCountInString(s[signs:]) == 1
}

// decimalSign finds the sign before the decimals where only one reading makes
// sense; it is empty for a whole amount.
func decimalSign(s string) (sign string, ok bool) {
	point, comma := strings.LastIndexByte(s, '.'), strings.LastIndexByte(s, ',')
	last := max(point, comma)
	switch {
	case last < 0:
		return "", true
	case point >= 0 && comma >= 0:
		return s[last : last+1], true
	case strings.Count(s, s[last:last+1]) > 1:
		return "", true
	}
	before := s[:last]
	grouped := len(before) >= 1 && len(before) <= 3 && before[0] != '0'
	if len(s)-last-1 == 3 && grouped {
		return "", false
	}
	return s[last : last+1], true
}

// ungrouped takes the signs between groups of digits out. The last group has
// three digits, those before it three or, as in India, two.
func ungrouped(s string) (string, bool) {
	at := strings.IndexAny(s, "., '")
	if at < 0 {
		return s, true
	}
	groups := strings.Split(s, s[at:at+1])
	for i, group := range groups {
		last := i == len(groups)-1
		switch {
		case strings.Trim(group, "0123456789") != "", group == "":
			return "", false
		case i == 0 && len(group) > 3, last && len(group) != 3, i > 0 && !last && len(group) != 3 && len(group) != 2:
			return "", false
		}
	}
	return strings.Join(groups, ""), true
}

// amount is n divided by ten to the power of scale.
type amount struct {
	n     *big.Int
	scale int
}

// amountOf reads "-1234.50".
func amountOf(v value) (amount, bool) {
	s, ok := v.asText()
	s = trim(s)
	if !ok || s == "" || len(s) > maxAmount {
		return amount{}, false
	}
	whole, fraction, point := strings.Cut(s, ".")
	digits := strings.TrimPrefix(whole, "-")
	if digits == "" || strings.Trim(digits+fraction, "0123456789") != "" || point && fraction == "" || len(fraction) > maxDecimals {
		return amount{}, false
	}
	n, ok := new(big.Int).SetString(whole+fraction, 10)
	return amount{n, len(fraction)}, ok
}

// at returns the amount with more decimals.
func (a amount) at(scale int) *big.Int {
	return new(big.Int).Mul(a.n, power(scale-a.scale))
}

func power(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func (a amount) plus(b amount) amount {
	scale := max(a.scale, b.scale)
	return amount{new(big.Int).Add(a.at(scale), b.at(scale)), scale}
}

// value returns the amount as text, or nothing where it has too many digits.
func (a amount) value() value {
	s := new(big.Int).Abs(a.n).String()
	if len(s) > maxAmount {
		return value{}
	}
	if len(s) <= a.scale {
		s = strings.Repeat("0", a.scale-len(s)+1) + s
	}
	if a.scale > 0 {
		s = s[:len(s)-a.scale] + "." + s[len(s)-a.scale:]
	}
	if a.n.Sign() < 0 {
		s = "-" + s
	}
	return textValue(s)
}

// addedMoney passes over what is not there. Something that is no amount makes
// the sum unknown.
func addedMoney(_ *engine, args []value) value {
	sum, found := amount{new(big.Int), 0}, false
	for _, arg := range args {
		if isNothing(arg) {
			continue
		}
		a, ok := amountOf(arg)
		if !ok {
			return value{}
		}
		sum, found = sum.plus(a), true
	}
	if !found {
		return value{}
	}
	return sum.value()
}

// onAmounts makes a function of two amounts.
func onAmounts(fn func(a, b amount) amount) func(*engine, []value) value {
	return func(_ *engine, args []value) value {
		a, okA := amountOf(argument(args, 0))
		b, okB := amountOf(argument(args, 1))
		if !okA || !okB {
			return value{}
		}
		return fn(a, b).value()
	}
}

func comparedMoney(_ *engine, args []value) value {
	a, okA := amountOf(argument(args, 0))
	b, okB := amountOf(argument(args, 1))
	if !okA || !okB {
		return value{}
	}
	scale := max(a.scale, b.scale)
	return numberValue(float64(a.at(scale).Cmp(b.at(scale))))
}

func roundedMoney(_ *engine, args []value) value {
	n, ok := wholeArgument(args, 1)
	if !ok || n < 0 || n > maxDecimals {
		return badArgument(1, "whole number from 0 to 9")
	}
	a, ok := amountOf(argument(args, 0))
	if !ok {
		return value{}
	}
	if n >= a.scale {
		return amount{a.at(n), n}.value()
	}
	unit := power(a.scale - n)
	twice := new(big.Int).Abs(a.n)
	twice.Add(twice.Lsh(twice, 1), unit)
	rounded := twice.Quo(twice, new(big.Int).Lsh(unit, 1))
	if a.n.Sign() < 0 {
		rounded.Neg(rounded)
	}
	return amount{rounded, n}.value()
}

func cents(_ *engine, args []value) value {
	a, ok := amountOf(argument(args, 0))
	if !ok {
		return value{}
	}
	if a.scale <= 2 {
		return amount{a.at(2), 0}.value()
	}
	quotient, rest := new(big.Int).QuoRem(a.n, power(a.scale-2), new(big.Int))
	if rest.Sign() != 0 {
		return value{}
	}
	return amount{quotient, 0}.value()
}
