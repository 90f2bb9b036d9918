package config

import (
	"slices"
	"strings"
)

// otherWords are what other programs call our keys.
var otherWords = map[string]string{
	"destinations": "sinks", "outputs": "sinks", "output": "sinks", "inputs": "sources", "input": "sources",
	"parser": "vendor", "filter": "when", "condition": "when", "conditions": "when", "interval": "every",
	"endpoint": "url", "uri": "url", "server": "address", "tz": "timezone", "data_dir": "state",
}

// suggest returns the word that was probably meant; "" when none is near.
func suggest(word string, known []string) string {
	plain := strings.ToLower(strings.ReplaceAll(word, "-", "_"))
	if slices.Contains(known, plain) {
		return plain
	}
	best, least := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least && d < min(len(word), len(k)) && (d < 2 || min(len(word), len(k)) > 3) {
			best, least = k, d
		}
	}
	if o := otherWords[plain]; best == "" && slices.Contains(known, o) {
		return o
	}
	return best
}

// hintFor says what was probably meant, or what there is.
func hintFor(word string, known []string) string {
	if s := suggest(word, known); s != "" {
		return "did you mean " + s + "?"
	}
	return oneOf(known)
}

// oneOf says what there is.
func oneOf(known []string) string {
	switch len(known) {
	case 0:
		return ""
	case 1:
		return "there is only " + known[0]
	}
	return "one of " + list(known)
}

// list joins words, and stops when there are many.
func list(words []string) string {
	const most = 20
	if len(words) > most {
		return strings.Join(words[:most], ", ") + ", …"
	}
	return strings.Join(words, ", ")
}

// distance counts the letters to insert, delete, change or swap with their neighbour
// to make b of a; 3 stands for more than 2.
func distance(a, b string) int {
	const far = 3
	if len(a)-len(b) >= far || len(b)-len(a) >= far {
		return far
	}
	var rows [3][]int
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, up, upup := rows[i%3], rows[(i-1)%3], rows[(i+1)%3]
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(up[j]+1, row[j-1]+1, up[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], upup[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least >= far {
			return far
		}
	}
	return min(far, rows[len(a)%3][len(b)])
}
