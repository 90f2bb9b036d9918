package poll

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBackfill(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{page: 10}
		items, ids := many(600, today.Add(-28*time.Hour), 4*time.Minute) // until 12:00
		api.add(items...)
		b := setUp(t, api, func(c *Config) { c.Since = time.Hour })
		nothing := func(time.Time, int, int) {}
		assert.EqualError(t, b.Backfill(t.Context(), today, today.Add(time.Hour), nothing), "the source is not running; siemfwd status says why")
		b.start()
		pass(time.Second)
		before, known := b.log.position(), len(b.log.ids())
		require.Less(t, known, 20)
		assert.ErrorContains(t, b.Backfill(t.Context(), today, today, nothing), "is not before")

		read, fresh, last := 0, 0, time.Time{}
		from, to := today.Add(-28*time.Hour), today.Add(11*time.Hour+30*time.Minute)
		err := b.Backfill(t.Context(), from, to, func(at time.Time, rows, n int) {
			assert.False(t, at.Before(last))
			read, fresh, last = read+rows, fresh+n, at
		})
		require.NoError(t, err)
		assert.Equal(t, to, last)
		assert.Equal(t, 593, read)
		assert.Equal(t, 600-known, fresh)
		assert.ElementsMatch(t, ids, b.log.ids())
		assert.Equal(t, before, b.log.position(), "the position stays where it is")
		assert.Zero(t, b.meter.get("late_events"))

		fresh = 0
		require.NoError(t, b.Backfill(t.Context(), from, time.Now().Add(time.Hour), func(at time.Time, _, n int) {
			fresh, last = fresh+n, at
		}))
		assert.Zero(t, fresh, "nothing is repeated")
		assert.WithinDuration(t, time.Now(), last, 2*time.Second, "the future is not asked for")
		b.end()
	})
}

// A backfill ends with its context, with the source, and does not run twice.
func TestBackfillEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		api := &vendorAPI{page: 1}
		items, _ := many(600, today, time.Minute)
		api.add(items...)
		b := setUp(t, api, func(c *Config) { c.Since, c.RequestsPerMinute = time.Minute, 60 })
		b.start()
		pass(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		fill := func(ctx context.Context) { done <- b.Backfill(ctx, today, time.Now(), func(time.Time, int, int) {}) }
		go fill(ctx)
		pass(30 * time.Second)
		assert.ErrorContains(t, b.Backfill(ctx, today, time.Now(), nil), "running already")
		cancel()
		assert.ErrorIs(t, <-done, context.Canceled)

		go fill(t.Context())
		pass(30 * time.Second)
		b.end()
		assert.ErrorIs(t, <-done, errStopped)
		b.renew()
		b.start()
		pass(time.Second)
		go fill(t.Context())
		pass(time.Second)
		api.fail(func(_ int, c call, w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, fmt.Sprint(c.kind), http.StatusForbidden)
			return true
		})
		assert.ErrorContains(t, <-done, "denied: 403")
		assert.Empty(t, b.failures(), "what a backfill meets does not end the Run")
		b.end()
	})
}
