package poll

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// lookOnce runs the source until its first look is over.
func (b *bench) lookOnce() {
	b.t.Helper()
	b.start()
	pass(time.Minute)
	b.end()
	require.Empty(b.t, b.failures())
}

// All pages are read, whatever the cursor does and wherever ties stand.
func TestPaging(t *testing.T) {
	for _, stable := range []bool{false, true} {
		for _, ordered := range []bool{false, true} {
			for _, n := range []int{0, 1, 9, 10, 11, 20, 57} {
				t.Run(fmt.Sprint(stable, ordered, n), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						api := &vendorAPI{page: 10, stable: stable, ordered: ordered}
						items, ids := many(n, time.Now().Add(-time.Hour), time.Second)
						for i := range items {
							items[i].at = items[i/7*7].at // seven of each time
						}
						api.add(items...)
						b := setUp(t, api, func(c *Config) { c.Since = 65 * time.Minute })
						b.lookOnce()
						assert.ElementsMatch(t, ids, b.log.ids())
						assert.Len(t, api.asked("rows"), 1+max(1, (n+9)/10), "no page is asked for twice")
					})
				})
			}
		}
	}
}

// Rows of a page become durable in the order of their time, those without one last.
func TestRowsOfAPageAreSorted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		answered := false
		api := &vendorAPI{}
		api.fault = func(_ int, _ call, w http.ResponseWriter, _ *http.Request) bool {
			if answered {
				return false
			}
			answered = true
			_ = json.NewEncoder(w).Encode(wirePage{Rows: []wireRow{
				{ID: "none"}, {ID: "c", T: at("11:40")}, {ID: "a", T: at("11:30")}, {ID: "none2"}, {ID: "b", T: at("11:35")}, {ID: "b2", T: at("11:35")}}})
			return true
		}
		b := setUp(t, api, func(c *Config) { c.Since = time.Hour })
		b.lookOnce()
		assert.Equal(t, []string{"a", "b", "b2", "c", "none", "none2"}, b.log.ids())
	})
}

// A window at whose ceiling the API falls silent is split until all of it is seen.
func TestCeiling(t *testing.T) {
	for _, total := range []bool{false, true} {
		for _, ordered := range []bool{false, true} {
			t.Run(fmt.Sprint(total, ordered), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					api := &vendorAPI{page: 10, ceiling: 50, total: total, ordered: ordered}
					items, ids := many(700, time.Now().Add(-time.Hour), time.Second)
					api.add(items...)
					b := setUp(t, api, func(c *Config) { c.Since, c.Ceiling = 65*time.Minute, 45 })
					b.lookOnce()
					assert.ElementsMatch(t, ids, b.log.ids())
					last := time.Time{}
					for _, e := range b.log.emits {
						if !e.position.Read.IsZero() {
							assert.False(t, e.position.Read.Before(last), "the position never goes back")
							last = e.position.Read
						}
					}
					calls := api.asked("rows")
					assert.Less(t, len(calls), 300)
					if total {
						for _, c := range calls {
							assert.NotContains(t, c.cursor, ":50", "what tells its total is split before it is walked")
						}
					}
					assert.Empty(t, b.said.String())
				})
			})
		}
	}
}

// More rows of one millisecond than the ceiling cannot be split: they are taken as far
// as they come, and it is said.
func TestCeilingOfOneMillisecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{page: 10, ceiling: 50}
		for i := range 80 {
			api.add(item{id: fmt.Sprint("tie", i), at: at("11:30")})
		}
		api.add(item{id: "before", at: at("11:29")}, item{id: "after", at: at("11:31")})
		b := setUp(t, api, func(c *Config) { c.Since, c.Ceiling = time.Hour, 50 })
		b.lookOnce()
		ids := b.log.ids()
		assert.Len(t, ids, 52)
		assert.Contains(t, ids, "before")
		assert.Contains(t, ids, "after")
		assert.WithinDuration(t, at("11:59:30"), b.log.position().Read, time.Second)
		assert.Contains(t, b.said.String(), "one millisecond holds 50 rows or more")
	})
}

// A window of too many pages is split as well.
func TestMostPages(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			api := &vendorAPI{page: 10, ordered: ordered}
			items, ids := many(400, time.Now().Add(-time.Hour), time.Second)
			api.add(items...)
			b := setUp(t, api, func(c *Config) { c.Since, c.MaxPages = 65*time.Minute, 5 })
			b.lookOnce()
			assert.ElementsMatch(t, ids, b.log.ids())
		})
	}
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{page: 1}
		for i := range 8 {
			api.add(item{id: fmt.Sprint("tie", i), at: at("11:30")})
		}
		b := setUp(t, api, func(c *Config) { c.Since, c.MaxPages = time.Hour, 5 })
		b.start()
		pass(time.Minute)
		b.end()
		require.Len(t, b.failures(), 1)
		assert.ErrorContains(t, b.failures()[0], "one millisecond has more than 5 pages")
	})
}

// An API that goes round in a circle does not keep us there.
func TestRunaway(t *testing.T) {
	for _, c := range []struct {
		name  string
		page  func(n int) wirePage
		calls int // until it is noticed; 0: it is none
	}{
		{"the same page with the same cursor", func(int) wirePage { return wirePage{Rows: []wireRow{{ID: "a"}}, Next: "x", More: true} }, 3},
		{"no cursor, the first page again", func(int) wirePage { return wirePage{Rows: []wireRow{{ID: "a"}}, More: true} }, 3},
		{"empty pages with the same cursor", func(int) wirePage { return wirePage{Next: "x", More: true} }, 3},
		{"two pages in turn", func(n int) wirePage {
			return wirePage{Rows: []wireRow{{ID: fmt.Sprint(n % 2)}}, Next: fmt.Sprint(n % 2), More: true}
		}, 4},
		{"the same cursor with new rows", func(n int) wirePage {
			return wirePage{Rows: []wireRow{{ID: fmt.Sprint(n)}}, Next: "x", More: n < 40}
		}, 0},
		{"new cursors without rows", func(n int) wirePage { return wirePage{Next: fmt.Sprint(n), More: n < 40} }, 0},
		{"one page again", func(n int) wirePage {
			return wirePage{Rows: []wireRow{{ID: fmt.Sprint(n / 2)}}, Next: "x", More: n < 40}
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := 0
				api := &vendorAPI{fault: func(_ int, _ call, w http.ResponseWriter, _ *http.Request) bool {
					n++
					_ = json.NewEncoder(w).Encode(c.page(n))
					return true
				}}
				b := setUp(t, api, func(c *Config) { c.Since = time.Minute })
				b.start()
				pass(time.Minute)
				b.end()
				if c.calls == 0 {
					assert.Empty(t, b.failures())
					assert.Equal(t, 40, n)
					return
				}
				require.Len(t, b.failures(), 1)
				assert.ErrorIs(t, b.failures()[0], errRunaway)
				assert.Equal(t, c.calls, n)
			})
		})
	}
}

// A stale cursor begins the window again, and when that does not help shorter ones are
// tried.
func TestStaleCursors(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		for _, times := range []int{1, 2, 3, 1 << 30} {
			bubble(t, func(t *testing.T) {
				api := &vendorAPI{page: 10, ordered: ordered}
				items, ids := many(35, time.Now().Add(-time.Hour), time.Second)
				api.add(items...)
				left := times
				api.fault = func(_ int, c call, w http.ResponseWriter, _ *http.Request) bool {
					if left == 0 || !strings.HasSuffix(c.cursor, ":20") {
						return false
					}
					left--
					http.Error(w, `{"detail":"Invalid scroll"}`, http.StatusBadRequest)
					return true
				}
				b := setUp(t, api, func(c *Config) { c.Since = 65 * time.Minute })
				b.lookOnce()
				assert.ElementsMatch(t, ids, b.log.ids())
				if times <= 2 && !ordered {
					assert.Len(t, api.asked("rows"), 1+3*times+4)
				}
			})
		}
	}
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{page: 1}
		api.add(item{id: "a", at: at("11:30")}, item{id: "b", at: at("11:30")})
		api.fault = func(_ int, c call, w http.ResponseWriter, _ *http.Request) bool {
			if c.cursor != "" {
				w.WriteHeader(http.StatusBadRequest)
			}
			return c.cursor != ""
		}
		b := setUp(t, api, func(c *Config) { c.Since = time.Hour })
		b.start()
		pass(time.Minute)
		b.end()
		require.Len(t, b.failures(), 1)
		assert.ErrorContains(t, b.failures()[0], "cursor is stale: no such cursor")
		assert.ErrorAs(t, b.failures()[0], new(*source.Pause))
	})
}

// What an ordered API has handed out is not asked for again in the same walk: its keys
// may be forgotten.
func TestAnOrderedWalkBeginsAgainWhereItWas(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{page: 10, ordered: true}
		items, ids := many(35, time.Now().Add(-time.Hour), time.Second)
		api.add(items...)
		stale := true
		api.fault = func(_ int, c call, w http.ResponseWriter, _ *http.Request) bool {
			if stale && strings.HasSuffix(c.cursor, ":20") {
				stale = false
				w.WriteHeader(http.StatusBadRequest)
				return true
			}
			return false
		}
		b := setUp(t, api, func(c *Config) { c.Since = 65 * time.Minute })
		b.lookOnce()
		assert.ElementsMatch(t, ids, b.log.ids())
		calls := api.asked("rows")
		require.Len(t, calls, 6)
		assert.Equal(t, items[20].at.UTC(), calls[3].from)
		for _, e := range b.log.emits {
			assert.Equal(t, e.events, e.new)
		}
	})
}

// A page that is large becomes several Emits, the mark with the last.
func TestLargePages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{page: 5000}
		items, ids := many(3500, time.Now().Add(-time.Hour), time.Second)
		api.add(items...)
		b := setUp(t, api, func(c *Config) { c.Since = 59 * time.Minute })
		b.log.before = func(_ int, e *event.Batch) error {
			assert.LessOrEqual(t, e.Len(), emitEvents)
			return nil
		}
		b.lookOnce()
		require.Len(t, b.log.emits, 5)
		for i, e := range b.log.emits {
			assert.Equal(t, i == 0 || i == 4, e.marks > 0)
		}
		assert.ElementsMatch(t, ids[60:], b.log.ids())
	})
}

// Lateness is known of every row, in whichever Emit it stands.
func TestLatenessOfLargePages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{page: 5000}
		b := setUp(t, api, nil)
		b.start()
		pass(time.Second)
		for i := range 2500 {
			api.add(item{id: fmt.Sprint(i), at: at("11:55"), seen: at("12:03")})
		}
		pass(10 * time.Minute)
		b.end()
		assert.Equal(t, 2500.0, b.meter.get("late_events"))
		assert.InDelta(t, 270, b.meter.get("late_seconds_max"), 1)
	})
}

// Notes are logged once.
func TestNotes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{fault: body(`{"rows":[],"notice":"the start lies before the end"}`)}
		b := setUp(t, api, nil)
		b.start()
		pass(time.Hour)
		b.end()
		assert.Equal(t, "level=WARN msg=\"the start lies before the end\"\n", b.said.String())
	})
}

// The vendor may refuse to make a request.
func TestAPageThatCannotBeAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setUp(t, &vendorAPI{}, nil)
		b.client.api.Page = func(kit.Window, []byte) (kit.Request, error) { return kit.Request{}, assert.AnError }
		b.start()
		pass(time.Minute)
		b.end()
		require.Len(t, b.failures(), 1)
		assert.ErrorIs(t, b.failures()[0], assert.AnError)
		assert.ErrorIs(t, b.Try(t.Context()), assert.AnError)
		assert.Empty(t, b.api.asked(""))
	})
}
