package spool_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

// What a source may meet again stays however old it is, and goes when the source has
// moved on.
func TestSinceHoldsWhatIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := spool.Open("s", spool.Options{FS: faultfs.New(), Keep: time.Minute, Segment: 4096,
			Since: func(mark func(string) []byte) time.Time {
				at, err := time.Parse(time.RFC3339, string(mark("at")))
				if err != nil {
					return time.Time{}
				}
				return at
			}})
		require.NoError(t, err)
		began := time.Now()
		fill := func() {
			var b event.Batch
			for range 20 {
				b.Reset()
				b.Add(event.Raw{Data: []byte(strings.Repeat("x", 500)), Time: time.Now()})
				require.NoError(t, s.Emit(context.Background(), &b))
			}
		}
		count := func(hour int) (n int) {
			for e, err := range s.Range(began.Add(time.Duration(hour)*time.Hour), began.Add(time.Duration(hour)*time.Hour+time.Minute)) {
				require.NoError(t, err)
				assert.Len(t, e.Data, 500)
				n++
			}
			return n
		}
		move := func(to time.Time) {
			b := event.Batch{Marks: []event.Mark{{Key: "at", Value: []byte(to.UTC().Format(time.RFC3339))}}}
			require.NoError(t, s.Emit(context.Background(), &b))
			time.Sleep(3 * time.Second)
		}
		fill()
		time.Sleep(time.Hour)
		fill()
		time.Sleep(time.Hour)
		assert.Equal(t, 20, count(0), "the zero time holds everything")
		move(began)
		assert.Equal(t, 20, count(0))
		move(began.Add(30 * time.Minute))
		assert.Less(t, count(0), 10, "what shares a segment with the young stays")
		assert.Equal(t, 20, count(1))
		fill()
		move(time.Now().Add(time.Hour))
		assert.Less(t, count(1), 10)
		assert.Equal(t, 20, count(2), "what is young stays anyhow")
		require.NoError(t, s.Close())
	})
}
