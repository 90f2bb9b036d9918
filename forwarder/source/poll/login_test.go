package poll

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// A token is renewed at four fifths of its life, so that no call meets its end.
func TestTokensAreRenewedBeforeTheyEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{steps: 1, life: 5 * time.Minute}
		b := setUp(t, api, func(c *Config) { c.Every = 10 * time.Second })
		began := time.Now()
		b.start()
		pass(59 * time.Minute)
		b.end()
		logins := api.asked("login0")
		require.Len(t, logins, 15)
		for i, l := range logins {
			assert.WithinDuration(t, began.Add(time.Duration(i)*4*time.Minute), l.at, 2*time.Second)
		}
		assert.Empty(t, b.failures())
		assert.Equal(t, 15.0, b.meter.get("api_logins"))
		for _, c := range api.asked("rows") {
			require.True(t, strings.HasPrefix(c.header.Get("Authorization"), "Bearer token-0-"))
			require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, c.header.Get("X-Req-Id"))
			require.Equal(t, "siemfwd", c.header.Get("User-Agent"))
		}
	})
}

// 48 hours of tokens that live five minutes, with a token endpoint that fails one time
// in ten and is gone for half an hour, and a clock ten minutes off: nothing is lost and
// the endpoint is never pressed.
func TestTwoDaysOfShortTokens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{steps: 2, life: 5 * time.Minute, skew: 10 * time.Minute}
		items, ids := many(2*24*30, time.Now().Add(api.skew), 2*time.Minute)
		api.add(items...)
		began, logins, failed := time.Now(), 0, map[int]bool{}
		api.fault = func(n int, c call, w http.ResponseWriter, _ *http.Request) bool {
			if !strings.HasPrefix(c.kind, "login") {
				return false
			}
			logins++
			outage := c.at.After(began.Add(20*time.Hour)) && c.at.Before(began.Add(20*time.Hour+30*time.Minute))
			if logins%10 == 0 || outage {
				failed[n] = true
				http.Error(w, "sorry", http.StatusBadGateway)
				return true
			}
			return false
		}
		b := setUp(t, api, nil)
		b.start()
		pass(48*time.Hour + 30*time.Minute)
		b.end()
		assert.ElementsMatch(t, ids, b.log.ids())
		var last time.Time
		for i, c := range api.asked("") {
			if !strings.HasPrefix(c.kind, "login") {
				continue
			}
			if !last.IsZero() {
				assert.GreaterOrEqual(t, c.at.Sub(last), loginPause, "after a failure")
			}
			if last = (time.Time{}); failed[i+1] {
				last = c.at
			}
		}
		for _, err := range b.failures() {
			assert.ErrorContains(t, err, "login: 502", "the outage, and nothing else")
		}
		assert.LessOrEqual(t, len(b.failures()), 7)
	})
}

// A login that fails is said at once: the next is half a minute away.
func TestALoginThatFailsIsSaid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api, broken := &vendorAPI{steps: 1}, 0
		api.fault = func(_ int, c call, w http.ResponseWriter, _ *http.Request) bool {
			if strings.HasPrefix(c.kind, "login") && broken < 2 {
				broken++
				http.Error(w, "sorry", http.StatusBadGateway)
				return true
			}
			return false
		}
		b := setUp(t, api, nil)
		b.start()
		pass(10 * time.Second)
		assert.Equal(t, 1, strings.Count(b.said.String(), "cannot be logged in to and is tried again: 502"), b.said.String())
		pass(2 * time.Minute)
		assert.Equal(t, 1, strings.Count(b.said.String(), "\n"), "once for both")
		assert.Empty(t, b.failures())
		b.end()
	})
}

// A refused token is replaced once, and the request repeated; a second refusal is
// reported, and the next login waits.
func TestRefusedTokens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{steps: 2}
		b := setUp(t, api, func(c *Config) { c.Every = time.Minute })
		b.start()
		pass(time.Second)
		require.Len(t, api.asked("login0"), 1)

		api.mu.Lock()
		for token := range api.tokens { // only what the second step gave
			if strings.HasPrefix(token, "token-1-") {
				delete(api.tokens, token)
			}
		}
		api.mu.Unlock()
		pass(time.Minute)
		assert.Len(t, api.asked("login0"), 1, "the first step's token is still good")
		assert.Len(t, api.asked("login1"), 2)
		assert.Empty(t, b.failures())

		api.revoke()
		pass(time.Minute)
		assert.Len(t, api.asked("login0"), 2, "the second step was refused: everything anew")
		assert.Len(t, api.asked("login1"), 4)
		assert.Empty(t, b.failures())

		api.fail(first(1<<30, "rows", status(401)))
		calls, logins := len(api.asked("rows")), len(api.asked("login1"))
		pass(30 * time.Minute)
		b.end()
		errs := b.failures()
		require.NotEmpty(t, errs)
		assert.ErrorContains(t, errs[0], "denied: 401 Unauthorized: no")
		var p *source.Pause
		require.ErrorAs(t, errs[0], &p)
		assert.Equal(t, time.Minute, p.For)
		n := len(errs)
		assert.LessOrEqual(t, len(api.asked("rows"))-calls, 2*n)
		assert.LessOrEqual(t, len(api.asked("login1"))-logins, 2*n, "one forced login a look, and the one before it")
		assert.Equal(t, 1, b.log.ready)
	})
}

// Wrong credentials are asked about once an interval, and never more than twice a
// minute.
func TestWrongCredentials(t *testing.T) {
	for _, every := range []time.Duration{10 * time.Second, 5 * time.Minute} {
		bubble(t, func(t *testing.T) {
			api := &vendorAPI{steps: 1, fault: status(401)}
			b := setUp(t, api, func(c *Config) { c.Every = every })
			b.start()
			pass(time.Hour)
			b.end()
			calls := api.asked("")
			assert.Len(t, api.asked("rows"), 0)
			gap := max(every, loginPause)
			for i := range calls[1:] {
				assert.GreaterOrEqual(t, calls[i+1].at.Sub(calls[i].at), gap)
			}
			assert.InDelta(t, time.Hour/gap, len(calls), 2)
			require.NotEmpty(t, b.failures())
			assert.ErrorContains(t, b.failures()[0], "login: denied: 401 Unauthorized: no")
		})
	}
}

// A token without a known end is used until it is refused.
func TestTokensWithoutAnEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{steps: 1}
		b := setUp(t, api, nil)
		b.start()
		pass(100 * time.Hour)
		assert.Len(t, api.asked("login0"), 1)
		b.end()
	})
}

// Never do two log in at once, however many need a token.
func TestLoginsAreSingle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{steps: 1, life: 30 * time.Second}
		under, most, mu := 0, 0, sync.Mutex{}
		api.fault = func(_ int, c call, _ http.ResponseWriter, _ *http.Request) bool {
			if c.kind == "login0" {
				mu.Lock()
				under++
				most = max(most, under)
				mu.Unlock()
				time.Sleep(3 * time.Second)
				mu.Lock()
				under--
				mu.Unlock()
			}
			return false
		}
		b := setUp(t, api, nil)
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				for range 20 {
					time.Sleep(time.Duration(i) * 700 * time.Millisecond)
					_, err := b.Lookup(t.Context(), "echo", "x")
					assert.NoError(t, err)
				}
			})
		}
		all.Wait()
		assert.Equal(t, 1, most)
	})
}

// While the token endpoint wants no requests, a token that is still good is used.
func TestAGoodTokenIsUsedWhileLoginsFail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{steps: 1, life: 10 * time.Minute}
		b := setUp(t, api, func(c *Config) { c.Every = 20 * time.Second })
		b.start()
		pass(7 * time.Minute)
		api.fail(first(1<<30, "login0", status(503)))
		pass(150 * time.Second) // it should be renewed after 8 minutes
		assert.Empty(t, b.failures())
		assert.Greater(t, len(api.asked("login0")), 2)
		api.fail(nil)
		pass(10 * time.Minute)
		b.end()
		assert.Empty(t, b.failures())
	})
}

// What a login answers is looked at like anything else.
func TestLoginAnswers(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(int, call, http.ResponseWriter, *http.Request) bool
		want string
	}{
		{"no token", body(`{"expires_in":5}`), "login: the answer to step 1 of the login holds no token"},
		{"not JSON", body(`<html>`), "login: invalid character"},
		{"forbidden", status(403), "login: denied: 403 Forbidden: no"},
		{"bad", status(400), "login: request was refused: 400 Bad Request: no"},
		{"redirect", status(307, "Location", "http://evil.example/take"), "login: 307 Temporary Redirect to http://evil.example, which is not followed"},
		{"redirect without a place", status(304), "login: 304 Not Modified"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				api := &vendorAPI{steps: 1, fault: c.f}
				b := setUp(t, api, nil)
				b.start()
				pass(10 * time.Minute)
				b.end()
				require.NotEmpty(t, b.failures())
				assert.ErrorContains(t, b.failures()[0], c.want)
				for _, call := range api.asked("") {
					assert.Equal(t, "login0", call.kind)
				}
			})
		})
	}
}

func TestAStepThatCannotBeAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setUp(t, &vendorAPI{steps: 1}, nil)
		b.client.api.Auth[0].Request = func(kit.Call) (kit.Request, error) { return kit.Request{Path: "@evil.example/"}, nil }
		err := b.Try(t.Context())
		assert.ErrorContains(t, err, `login: request: path "@evil.example/" leads to another host`)
		assert.Empty(t, b.api.asked(""))
	})
}
