package splunkhec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// indexer is a receiver with acknowledgement that the test is in command of.
type indexer struct {
	*script
	mu    sync.Mutex
	next  int
	done  map[int]bool
	asked int
	post  http.HandlerFunc // in place of its own answer
	ack   http.HandlerFunc
}

func newIndexer(t testing.TB) *indexer {
	x := &indexer{done: map[int]bool{}}
	x.script = play(t, x.serve)
	return x
}

func (x *indexer) serve(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	own := x.post
	if strings.HasSuffix(r.URL.Path, "/ack") {
		own = x.ack
		x.asked++
	}
	switch {
	case own != nil:
		own(w, r)
	case strings.HasSuffix(r.URL.Path, "/ack"):
		var acks []string
		for id := range x.next {
			acks = append(acks, fmt.Sprintf(`"%d":%t`, id, x.done[id]))
		}
		_, _ = io.WriteString(w, `{"acks":{`+strings.Join(acks, ",")+"}}")
	default:
		_, _ = fmt.Fprintf(w, `{"text":"Success","code":0,"ackId":%d}`, x.next)
		x.next++
	}
}

func (x *indexer) set(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f()
}

// confirming builds a sink that asks often.
func confirming(t testing.TB, url string, change func(*Config)) (*Confirming, *Sink) {
	t.Helper()
	c := config(url)
	c.Ack = true
	if change != nil {
		change(&c)
	}
	s, in, _ := build(t, c)
	in.state.first = time.Millisecond
	return s.(*Confirming), in
}

// until waits for a state of affairs.
func until(t testing.TB, c sink.Confirmer, want func(p sink.Progress) bool) sink.Progress {
	t.Helper()
	late := time.After(patience)
	for {
		p := c.Progress()
		if want(p) {
			return p
		}
		select {
		case <-p.Changed:
		case <-late:
			require.FailNow(t, "it did not come to that", "%+v", p)
		}
	}
}

func TestConfirmedIsWhatIsIndexedInOrder(t *testing.T) {
	x := newIndexer(t)
	c, _ := confirming(t, x.URL, nil)
	for i := range 3 {
		require.NoError(t, c.Send(t.Context(), items(10*i, 10)))
	}
	assert.EqualValues(t, 30, c.Progress().Taken)
	x.set(func() { x.done[1] = true })
	require.Eventually(t, func() bool { x.mu.Lock(); defer x.mu.Unlock(); return x.asked >= 3 }, patience, time.Millisecond)
	assert.Zero(t, c.Progress().Confirmed, "the second without the first")
	x.set(func() { x.done[0] = true })
	until(t, c, func(p sink.Progress) bool { return p.Confirmed == 20 })
	x.set(func() { x.done[2] = true })
	p := until(t, c, func(p sink.Progress) bool { return p.Confirmed == 30 })
	assert.Zero(t, p.Session)
	var channel string
	for _, q := range x.seen() {
		if channel == "" {
			channel = q.Header.Get("X-Splunk-Request-Channel")
			assert.Len(t, channel, 36)
		}
		assert.Equal(t, channel, q.Header.Get("X-Splunk-Request-Channel"))
		assert.Equal(t, "Splunk 00000000-0000-4000-8000-000000000000", q.Header.Get("Authorization"))
	}
	last := x.seen()[len(x.seen())-1]
	assert.Equal(t, "/services/collector/ack", last.URL.Path)
	assert.Equal(t, `{"acks":[2]}`, last.body)
}

func TestAnotherIndexerEndsTheSession(t *testing.T) {
	x := newIndexer(t)
	c, _ := confirming(t, x.URL, nil)
	require.NoError(t, c.Send(t.Context(), items(0, 10)))
	require.NoError(t, c.Send(t.Context(), items(10, 10)))
	x.set(func() { x.done[0] = true })
	until(t, c, func(p sink.Progress) bool { return p.Confirmed == 10 })
	x.set(func() { x.next = 0; clear(x.done) })
	require.NoError(t, c.Send(t.Context(), items(20, 10)), "it has them, but nobody will ever know")
	p := c.Progress()
	assert.EqualValues(t, 1, p.Session)
	assert.EqualValues(t, 10, p.Before)
	assert.Zero(t, p.Taken)
	assert.ErrorContains(t, p.Ended, x.URL+": another indexer answers")
	require.ErrorIs(t, c.Send(t.Context(), items(10, 10)), sink.ErrSession)
	require.NoError(t, c.Send(t.Context(), items(10, 10)))
	x.set(func() { x.done[1] = true })
	until(t, c, func(p sink.Progress) bool { return p.Session == 1 && p.Confirmed == 10 })
	channels := map[string]bool{}
	for _, q := range x.seen() {
		channels[q.Header.Get("X-Splunk-Request-Channel")] = true
	}
	assert.Len(t, channels, 2)
}

// A restart with nothing pending is no loss.
func TestNumbersMayBeginAgainWhenNothingIsPending(t *testing.T) {
	x := newIndexer(t)
	c, _ := confirming(t, x.URL, nil)
	x.set(func() { x.done[0] = true })
	for range 3 {
		require.NoError(t, c.Send(t.Context(), items(0, 10)))
		until(t, c, func(p sink.Progress) bool { return p.Confirmed == p.Taken })
		x.set(func() { x.next = 0 })
	}
	assert.EqualValues(t, 30, c.Progress().Confirmed)
	assert.Zero(t, c.Progress().Session)
}

func TestWhatIsNotAcknowledgedInTimeIsSentAgain(t *testing.T) {
	x := newIndexer(t)
	c, in := confirming(t, x.URL, nil)
	in.cfg.AckTimeout = 20 * time.Millisecond
	require.NoError(t, c.Send(t.Context(), items(0, 10)))
	p := until(t, c, func(p sink.Progress) bool { return p.Session == 1 })
	assert.ErrorContains(t, p.Ended, "not acknowledged within 20ms")
	// From now on one at a time.
	require.ErrorIs(t, c.Send(t.Context(), items(0, 10)), sink.ErrSession)
	in.state.mu.Lock()
	in.cfg.AckTimeout = time.Hour
	in.state.mu.Unlock()
	require.NoError(t, c.Send(t.Context(), items(0, 10)))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Send(ctx, items(10, 10)), context.DeadlineExceeded)
	x.set(func() { x.done[1] = true })
	require.NoError(t, c.Send(t.Context(), items(10, 10)))
	require.NoError(t, c.Send(t.Context(), items(20, 10)), "the one was enough")
}

func TestTheWindowIsKept(t *testing.T) {
	x := newIndexer(t)
	c, _ := confirming(t, x.URL, func(c *Config) { c.AckWindow = 25 })
	require.NoError(t, c.Send(t.Context(), items(0, 10)))
	require.NoError(t, c.Send(t.Context(), items(10, 10)))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Send(ctx, items(20, 10)), context.DeadlineExceeded)
	assert.EqualValues(t, 20, c.Progress().Taken)
	x.set(func() { x.done[0] = true })
	require.NoError(t, c.Send(t.Context(), items(20, 10)))
	x.set(func() { x.done[1], x.done[2] = true, true })
	until(t, c, func(p sink.Progress) bool { return p.Confirmed == 30 })
	require.NoError(t, c.Send(t.Context(), items(30, 100)), "a batch that is larger than the window goes alone")
}

func TestATokenWithoutAcknowledgement(t *testing.T) {
	for name, prepare := range map[string]func(x *indexer){
		"says nothing of it": func(x *indexer) { x.post = says(200, success) },
		"says so when asked": func(x *indexer) { x.ack = says(400, `{"text":"ACK is disabled","code":14}`) },
		"says so at once":    func(x *indexer) { x.post = says(400, `{"text":"ACK is disabled","code":14}`) },
	} {
		t.Run(name, func(t *testing.T) {
			x := newIndexer(t)
			prepare(x)
			c, _ := confirming(t, x.URL, nil)
			err := c.Send(t.Context(), items(0, 10))
			if name == "says so at once" {
				require.ErrorContains(t, err, "ACK is disabled (code 14)")
				x.set(func() { x.post = says(200, success) })
				err = c.Send(t.Context(), items(0, 10))
			}
			require.NoError(t, err)
			until(t, c, func(p sink.Progress) bool { return p.Confirmed == 10 })
			require.NoError(t, c.Send(t.Context(), items(10, 10)))
			assert.EqualValues(t, 20, c.Progress().Confirmed)
			all := x.seen()
			assert.Empty(t, all[len(all)-1].Header.Get("X-Splunk-Request-Channel"))
		})
	}
}

func TestAnAnswerWithoutItsNumberIsNone(t *testing.T) {
	for _, body := range []string{"OK", `{"text":"Success","code":0,"ack`, ""} {
		x := newIndexer(t)
		x.post = says(200, body)
		c, _ := confirming(t, x.URL, nil)
		assert.Equal(t, "later", class(c.Send(t.Context(), items(0, 10))), body)
		assert.Zero(t, c.Progress().Taken)
	}
}

func TestAChannelThatIsNotKnownEndsTheSession(t *testing.T) {
	x := newIndexer(t)
	x.post = says(400, `{"text":"Invalid data channel","code":11}`)
	c, _ := confirming(t, x.URL, nil)
	err := c.Send(t.Context(), items(0, 10))
	require.ErrorIs(t, err, sink.ErrSession)
	require.ErrorContains(t, err, "Invalid data channel (code 11)")
	x.set(func() { x.post = nil; x.ack = says(400, `{"text":"Invalid data channel","code":11}`) })
	require.NoError(t, c.Send(t.Context(), items(0, 10)))
	until(t, c, func(p sink.Progress) bool { return p.Session == 2 })
}

// What was taken of a request that was refused gets no acknowledgement, so it is sent
// again by itself.
func TestAPartThatWasTakenIsSentAgain(t *testing.T) {
	x := newIndexer(t)
	refuse := `{"text":"Invalid data format","code":6,"invalid-event-number":4}`
	x.post = func(w http.ResponseWriter, r *http.Request) {
		x.post = nil
		says(400, refuse)(w, r)
	}
	c, _ := confirming(t, x.URL, nil)
	assert.Equal(t, "4 done", class(c.Send(t.Context(), items(0, 10))))
	assert.EqualValues(t, 4, c.Progress().Taken)
	x.set(func() { x.done[0] = true })
	until(t, c, func(p sink.Progress) bool { return p.Confirmed == 4 })
	x.set(func() { x.post = says(400, strings.Replace(refuse, "4}", "0}", 1)) })
	assert.Equal(t, "1 done, [0] refused", class(c.Send(t.Context(), items(4, 6))))
	assert.Equal(t, 4, strings.Count(x.seen()[1].body, "\n"))

	x.set(func() { x.post = says(503, strings.Replace(refuse, "6,", "9,", 1)) })
	assert.Equal(t, "later", class(c.Send(t.Context(), items(5, 5))))
	assert.EqualValues(t, 4, c.Progress().Taken)
}

// An answer that is lost may have had a number that is pending, if the indexer was started
// anew in between: nobody could tell whose acknowledgement comes.
func TestLostAnswersMayNotConfirmOthers(t *testing.T) {
	x := newIndexer(t)
	c, _ := confirming(t, x.URL, nil)
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	lose := func() {
		x.set(func() { x.post = cut })
		require.Error(t, c.Send(t.Context(), items(90, 10)))
		x.set(func() { x.post = nil })
	}
	require.NoError(t, c.Send(t.Context(), items(0, 10)))
	lose()
	p := c.Progress()
	assert.EqualValues(t, 1, p.Session)
	assert.ErrorContains(t, p.Ended, "an answer was lost")
	require.ErrorIs(t, c.Send(t.Context(), items(0, 10)), sink.ErrSession)

	// Another number cannot be meant. What is pending goes on to be asked for, over the
	// channel it went; what comes later goes over another one.
	x.set(func() { x.next, x.done[5] = 5, true })
	require.NoError(t, c.Send(t.Context(), items(0, 10)))
	until(t, c, func(p sink.Progress) bool { return p.Confirmed == 10 })
	require.NoError(t, c.Send(t.Context(), items(10, 10)))
	lose()
	require.NoError(t, c.Send(t.Context(), items(20, 10)))
	require.Eventually(t, func() bool { x.mu.Lock(); defer x.mu.Unlock(); return x.asked >= 9 }, patience, time.Millisecond)
	x.set(func() { x.done[6], x.done[7] = true, true })
	until(t, c, func(p sink.Progress) bool { return p.Confirmed == 30 && p.Session == 1 })
	over := map[string]string{}
	for _, q := range x.seen() {
		id := q.Header.Get("X-Splunk-Request-Channel")
		switch q.body {
		case `{"acks":[6]}`, `{"acks":[7]}`:
			over[q.body] = id
		}
		if strings.Contains(q.body, `"n":20,`) {
			over["post"] = id
		}
	}
	assert.Equal(t, over["post"], over[`{"acks":[7]}`])
	assert.NotEqual(t, over["post"], over[`{"acks":[6]}`])
}

// When nobody can be asked, nothing more is sent, and why is said.
func TestAcknowledgementsThatCannotBeAskedFor(t *testing.T) {
	x := newIndexer(t)
	x.set(func() { x.ack = says(404, "") })
	c, in := confirming(t, x.URL, nil)
	require.NoError(t, c.Send(t.Context(), items(0, 10)))
	require.Eventually(t, func() bool {
		in.state.mu.Lock()
		defer in.state.mu.Unlock()
		in.state.since = time.Now().Add(-time.Minute)
		return in.state.fault != nil
	}, patience, time.Millisecond)
	assert.EqualError(t, c.Send(t.Context(), items(10, 10)), "acknowledgements cannot be asked for: "+x.URL+": 404 Not Found")
	x.set(func() { x.ack = nil; x.done[0] = true })
	until(t, c, func(p sink.Progress) bool { return p.Confirmed == 10 })
	require.NoError(t, c.Send(t.Context(), items(10, 10)))
}

func TestSettle(t *testing.T) {
	x := newIndexer(t)
	c, in := confirming(t, x.URL, nil)
	in.state.first = time.Hour // but there is a rush
	require.NoError(t, c.Send(t.Context(), items(0, 10)))
	x.set(func() { x.done[0] = true })
	c.Settle(t.Context())
	assert.EqualValues(t, 10, c.Progress().Confirmed)
	require.NoError(t, c.Send(t.Context(), items(10, 10)))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c.Settle(ctx)
	assert.EqualValues(t, 10, c.Progress().Confirmed)
	x.set(func() { x.ack = func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() } }) // Close ends that
	require.NoError(t, c.Close())
	assert.Error(t, errors.Unwrap(c.Send(t.Context(), items(20, 10))))
}
