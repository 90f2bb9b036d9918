package poll

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestPause is the most an API's word is taken for: what is longer is probably a
// mistake, and a day later it can say so again.
const longestPause = 24 * time.Hour

// askedPause reads how long an answer asks not to be asked again, from Retry-After
// (RFC 9110 section 10.2.3) or, without it, from the headers that say when a quota is
// renewed. now is the API's time of the answer. The result is 0 when nothing is said
// or it is over already, and never more than longestPause.
func askedPause(h http.Header, now time.Time) time.Duration {
	for _, name := range []string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"} {
		if ms, ok := number(h.Get(name)); ok {
			return clamp(ms / 1000)
		}
	}
	if v := strings.TrimSpace(h.Get("Retry-After")); v != "" {
		if d, ok := pauseOf(v, now); ok {
			return d
		}
	}
	return quotaPause(h, now)
}

// exhausted reads how long to wait after an answer that was good and said that it was
// the last one for now; 0 when it did not.
func exhausted(h http.Header, now time.Time) time.Duration {
	for _, name := range []string{"X-Ratelimit-Remaining", "X-Rate-Limit-Remaining", "Ratelimit-Remaining"} {
		v, _, _ := strings.Cut(h.Get(name), ",")
		if left, ok := number(v); ok {
			if left > 0 {
				return 0
			}
			return quotaPause(h, now)
		}
	}
	if left, reset, ok := structured(h); ok && left == 0 {
		return clamp(reset)
	}
	return 0
}

// quotaPause reads when a quota is renewed: the longest that any header says.
func quotaPause(h http.Header, now time.Time) time.Duration {
	var most time.Duration
	for _, name := range []string{"X-Ratelimit-Reset", "X-Rate-Limit-Reset", "Ratelimit-Reset", "X-Ratelimit-Reset-After"} {
		v, _, _ := strings.Cut(h.Get(name), ";")
		if !strings.Contains(v, "GMT") {
			v, _, _ = strings.Cut(v, ",")
		}
		if d, ok := pauseOf(strings.TrimSpace(v), now); ok {
			most = max(most, d)
		}
	}
	if _, reset, ok := structured(h); ok {
		most = max(most, clamp(reset))
	}
	return most
}

// structured reads the RateLimit header of the IETF's drafts: first "limit=10,
// remaining=0, reset=7", later a list of `"name";r=0;t=7`. Of several quotas it
// returns that with the least left, and the longest reset among those with none.
func structured(h http.Header) (left, reset float64, ok bool) {
	left = math.Inf(1)
	for _, line := range h.Values("Ratelimit") {
		items := strings.Split(line, ",")
		if strings.Contains(line, "remaining") {
			items = []string{strings.ReplaceAll(line, ",", ";")}
		}
		for _, item := range items {
			r, t := math.NaN(), math.NaN()
			for _, p := range strings.Split(item, ";") {
				key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
				n, good := number(value)
				switch {
				case !good:
				case key == "r" || key == "remaining":
					r = n
				case key == "t" || key == "reset":
					t = n
				}
			}
			if math.IsNaN(r) || math.IsNaN(t) || r > left {
				continue
			}
			if r < left {
				left, reset = r, 0
			}
			reset, ok = max(reset, t), true
		}
	}
	return left, reset, ok
}

// Numbers from here on are moments rather than distances: seconds, or milliseconds,
// since 1970.
const (
	epochSeconds = 1e9
	epochMillis  = 1e12
)

// pauseOf reads one value: seconds from now, a moment in seconds or milliseconds since
// 1970, a date of HTTP or of RFC 3339. ok is false when it is none of these.
func pauseOf(v string, now time.Time) (d time.Duration, ok bool) {
	if n, ok := number(v); ok {
		switch {
		case n >= epochMillis:
			return clamp(n/1e3 - seconds(now)), true
		case n >= epochSeconds:
			return clamp(n - seconds(now)), true
		}
		return clamp(n), true
	}
	t, err := http.ParseTime(v)
	if err != nil {
		t, err = time.Parse(time.RFC3339, v)
	}
	if err != nil {
		return 0, false
	}
	return clamp(t.Sub(now).Seconds()), true
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// number reads a decimal number that is not negative, without sign and exponent.
func number(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 24 || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

// clamp turns seconds into a pause, rounded up to milliseconds.
func clamp(seconds float64) time.Duration {
	switch {
	case !(seconds > 0):
		return 0
	case seconds >= longestPause.Seconds():
		return longestPause
	}
	return time.Duration(math.Ceil(seconds*1e3)) * time.Millisecond
}
