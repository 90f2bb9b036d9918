package poll

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPositionMark(t *testing.T) {
	p := position{Read: today.Add(time.Hour + time.Nanosecond), Final: today, Since: today.Add(2 * time.Hour)}
	m := p.mark()
	assert.Equal(t, `{"v":1,"read":"2026-03-03T01:00:00.000000001Z","final":"2026-03-03T00:00:00Z","since":"2026-03-03T02:00:00Z"}`, string(m.Value))
	back, ok, err := readPosition(m.Value)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, p, back)
	_, ok, err = readPosition(nil)
	assert.False(t, ok)
	assert.NoError(t, err)
	assert.Equal(t, p.Read, readTime(timeMark("x", p.Read).Value))
	assert.Zero(t, readTime(nil))
}

// What was read of a mark can be written and read again.
func FuzzReadPosition(f *testing.F) {
	f.Add([]byte(`{"v":1,"read":"2026-03-03T01:00:00Z","final":"2026-03-03T00:00:00Z","since":"2026-03-03T02:00:00Z"}`))
	f.Add([]byte(`{"v":1,"read":"2026-03-03T01:00:00+01:00","final":"0001-03-03T00:00:00Z","since":"2026-03-03T02:00:00Z"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, value []byte) {
		p, ok, err := readPosition(value)
		if !ok || err != nil {
			return
		}
		if p.Final.After(p.Read) {
			t.Fatal("final is behind read")
		}
		again, ok, err := readPosition(p.mark().Value)
		if !ok || err != nil || !again.Read.Equal(p.Read) || !again.Final.Equal(p.Final) || !again.Since.Equal(p.Since) {
			t.Fatalf("%s: %v %v %v", value, again, ok, err)
		}
	})
}

// However looks are cut into windows, take time and fail: Final is never beyond what
// was read an overlap after its time, and neither goes back.
func TestFinalIsFinal(t *testing.T) {
	const overlap, settle = 10 * time.Minute, 30 * time.Second
	rapid.Check(t, func(t *rapid.T) {
		now := today
		p := position{Read: today.Add(-time.Hour), Final: today.Add(-time.Hour)}
		// read holds, by minute of the API's time, when it was read last.
		read := map[int]time.Time{}
		minute := func(x time.Time) int { return int(x.Sub(today) / time.Minute) }
		for range rapid.IntRange(1, 12).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1200).Draw(t, "gap")) * time.Second)
			g := progress{overlap: overlap, settle: settle, now: p}
			target := now.Add(-settle).Truncate(time.Minute)
			for at := p.Final.Truncate(time.Minute); at.Before(target); {
				to := earlier(at.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "window"))*time.Minute), target)
				began := now
				now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "takes")) * time.Second)
				if rapid.IntRange(0, 9).Draw(t, "fails") == 0 {
					break
				}
				for m := minute(at); m < minute(to); m++ {
					read[m] = began
				}
				next := g.reach(to, began)
				if next.Final.Before(p.Final) || next.Read.Before(p.Read) || next.Final.After(next.Read) {
					t.Fatalf("from %v to %v", p, next)
				}
				g.now, p, at = next, next, to
				for m := -59; m < minute(p.Final); m++ {
					end := today.Add(time.Duration(m+1) * time.Minute)
					if r, ok := read[m]; !ok || r.Before(end.Add(overlap).Add(-time.Minute)) {
						t.Fatalf("minute %d was read at %v and is final at %v", m, r, p.Final)
					}
				}
			}
		}
	})
}
