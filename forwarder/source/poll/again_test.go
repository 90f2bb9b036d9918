package poll

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// After a start the API's clock is not known. When it is ahead of ours, and so is the
// position, the API is asked all the same.
func TestAClockBehindTheAPIIsFoundOutAfterAStart(t *testing.T) {
	for _, overlap := range []time.Duration{0, time.Minute} {
		bubble(t, func(t *testing.T) {
			api := &vendorAPI{skew: 20 * time.Hour}
			items, _ := many(120, time.Now().Add(api.skew), time.Minute)
			api.add(items...)
			b := setUp(t, api, func(c *Config) { c.Since, c.Overlap = 24*time.Hour, overlap })
			b.start()
			pass(30 * time.Minute)
			b.end()
			read := len(b.log.ids())
			assert.Greater(t, read, 20)
			b.renew()
			pass(30 * time.Minute)
			b.start()
			pass(time.Minute)
			assert.GreaterOrEqual(t, len(b.log.ids()), read+29, "what came meanwhile is read at once")
			assert.False(t, b.Position().After(time.Now().Add(api.skew)))
			b.end()
		})
	}
}

// A cursor that stays the same over a walk goes on when the API has answered, whether
// or not the answer arrived.
func TestAnAnswerThatIsLostIsNotSkipped(t *testing.T) {
	for name, lose := range map[string]func(w http.ResponseWriter){
		"cut": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"rows":[{"id":`)) },
		"502": func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				api := &vendorAPI{stable: true, oneWay: true}
				items, ids := many(60, time.Now().Add(-20*time.Hour), time.Second)
				api.add(items...)
				lost := false
				api.fault = func(_ int, c call, w http.ResponseWriter, _ *http.Request) bool {
					if lost || c.cursor == "" {
						return false
					}
					lost = true
					api.mu.Lock()
					api.served[c.cursor] += api.page // it was handed out
					api.mu.Unlock()
					lose(w)
					return true
				}
				b := setUp(t, api, nil)
				b.start()
				pass(10 * time.Minute)
				b.end()
				assert.True(t, lost)
				assert.ElementsMatch(t, ids, b.log.ids())
			})
		})
	}
}
