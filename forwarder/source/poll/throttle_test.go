package poll

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// After an answer that asks for a pause there is no call before its end, whatever the
// dialect and however often the process is started anew.
func TestNoCallBeforeItsTime(t *testing.T) {
	for _, d := range []struct {
		name  string
		pause func(w http.ResponseWriter, end time.Time) // writes no status: the page follows
	}{
		{"seconds", func(w http.ResponseWriter, end time.Time) {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(time.Until(end).Seconds()))))
			w.WriteHeader(429)
		}},
		{"date", func(w http.ResponseWriter, end time.Time) {
			w.Header().Set("Retry-After", end.UTC().Format(http.TimeFormat))
			w.WriteHeader(429)
		}},
		{"503", func(w http.ResponseWriter, end time.Time) {
			w.Header().Set("Retry-After", end.UTC().Format(http.TimeFormat))
			w.WriteHeader(503)
		}},
		{"epoch", func(w http.ResponseWriter, end time.Time) {
			w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(end.Unix(), 10))
			w.WriteHeader(429)
		}},
		{"delta", func(w http.ResponseWriter, end time.Time) {
			w.Header().Set("X-Rate-Limit-Reset", strconv.Itoa(int(math.Ceil(time.Until(end).Seconds()))))
			w.WriteHeader(429)
		}},
		{"remaining", func(w http.ResponseWriter, end time.Time) {
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(end.UnixMilli(), 10))
		}},
	} {
		t.Run(d.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				time.Sleep(time.Hour) // now is not in the same minute as anything else
				api := &vendorAPI{page: 2}
				items, ids := many(60, time.Now().Add(-time.Hour), time.Minute)
				api.add(items...)
				var end time.Time
				calls, early := 0, 0
				api.fault = func(_ int, c call, w http.ResponseWriter, _ *http.Request) bool {
					if c.at.Before(end) {
						early++
					}
					if calls++; calls%5 != 0 {
						return false
					}
					end = c.at.Truncate(time.Second).Add(time.Duration(calls) * 7 * time.Second)
					d.pause(w, end)
					return d.name != "remaining"
				}
				b := setUp(t, api, func(c *Config) { c.Since = 90 * time.Minute })
				for range 30 {
					b.start()
					pass(53 * time.Second)
					b.end()
					b.renew()
				}
				api.fail(nil)
				b.start()
				pass(time.Hour)
				b.end()
				assert.Zero(t, early)
				assert.Greater(t, calls, 20)
				assert.ElementsMatch(t, ids, b.log.ids())
				assert.Empty(t, b.failures())
			})
		})
	}
}

// Paging goes on where it was when the pause is over; without a length, pauses grow.
func TestThrottledWithoutALength(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{page: 2}
		items, ids := many(10, time.Now().Add(-time.Hour), time.Minute)
		api.add(items...)
		slow := 0
		api.fault = func(_ int, c call, w http.ResponseWriter, _ *http.Request) bool {
			if strings.HasSuffix(c.cursor, ":4") && slow < 4 {
				slow++
				w.WriteHeader(429)
				return true
			}
			return false
		}
		b := setUp(t, api, func(c *Config) { c.Since = 2 * time.Hour })
		b.start()
		pass(5 * time.Minute)
		b.end()
		assert.ElementsMatch(t, ids, b.log.ids())
		var at []time.Time
		cursors := map[string]int{}
		for _, c := range api.asked("rows") {
			if cursors[c.cursor]++; strings.HasSuffix(c.cursor, ":4") {
				at = append(at, c.at)
			}
		}
		require.Len(t, at, 5)
		for i, pause := range []time.Duration{2, 4, 8, 16} {
			pause *= time.Second
			assert.WithinDuration(t, at[i].Add(pause+pause/8), at[i+1], 10*time.Millisecond, "the spread is a half of a quarter here")
		}
		assert.Equal(t, 4.0, b.meter.get("api_throttled"))
		assert.Equal(t, 1, strings.Count(b.said.String(), "wants fewer requests"), "one line for the change")
		assert.Empty(t, b.failures())
	})
}

// An API that throttles for ever is reported at last.
func TestThrottledForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{fault: status(429)}
		b := setUp(t, api, nil)
		b.start()
		pass(3 * time.Hour)
		b.end()
		require.NotEmpty(t, b.failures())
		assert.ErrorContains(t, b.failures()[0], "throttled: 429 Too Many Requests: no")
		calls := api.asked("rows")
		assert.Less(t, len(calls), 50)
		for i := range calls[10 : len(calls)-1] {
			assert.GreaterOrEqual(t, calls[11+i].at.Sub(calls[10+i].at), mostPause, "as long as it gets")
		}
	})
}

// A vendor may say it in its own words, with a good status.
func TestThrottledInTheVendorsWords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{fault: first(1, "rows", func(_ int, _ call, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "40")
			_, _ = w.Write([]byte(`{"slower":"quota"}`))
			return true
		})}
		b := setUp(t, api, func(c *Config) { c.Since = time.Hour })
		b.start()
		pass(time.Minute)
		b.end()
		calls := api.asked("rows")
		require.Len(t, calls, 2)
		assert.WithinDuration(t, calls[0].at.Add(40*time.Second), calls[1].at, 10*time.Millisecond)
	})
}

// requests_per_minute holds in every minute, whoever asks.
func TestBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{page: 1, steps: 1, life: time.Minute}
		items, _ := many(300, time.Now().Add(-time.Hour), 10*time.Second)
		api.add(items...)
		b := setUp(t, api, func(c *Config) { c.Since, c.RequestsPerMinute = 2*time.Hour, 30 })
		b.start()
		pass(time.Second)
		done := make(chan error, 1)
		go func() {
			done <- b.Backfill(t.Context(), time.Now().Add(-time.Hour), time.Now(), func(time.Time, int, int) {})
		}()
		pass(10 * time.Minute)
		b.end()
		<-done
		calls := api.asked("rows")
		assert.InDelta(t, 300, len(calls), 15, "and it is used")
		for i := range calls {
			n := 0
			for _, c := range calls[i:] {
				if c.at.Before(calls[i].at.Add(time.Minute)) {
					n++
				}
			}
			require.LessOrEqual(t, n, 31)
		}
	})
}
