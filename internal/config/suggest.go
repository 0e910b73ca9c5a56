package config

import (
	"fmt"
	"slices"

	"github.com/hbollon/go-edlib"
)

// CheckWord says that a word is none of those that there are, and which was likely
// meant.
func CheckWord(what, word string, known []string) error {
	if slices.Contains(known, word) {
		return nil
	}
	if meant, ok := closest(word, known); ok {
		return fmt.Errorf("there is no %s %s; did you mean %s?", what, quote(word), quote(meant))
	}
	return fmt.Errorf("there is no %s %s; %s", what, quote(word), listed(known, "there are"))
}

// longestWord bounds the bytes of a word that is compared with others.
const longestWord = 64

// closest finds the known word that was likely meant: the one that takes the
// fewest changes, if they are few for a word of that length.
func closest(word string, known []string) (string, bool) {
	if len(word) > longestWord {
		return "", false
	}
	best, least := "", max(1, min(len(word)/3, 3))+1
	for _, candidate := range known {
		if candidate == word {
			continue
		}
		if d := edlib.OSADamerauLevenshteinDistance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best, best != ""
}
