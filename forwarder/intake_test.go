package forwarder

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

func TestSeenForgetsWhatIsOld(t *testing.T) {
	now := time.Now()
	s := newSeen(time.Hour)
	assert.True(t, s.add(event.Key{1}, now))
	assert.False(t, s.add(event.Key{1}, now.Add(59*time.Minute)))
	assert.True(t, s.add(event.Key{2}, now.Add(time.Hour)), "and this makes the first too old")
	assert.True(t, s.add(event.Key{1}, now.Add(time.Hour)))
	s.forget(event.Key{1})
	assert.True(t, s.add(event.Key{1}, now.Add(time.Hour)))
}

// Keys of what a source may meet again are remembered however old they are.
func TestSeenHoldsWhatMayComeAgain(t *testing.T) {
	now := time.Now()
	s := newSeen(time.Hour)
	s.old, s.since = true, now
	s.add(event.Key{1}, now.Add(-time.Minute))
	s.add(event.Key{2}, now)
	s.add(event.Key{3}, now.Add(time.Minute))
	later := now.Add(100 * time.Hour)
	s.add(event.Key{4}, later)
	assert.Len(t, s.at, 3, "what came before since is as old as it is")
	assert.False(t, s.add(event.Key{2}, later))
	assert.False(t, s.add(event.Key{3}, later))
	s.since = now.Add(time.Second)
	assert.True(t, s.add(event.Key{2}, later))
	assert.False(t, s.add(event.Key{3}, later))
	s.since = time.Time{}
	assert.False(t, s.add(event.Key{4}, later.Add(100*time.Hour)), "the zero time is from ever on")
}

// However many events come within keep, the memory of them is bounded, but for what a
// source relies on.
func TestSeenIsBounded(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		least time.Duration
		want  int
	}{{0, mostKeys}, {time.Minute, mostKeys + 1000}} {
		s := newSeen(time.Hour)
		s.least = c.least
		for i := range mostKeys + 1000 {
			s.add(event.Key{byte(i), byte(i >> 8), byte(i >> 16)}, now)
		}
		assert.Len(t, s.at, c.want)
	}
}

func TestSeenLetsGoOfItsMemory(t *testing.T) {
	s := newSeen(time.Minute)
	now := time.Now()
	for i := range 100_000 {
		s.add(event.Key{byte(i), byte(i >> 8), byte(i >> 16)}, now.Add(time.Duration(i)*time.Second))
	}
	assert.Len(t, s.at, 60)
	assert.Less(t, cap(s.order), 10_000)
}
