package config

import "github.com/hbollon/go-edlib"

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
