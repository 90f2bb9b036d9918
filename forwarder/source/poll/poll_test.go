package poll

import (
	"errors"
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

// clockText is a time as tests write it. The Date header has whole seconds only, so
// that a window may begin and end a little early.
func clockText(t time.Time) string { return t.Round(time.Second).Format(time.TimeOnly) }

func windows(calls []call) (out []string) {
	for _, c := range calls {
		out = append(out, clockText(c.from)+" "+clockText(c.to))
	}
	return out
}

// The first start goes back by since, later looks begin where nothing can appear any
// more, and end a little behind now.
func TestWindowsOfTheFirstLooks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{}
		b := setUp(t, api, func(c *Config) { c.Since = 90 * time.Minute })
		b.start()
		pass(11 * time.Minute)
		b.end()
		assert.Equal(t, []string{
			"10:30:00 11:30:00", "11:30:00 11:59:30", // a long gap is walked in spans
			"11:49:30 12:04:30", // 5 minutes later, 10 of them again
			"11:54:30 12:09:30",
		}, windows(api.asked("rows")))
		assert.Equal(t, "12:09:30", clockText(b.log.position().Read))
		assert.Equal(t, "11:59:30", clockText(b.log.position().Final))
		assert.Equal(t, 1, b.log.ready)
		assert.Empty(t, b.said.String())
	})
}

// A start that fails for hours does not move where the first one would have begun.
func TestTheFirstBeginningIsDurableBeforeAnythingIsAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{fault: status(500)}
		api.add(item{id: "old", at: at("11:01")})
		b := setUp(t, api, func(c *Config) { c.Since = time.Hour })
		b.start()
		pass(3 * time.Hour)
		b.end()
		require.Empty(t, b.log.ids())
		assert.Zero(t, b.log.ready, "nothing was read")
		api.fail(nil)
		b.renew()
		b.start()
		pass(time.Minute)
		b.end()
		assert.Equal(t, []string{"old"}, b.log.ids())
		assert.Equal(t, 1, b.log.ready)
	})
}

// status answers everything with a status.
func status(code int, header ...string) func(int, call, http.ResponseWriter, *http.Request) bool {
	return func(_ int, _ call, w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		http.Error(w, "no", code)
		return true
	}
}

// first answers the first n calls of a kind with f.
func first(n int, kind string, f func(int, call, http.ResponseWriter, *http.Request) bool) func(int, call, http.ResponseWriter, *http.Request) bool {
	return func(i int, c call, w http.ResponseWriter, r *http.Request) bool {
		if c.kind != kind || n == 0 {
			return false
		}
		n--
		return f(i, c, w, r)
	}
}

func TestARestartGoesOnWhereTheLastOneEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{}
		items, ids := many(200, at("11:00"), 3*time.Minute) // until after 20:57
		api.add(items...)
		b := setUp(t, api, func(c *Config) { c.Since = time.Hour })
		b.start()
		pass(7 * time.Minute)
		b.end()
		before := b.log.position()
		pass(6 * time.Hour) // nobody is there
		b.renew()
		calls := len(api.asked(""))
		b.start()
		pass(time.Second)
		b.end()
		var asked []string
		for _, c := range api.asked("rows")[calls:] {
			if c.cursor == "" {
				asked = append(asked, clockText(c.from))
			}
		}
		assert.Equal(t, clockText(before.Final), asked[0])
		assert.Len(t, asked, 7, "the gap is walked in spans of an hour")
		n := len(b.log.ids())
		assert.ElementsMatch(t, ids[:n], b.log.ids())
		assert.Equal(t, 143, n, "all until 18:06:30")
	})
}

// What appears late, by up to the overlap and whenever the looks happen, is found; each
// event once.
func TestLateEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{page: 7}
		var want []string
		for i := range 500 {
			at := at("12:00").Add(time.Duration(i) * 11 * time.Second)
			late := time.Duration(i*37%600) * time.Second // up to 10 minutes
			if i%3 > 0 {
				late = 0
			}
			id := fmt.Sprint("e", i)
			api.add(item{id: id, at: at, seen: at.Add(late)})
			want = append(want, id)
		}
		b := setUp(t, api, nil)
		b.start()
		pass(2 * time.Hour)
		b.end()
		assert.ElementsMatch(t, want, b.log.ids())
		assert.Greater(t, b.meter.get("late_events"), 50.0)
		// How late is measured from what had been read before, which is what counts for
		// the overlap.
		assert.InDelta(t, 485, b.meter.get("late_seconds_max"), 5)
		assert.Equal(t, 1, strings.Count(b.said.String(), "make it longer"), b.said.String())
	})
}

// An update is not late, though it has the time of its event.
func TestUpdatesAreForwardedAndNotLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, updates := range []bool{true, false} {
			api := &vendorAPI{}
			start := time.Now()
			api.add(item{id: "a", version: "1", at: start}, item{id: "a", version: "2", at: start, seen: start.Add(6 * time.Minute)},
				item{id: "a", version: "2", at: start, seen: start.Add(7 * time.Minute)})
			b := setUp(t, api, func(c *Config) { c.Updates = updates })
			b.start()
			pass(20 * time.Minute)
			b.end()
			if updates {
				assert.Equal(t, []string{"a1", "a2"}, b.log.ids())
			} else {
				assert.Equal(t, []string{"a1"}, b.log.ids())
			}
			assert.Zero(t, b.meter.get("late_events"))
		}
	})
}

// An API that filters by creation time shows what changed later only to a rescan.
func TestRescan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{}
		start := time.Now()
		api.add(item{id: "a", version: "1", at: start}, item{id: "a", version: "2", at: start, seen: start.Add(3 * time.Hour)})
		b := setUp(t, api, func(c *Config) { c.Since, c.Rescan, c.RescanEvery = time.Minute, 5*time.Hour, time.Hour })
		b.start()
		pass(time.Second)
		assert.Len(t, api.asked("rows"), 1, "the first look is not followed by one at the same again")
		pass(2*time.Hour + 59*time.Minute)
		assert.Equal(t, []string{"a1"}, b.log.ids())
		b.end() // and a start does not begin another before it is time
		calls := len(api.asked("rows"))
		b.renew()
		b.start()
		pass(30 * time.Second)
		assert.Len(t, api.asked("rows"), calls+1)
		pass(70 * time.Minute)
		b.end()
		assert.Equal(t, []string{"a1", "a2"}, b.log.ids())
		assert.Zero(t, b.meter.get("late_events"), "what a rescan finds is not late")
	})
}

// Whatever happens at an Emit, and whether its events became durable or not, a new
// start misses nothing and repeats nothing.
func TestDyingAtEveryEmit(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		for _, durable := range []bool{true, false} {
			bubble(t, func(t *testing.T) {
				api := &vendorAPI{page: 10, ordered: ordered}
				items, ids := many(55, at("10:30"), 90*time.Second)
				api.add(items...)
				b := setUp(t, api, func(c *Config) { c.Since = 2 * time.Hour })
				died := errors.New("died")
				for n := 1; n < 40; n++ {
					emits := 0
					die := func(int, *event.Batch) error {
						if emits++; emits == 1+n%3 {
							return died
						}
						return nil
					}
					if b.log.before, b.log.after = die, nil; durable {
						b.log.before, b.log.after = nil, die
					}
					b.renew()
					before := b.log.position()
					err := b.Run(t.Context(), b.log)
					require.ErrorIs(t, err, died)
					require.NotErrorAs(t, err, new(*source.Pause), "the disk is not the API's fault")
					assert.False(t, b.log.position().Read.Before(before.Read), "the position never goes back")
					pass(time.Minute)
				}
				b.log.before, b.log.after = nil, nil
				b.renew()
				b.start()
				pass(time.Minute)
				b.end()
				assert.ElementsMatch(t, ids, b.log.ids())
			})
		}
	}
}

// The position travels with the last events before it, and unordered APIs move it only
// when the window is read.
func TestWhereThePositionTravels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, ordered := range []bool{true, false} {
			api := &vendorAPI{page: 10, ordered: ordered}
			start := time.Now()
			items, _ := many(25, start.Add(-25*time.Minute), time.Minute)
			api.add(items...)
			b := setUp(t, api, func(c *Config) { c.Since = 30 * time.Minute })
			b.start()
			pass(time.Second)
			b.end()
			require.Len(t, b.log.emits, 4, "the beginning, and three pages")
			for i, e := range b.log.emits[1:] {
				moved := ordered || i == 2
				assert.Equal(t, moved, e.marks == 1, "page %d", i)
				if !moved {
					continue
				}
				reached := start.Add(-30 * time.Second)
				if i < 2 {
					reached = start.Add(-25*time.Minute + time.Duration(i+1)*10*time.Minute)
				}
				assert.WithinDuration(t, reached, e.position.Read, time.Second)
			}
		}
	})
}

// A page that fails keeps the position where it is, whatever comes behind it.
func TestNothingPassesAFailedPage(t *testing.T) {
	for _, f := range []struct {
		name string
		f    func(int, call, http.ResponseWriter, *http.Request) bool
		want string
	}{
		{"500", status(500), "500 Internal Server Error: no"},
		{"404 in between is the vendor's to read", status(422), "request was refused: 422 Unprocessable Entity: no"},
		{"cut JSON", body(`{"rows":[{"id":"x"`), "unexpected end of JSON input"},
		{"not JSON", body("<html>login</html>"), "invalid character"},
		{"hang", func(_ int, _ call, _ http.ResponseWriter, r *http.Request) bool { hang(r); return true }, "api.test: no complete answer within 1m0s"},
		{"cut body", cutBody, "api.test: the connection ended within the answer"},
		{"redirect", status(302, "Location", "https://evil.example/?secret=1"), "302 Found to https://evil.example, which is not followed"},
		{"too long", tooLong, "answer of api.test is longer than 1KiB; see max_body"},
		{"denied", body(`{"denied":"licence"}`), "denied: licence"},
	} {
		t.Run(f.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				api := &vendorAPI{page: 10}
				start := time.Now()
				items, ids := many(25, start.Add(-25*time.Minute), time.Minute)
				api.add(items...)
				api.fault = func(n int, c call, w http.ResponseWriter, r *http.Request) bool {
					return strings.HasSuffix(c.cursor, ":10") && f.f(n, c, w, r)
				}
				b := setUp(t, api, func(c *Config) { c.Since, c.MaxBody = 30*time.Minute, 1<<10 })
				b.start()
				pass(2 * time.Hour)
				assert.WithinDuration(t, start.Add(-30*time.Minute), b.log.position().Read, time.Second)
				errs := b.failures()
				require.NotEmpty(t, errs)
				for _, err := range errs {
					assert.ErrorContains(t, err, f.want)
					assert.NotContains(t, err.Error(), "secret")
					var p *source.Pause
					require.ErrorAs(t, err, &p)
					assert.Equal(t, 5*time.Minute, p.For)
				}
				assert.Len(t, b.log.ids(), 10, "what was read is durable")
				assert.Equal(t, 1, b.log.ready, "it was well once, and not again")
				api.fail(nil)
				pass(6 * time.Minute)
				b.end()
				assert.ElementsMatch(t, ids, b.log.ids())
				assert.Equal(t, 2, b.log.ready)
				assert.Contains(t, b.Progress(), "caught up to")
			})
		})
	}
}

func body(text string) func(int, call, http.ResponseWriter, *http.Request) bool {
	return func(_ int, _ call, w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte(text))
		return true
	}
}

func cutBody(_ int, _ call, w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"rows":[]`))
	panic(http.ErrAbortHandler)
}

func tooLong(_ int, _ call, w http.ResponseWriter, _ *http.Request) bool {
	_, _ = w.Write([]byte(strings.Repeat(" ", 2000)))
	return true
}

// A request is repeated three times before the look is given up, and what works then
// is no failure.
func TestHiccupsAreNobodysBusiness(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{fault: first(3, "rows", status(503))}
		api.add(item{id: "a", at: at("11:59")})
		b := setUp(t, api, func(c *Config) { c.Since = 30 * time.Minute })
		b.start()
		pass(time.Minute)
		b.end()
		assert.Equal(t, []string{"a"}, b.log.ids())
		assert.Empty(t, b.failures())
		calls := api.asked("rows")
		require.Len(t, calls, 4)
		for i, pause := range retries {
			assert.WithinDuration(t, calls[i].at.Add(pause), calls[i+1].at, 10*time.Millisecond)
		}
	})
}

func TestProgress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{}
		b := setUp(t, api, nil)
		assert.Empty(t, b.Progress())
		assert.Zero(t, b.Position())
		b.start()
		pass(time.Second)
		assert.Equal(t, "caught up to "+b.Position().Local().Format("15:04:05"), b.Progress())
		assert.WithinDuration(t, at("11:59:30"), b.Position(), time.Second)
		assert.InDelta(t, 0, b.meter.get("behind_seconds"), 1)

		api.fail(status(500))
		pass(7 * time.Hour)
		assert.Equal(t, "at "+b.Position().Local().Format("01-02 15:04")+", 7 h behind", b.Progress())
		assert.InDelta(t, 7*3600, b.meter.get("behind_seconds"), 600)
		pass(60 * time.Hour)
		assert.Contains(t, b.Progress(), ", 2 d behind")

		api.fail(first(1, "rows", status(429, "Retry-After", "3600")))
		pass(10 * time.Minute)
		assert.Contains(t, b.Progress(), ", throttled until "+time.Now().Add(b.client.gate.left()).Local().Format("15:04:05"))
		b.end()
		assert.Equal(t, "59 min", span(59*time.Minute+59*time.Second))
	})
}

// The clock of windows is the API's, whatever this machine's says.
func TestClocksThatDiffer(t *testing.T) {
	for _, skew := range []time.Duration{-10 * time.Minute, -2 * time.Second, 2 * time.Second, 10 * time.Minute, 30 * time.Hour} {
		for _, steps := range []int{0, 1} {
			t.Run(fmt.Sprint(skew, steps), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					api := &vendorAPI{skew: skew, steps: steps, life: 5 * time.Minute}
					theirs := time.Now().Add(skew)
					var want []string
					for i := range 240 {
						at := theirs.Add(time.Duration(i-60) * time.Minute)
						late := time.Duration(i*53%480) * time.Second
						id := fmt.Sprint("e", i)
						api.add(item{id: id, at: at, seen: at.Add(late)})
						if i < 160 {
							want = append(want, id)
						}
					}
					b := setUp(t, api, func(c *Config) { c.Since = 2*time.Hour + skew.Abs() })
					b.start()
					pass(2 * time.Hour)
					got := b.log.ids()
					for _, id := range want {
						assert.Contains(t, got, id)
					}
					assert.Empty(t, b.failures())
					assert.False(t, b.Position().After(time.Now().Add(skew-b.cfg.Settle)), "never beyond the API's now")
					assert.WithinDuration(t, time.Now().Add(skew), b.Position(), b.cfg.Every+b.cfg.Settle+3*time.Second)
					b.end()
					seen := map[string]bool{}
					for _, id := range got {
						assert.False(t, seen[id], "%s twice", id)
						seen[id] = true
					}
					if skew.Abs() > time.Minute {
						assert.Equal(t, 1, strings.Count(b.said.String(), "the API's, which is used"), b.said.String())
					} else {
						assert.Empty(t, b.said.String())
					}
				})
			})
		}
	}
}

func TestAPositionThatCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setUp(t, &vendorAPI{}, nil)
		for _, text := range []string{"x", `{"v":2,"read":"2026-01-01T00:00:00Z","final":"2026-01-01T00:00:00Z"}`, `{"v":1}`,
			`{"v":1,"read":"2026-01-01T00:00:00Z","final":"2026-01-01T00:00:01Z","since":"2026-01-01T00:00:00Z"}`} {
			b.log.marks[markPosition] = []byte(text)
			err := b.Run(t.Context(), b.log)
			assert.ErrorContains(t, err, "position", text)
			assert.Zero(t, b.Since(b.log.Mark))
		}
		assert.Empty(t, b.api.asked(""), "an API is not read from a place that is guessed")
	})
}

func TestRememberAndSince(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setUp(t, &vendorAPI{}, func(c *Config) { c.Since = time.Minute })
		assert.Equal(t, 2*(10*time.Minute+30*time.Second+time.Hour+5*time.Minute), b.Remember())
		b.Source.cfg.Rescan, b.Source.cfg.RescanEvery = 24*time.Hour, time.Hour
		assert.Equal(t, 2*(25*time.Hour+5*time.Minute), b.Remember())
		assert.Zero(t, b.Since(b.log.Mark))
		b.start()
		pass(time.Second)
		assert.Equal(t, b.log.position().Final.Add(-time.Minute), b.Since(b.log.Mark))
		b.end()

		b = setUp(t, &vendorAPI{skew: time.Hour}, nil)
		b.start()
		pass(time.Second)
		b.end()
		assert.WithinDuration(t, b.log.position().Final.Add(-time.Hour-time.Minute), b.Since(b.log.Mark), time.Second)
	})
}

// Events without an id are recognised by their content.
func TestIdentity(t *testing.T) {
	s := &Source{vendor: "test"}
	s.cfg.Updates = true
	key := func(id, version, raw string) event.Key {
		_, k := s.identify(&kit.Row{ID: []byte(id), Version: []byte(version), Raw: []byte(raw)})
		return k
	}
	assert.Equal(t, key("a", "", "1"), key("a", "", "2"))
	assert.NotEqual(t, key("a", "1", ""), key("a", "2", ""))
	assert.NotEqual(t, key("a", "1", ""), key("a", "", ""))
	assert.Equal(t, key("", "", `{"a":1,"b":2}`), key("", "1", `{"b":2, "a":1}`), "order and white space do not matter")
	assert.NotEqual(t, key("", "", `{"a":1}`), key("", "", `{"a":2}`))
	assert.NotEqual(t, key("", "", `{"a":1`), key("", "", `{"a":2`), "nor must it be JSON")
	other := &Source{vendor: "other"}
	_, k := other.identify(&kit.Row{ID: []byte("a")})
	assert.NotEqual(t, k, key("a", "", ""))
	s.cfg.Updates = false
	assert.Equal(t, key("a", "1", ""), key("a", "2", ""))
	id, k := s.identify(&kit.Row{ID: []byte("a"), Version: []byte("3")})
	assert.Equal(t, id, k)
}
