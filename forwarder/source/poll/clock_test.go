package poll

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestClockWithoutADate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var c clock
		assert.Equal(t, time.Now().UTC(), c.now())
		assert.Equal(t, time.UTC, c.now().Location())
		assert.Zero(t, c.skew())
	})
}

// However fast and late answers arrive, the clock is never ahead of the API's, and
// close behind it.
func TestClockIsNeverAhead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		skew := time.Duration(rapid.Int64Range(-1e14, 1e14).Draw(t, "skew"))
		now, slowest := today, time.Duration(0)
		var c clock
		for range rapid.IntRange(1, 30).Draw(t, "answers") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "gap")))
			date := now.Add(skew).Truncate(time.Second)
			way := time.Duration(rapid.Int64Range(0, 5e9).Draw(t, "way"))
			slowest = max(slowest, way)
			now = now.Add(way)
			c.observe(date, now)
			off := c.at(now).Sub(now.Add(skew))
			if off > 0 {
				t.Fatalf("ahead by %v", off)
			}
			if -off > slowest+time.Second+clockSlack {
				t.Fatalf("behind by %v", -off)
			}
		}
	})
}

// One answer with a date that is far in the future moves nothing.
func TestClockDoesNotTrustOneAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var c clock
		for i := range 20 {
			date := time.Now()
			if i%9 == 2 {
				date = date.Add(time.Hour)
			}
			c.observe(date, time.Now())
			assert.Zero(t, c.skew(), "answer %d", i)
			time.Sleep(10 * time.Second)
		}
	})
}

// One answer that was slow does not hold us back.
func TestClockForgivesASlowAnswer(t *testing.T) {
	var c clock
	for i := range 20 {
		now := today.Add(time.Duration(i) * 10 * time.Second)
		arrived := now
		if i%9 == 2 {
			arrived = now.Add(5 * time.Second)
		}
		c.observe(now, arrived)
		if i > 2 {
			assert.Equal(t, arrived, c.at(arrived), "answer %d", i)
		}
	}
}

// What the clock says goes on with the monotonic clock, whatever somebody sets this
// machine's to.
func TestClockGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var c clock
		ours := time.Now()
		c.observe(ours.Add(time.Hour).Truncate(time.Second), ours)
		time.Sleep(time.Minute)
		assert.Equal(t, ours.Add(time.Hour+time.Minute).Round(0).UTC(), c.now())
		assert.Equal(t, -time.Hour, c.skew())
	})
}
