package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// unit is a word behind a number, and how many of the smallest unit it stands for.
type unit struct {
	name string
	n    int64
}

var (
	durations = []unit{{"ms", int64(time.Millisecond)}, {"s", int64(time.Second)}, {"m", int64(time.Minute)}, {"h", int64(time.Hour)}, {"d", 24 * int64(time.Hour)}}
	sizes     = []unit{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}
)

const (
	notADuration = "is not a duration"
	notASize     = "is not a size"
)

// parseDuration reads numbers with units, such as 30s, 1h30m or 1.5d.
func parseDuration(s string) (d time.Duration, problem, hint string) {
	n, bad, hint := parseUnits(s, durations, "units are ms, s, m, h and d", `write a number and a unit, like "30s" or "5m"`)
	if bad {
		return 0, notADuration, hint
	}
	return time.Duration(n), "", ""
}

// parseSize reads numbers with units, such as 64KiB.
func parseSize(s string) (n component.Size, problem, hint string) {
	sum, bad, hint := parseUnits(s, sizes, "units are B, KiB, MiB and GiB", `write a number and a unit, like "64KiB" or "10GiB"`)
	if bad {
		if number, name, ok := cutUnit(s); ok {
			near := map[string]string{"k": "KiB", "kb": "KiB", "kib": "KiB", "m": "MiB", "mb": "MiB", "mib": "MiB", "g": "GiB", "gb": "GiB",
				"gib": "GiB", "b": "B"}[strings.ToLower(name)]
			if near != "" && near != name {
				hint = "did you mean " + number + near + "?"
			}
		}
		return 0, notASize, hint
	}
	return component.Size(sum), "", ""
}

// parseUnits adds up numbers, each followed by one of the units.
func parseUnits(s string, units []unit, unknown, general string) (sum int64, bad bool, hint string) {
	if s == "" || s[0] == '-' && len(s) > 1 {
		if s != "" {
			general = "it cannot be negative"
		}
		return 0, true, general
	}
	for s != "" {
		number := s[:len(s)-len(strings.TrimLeft(s, "0123456789."))]
		s = s[len(number):]
		name := s[:len(s)-len(strings.TrimLeft(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))]
		s = s[len(name):]
		i := slices.IndexFunc(units, func(u unit) bool { return u.name == name })
		switch {
		case number == "" || name == "":
			return 0, true, general
		case i < 0:
			return 0, true, unknown
		}
		n, ok := multiply(number, units[i].n)
		if !ok {
			return 0, true, general
		}
		if sum += n; sum < 0 || n < 0 {
			return 0, true, "it is too large"
		}
	}
	return sum, false, ""
}

// multiply returns a decimal number of units; negative when that does not fit. A size
// has no fractions of an octet, a duration none of a nanosecond: the rest is cut.
func multiply(number string, unit int64) (n int64, ok bool) {
	whole, fraction, dotted := strings.Cut(number, ".")
	if whole == "" || dotted && fraction == "" || strings.Contains(fraction, ".") {
		return 0, false
	}
	w, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || w > math.MaxInt64/unit {
		return -1, true
	}
	n = w * unit
	if dotted {
		f, err := strconv.ParseFloat("0."+fraction, 64)
		if err != nil {
			return 0, false
		}
		part := int64(math.Round(f * float64(unit)))
		if n > math.MaxInt64-part {
			return -1, true
		}
		n += part
	}
	return n, true
}

// cutUnit splits a number from the word behind it, with or without a blank between.
func cutUnit(s string) (number, name string, ok bool) {
	number = s[:len(s)-len(strings.TrimLeft(s, "0123456789."))]
	name = strings.TrimSpace(s[len(number):])
	return number, name, number != "" && name != ""
}

// formatDuration writes a duration with the fewest of our units.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	rest := int64(d)
	for _, u := range slices.Backward(durations) {
		if u.name == "d" && (rest%u.n != 0 || rest < 2*u.n) {
			continue
		}
		if n := rest / u.n; n > 0 {
			b.WriteString(strconv.FormatInt(n, 10) + u.name)
			rest -= n * u.n
		}
	}
	if rest > 0 {
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + "ms"
	}
	return b.String()
}
