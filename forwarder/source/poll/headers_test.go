package poll

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var then = time.Date(2026, 9, 14, 3, 0, 0, 500e6, time.UTC) // 1789354800.5

func header(lines string) http.Header {
	h := http.Header{}
	for _, line := range strings.Split(lines, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Add(name, value)
		}
	}
	return h
}

func TestAskedPause(t *testing.T) {
	for _, c := range []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"Retry-After: 120", 2 * time.Minute},
		{"Retry-After:  7 ", 7 * time.Second},
		{"Retry-After: 1.5", 1500 * time.Millisecond},
		{"Retry-After: 0", 0},
		{"Retry-After: -5", 0},
		{"Retry-After: 1e3", 0},
		{"Retry-After: soon", 0},
		{"Retry-After: 999999", longestPause},
		{"Retry-After: 99999999999999999999999999", 0},
		{"Retry-After: Mon, 14 Sep 2026 03:01:00 GMT", 59500 * time.Millisecond},
		{"Retry-After: Monday, 14-Sep-26 03:01:00 GMT", 59500 * time.Millisecond},
		{"Retry-After: Mon Sep 14 03:01:00 2026", 59500 * time.Millisecond},
		{"Retry-After: Mon, 14 Sep 2026 02:00:00 GMT", 0},
		{"Retry-After: Tue, 14 Sep 2027 02:00:00 GMT", longestPause},
		{"Retry-After: 5\nX-RateLimit-Reset: 1000", 5 * time.Second}, // RFC 9110 goes first
		{"Retry-After: what\nX-RateLimit-Reset: 1000", 1000 * time.Second},
		{"Retry-After-Ms: 250", 250 * time.Millisecond},
		{"X-Ms-Retry-After-Ms: 1200\nRetry-After: 5", 1200 * time.Millisecond},
		{"X-RateLimit-Reset: 30", 30 * time.Second},
		{"X-Rate-Limit-Reset: 30", 30 * time.Second},
		{"RateLimit-Reset: 30", 30 * time.Second},
		{"RateLimit-Reset: 30;w=60", 30 * time.Second},
		{"X-RateLimit-Reset: 30, 3600;window=hour", 30 * time.Second},
		{"X-RateLimit-Reset-After: 0.25", 250 * time.Millisecond},
		{"X-RateLimit-Reset: 1789354860", 59500 * time.Millisecond},
		{"X-Rate-Limit-Reset: 1789354860.5", 60 * time.Second},
		{"X-RateLimit-Reset: 1789354860500", 60 * time.Second},
		{"X-RateLimit-Reset: 1789354800", 0},
		{"X-RateLimit-Reset: 1789999999", longestPause},
		{"X-RateLimit-Reset: Mon, 14 Sep 2026 03:01:00 GMT", 59500 * time.Millisecond},
		{"X-RateLimit-Reset: 2026-09-14T03:01:00Z", 59500 * time.Millisecond},
		{"X-RateLimit-Reset: 2026-09-14T05:01:00.5+02:00", time.Minute},
		{"X-RateLimit-Reset: 10\nX-Rate-Limit-Reset: 20", 20 * time.Second},
		{"RateLimit: limit=100, remaining=0, reset=50", 50 * time.Second},
		{`RateLimit: "default";r=0;t=40`, 40 * time.Second},
		{`RateLimit: "perminute";r=0;t=40, "perday";r=17;t=3600`, 40 * time.Second},
		{`RateLimit: "a";r=0;t=40` + "\n" + `RateLimit: "b";r=0;t=70`, 70 * time.Second},
		{`RateLimit: "default";r=x;t=40`, 0},
		{`RateLimit: ;;,=,`, 0},
	} {
		assert.Equal(t, c.want, askedPause(header(c.header), then), c.header)
	}
}

func TestExhausted(t *testing.T) {
	for _, c := range []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"X-RateLimit-Reset: 30", 0},
		{"X-RateLimit-Remaining: 1\nX-RateLimit-Reset: 30", 0},
		{"X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 30", 30 * time.Second},
		{"X-RateLimit-Remaining: 0", 0},
		{"X-RateLimit-Remaining: no\nX-RateLimit-Reset: 30", 0},
		{"X-Rate-Limit-Remaining: 0\nX-Rate-Limit-Reset: 1789354860", 59500 * time.Millisecond},
		{"RateLimit-Remaining: 0, 5\nRateLimit-Reset: 9", 9 * time.Second},
		{"RateLimit: limit=100, remaining=0, reset=50", 50 * time.Second},
		{"RateLimit: limit=100, remaining=3, reset=50", 0},
		{`RateLimit: "a";r=5;t=40, "b";r=0;t=10`, 10 * time.Second},
	} {
		assert.Equal(t, c.want, exhausted(header(c.header), then), c.header)
	}
}

// Whatever the headers say, a pause is not negative, not longer than a day, and says
// the same for the same words in every place.
func FuzzPauses(f *testing.F) {
	for _, s := range []string{"120", "Mon, 14 Sep 2026 03:01:00 GMT", "1789354860", "1789354860500", `"a";r=0;t=40, "b";r=1;t=9`,
		"limit=1, remaining=0, reset=7", "0.0.0", "99999999999999999999", "2026-09-14T03:01:00Z", "-1", ",", ";=", "NaN", "Inf", "0x10"} {
		f.Add(s, s, "0")
	}
	f.Fuzz(func(t *testing.T, retry, reset, remaining string) {
		h := http.Header{}
		h.Set("Retry-After", retry)
		for _, name := range []string{"X-Ratelimit-Reset", "Ratelimit"} {
			h.Set(name, reset)
			h.Set("X-Ratelimit-Remaining", remaining)
			for _, d := range []time.Duration{askedPause(h, then), exhausted(h, then)} {
				if d < 0 || d > longestPause {
					t.Fatalf("%q %q: %v", retry, reset, d)
				}
			}
			h.Del(name)
		}
		if d, ok := pauseOf(retry, then); ok {
			later, ok := pauseOf(retry, then.Add(time.Hour))
			if !ok || later > d {
				t.Fatalf("%q: %v, and %v an hour later", retry, d, later)
			}
		}
	})
}
