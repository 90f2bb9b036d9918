package relp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/sinktest"
)

func TestSuite(t *testing.T) {
	sinktest.Run(t, sinktest.Sink{
		New: func(t *testing.T) (sink.Sink, func() [][]byte) {
			r := listen(t, "")
			return New(options(r.Addr().String())), func() (out [][]byte) {
				r.mu.Lock()
				defer r.mu.Unlock()
				for _, m := range r.messages {
					out = append(out, []byte(m))
				}
				return out
			}
		},
		Stuck: func(t *testing.T) sink.Sink {
			r := listen(t, "")
			r.message = func(uint32, string) string { return "" }
			return New(options(r.Addr().String()))
		},
		Down: func(t *testing.T) sink.Sink {
			r := listen(t, "")
			r.stop()
			return New(options(r.Addr().String()))
		},
	})
}

func TestConfirms(t *testing.T) {
	r := listen(t, "")
	s := start(t, options(r.Addr().String()))
	require.NoError(t, send(t, s, "a", "b\nc", "d\n", ""))
	p := progress(t, s, 0, 4, 4)
	require.NoError(t, send(t, s, "e"))
	<-p.Changed
	progress(t, s, 0, 5, 5)
	assert.Equal(t, []string{"a", "b\nc", "d", "", "e"}, r.wait(t, 5))

	s.Settle(t.Context())
	r.until(t, "the session was closed in good order", func() bool { return r.closed == 1 && r.sessions == 1 })
	p = s.Progress()
	assert.EqualValues(t, 5, p.Before)
	s.Settle(t.Context()) // no session
}

// Answers may come in any order: what is confirmed ends at the first gap.
func TestAnswersOutOfOrder(t *testing.T) {
	r := listen(t, "")
	r.message = func(uint32, string) string { return "" }
	s := start(t, options(r.Addr().String()))
	require.NoError(t, send(t, s, "a", "b", "c", "d"))
	r.wait(t, 4)
	r.say("3 rsp 6 200 OK\n5 rsp 6 200 OK\n0 hint 0\n1 rsp 6 200 OK\n5 rsp 6 200 OK\n4 rsp 3 200\n")
	require.NoError(t, send(t, s, "e"))
	r.wait(t, 5)
	r.say("6 rsp 6 200 OK\n") // later than the others, and they confirm nothing
	progress(t, s, 0, 5, 0)
	r.say("2 rsp 6 200 OK\n")
	progress(t, s, 0, 5, 5)
	r.say("2 rsp 6 200 OK\n")
	require.NoError(t, send(t, s, "f"))
}

// No more than the window is without an answer, and Send blocks for that.
func TestWindow(t *testing.T) {
	r := listen(t, "")
	r.message = func(uint32, string) string { return "" }
	o := options(r.Addr().String())
	o.Window = 4
	s := start(t, o)
	assert.Equal(t, 4, s.Limits().Events)
	require.NoError(t, send(t, s, "a", "b"))
	require.NoError(t, send(t, s, "c", "d"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Send(ctx, items("e")), context.DeadlineExceeded)
	require.Len(t, r.wait(t, 4), 4)
	progress(t, s, 0, 4, 0) // nothing of it was sent: the session goes on
	r.say("2 rsp 6 200 OK\n3 rsp 6 200 OK\n")
	require.NoError(t, send(t, s, "e", "f"))
	progress(t, s, 0, 6, 2)
	require.Equal(t, []string{"a", "b", "c", "d", "e", "f"}, r.wait(t, 6))

	// Half a batch that is given up ends the session: it was not taken.
	r.say("4 rsp 6 200 OK\n5 rsp 6 200 OK\n")
	progress(t, s, 0, 6, 4)
	ctx, cancel = context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- s.Send(ctx, items("g", "h", "i", "j")) }()
	r.wait(t, 8)
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	p := progress(t, s, 1, 0, 0)
	assert.EqualValues(t, 4, p.Before)
}

// A refusal of what Send had taken ends the session; what is sent again is answered within
// Send, so that the refused event is known.
func TestRefused(t *testing.T) {
	r := listen(t, "")
	held := true
	r.message = func(txnr uint32, text string) string {
		switch {
		case text == "bad":
			return "500 no such thing\nwith data"
		case held && txnr == 2:
			return ""
		}
		return "200 OK"
	}
	s := start(t, options(r.Addr().String()))
	require.NoError(t, send(t, s, "a", "b"))
	told := send(t, s, "bad", "c") // the answer may come before it has returned
	if told != nil {
		require.ErrorIs(t, told, sink.ErrSession)
	}
	p := progress(t, s, 1, 0, 0)
	require.EqualError(t, p.Ended, s.o.To+": the receiver refused a message: 500 no such thing")
	require.ErrorIs(t, p.Ended, sink.ErrSession)
	require.Zero(t, p.Before, "a has no answer yet")
	r.mu.Lock()
	held = false
	r.mu.Unlock()

	if told == nil {
		require.ErrorIs(t, send(t, s, "a"), sink.ErrSession, "the lanes must know first")
	}
	err := send(t, s, "a", "b", "bad", "c", "bad")
	var refused *sink.Rejected
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, []int{2, 4}, refused.Index)
	assert.Equal(t, "500 no such thing", refused.Answer)
	assert.EqualError(t, refused.Reason, "refused by "+s.o.To)
	progress(t, s, 1, 3, 3)
	require.ErrorAs(t, send(t, s, "bad"), &refused)
	assert.Equal(t, []int{0}, refused.Index)
	require.NoError(t, send(t, s, "d"))
	progress(t, s, 1, 4, 4)

	// When nothing is refused for long, Send waits no more.
	r.mu.Lock()
	r.message = func(uint32, string) string { return "" }
	r.mu.Unlock()
	s.careful = 0
	require.NoError(t, send(t, s, "e"))
	progress(t, s, 1, 5, 4)
}

func TestManyRefused(t *testing.T) {
	r := listen(t, "")
	r.message = func(_ uint32, text string) string {
		if strings.Contains(text, "7\n") {
			return "500 seven"
		}
		return "200 OK"
	}
	s := start(t, options(r.Addr().String()))
	texts := numbers(0, 2000)
	refused := lane(t, s, texts)
	require.Len(t, refused, 200)
	got := map[string]int{}
	for _, m := range r.messages {
		got[m]++
	}
	require.Len(t, got, 2000)
	more := len(r.messages) - 2000
	assert.LessOrEqual(t, more, 2*128, "sent again: %d", more)
	assert.Equal(t, "500 seven", refused[texts[7]])
}

// The receiver goes: what has no answer is sent again, and the lanes are told first.
func TestReceiverLeaves(t *testing.T) {
	for name, leave := range map[string]func(r *receiver){
		"serverclose": func(r *receiver) { r.say("0 serverclose 0\n") },
		"hangs up":    func(r *receiver) { r.hangUp() },
	} {
		t.Run(name, func(t *testing.T) {
			r := listen(t, "")
			answer := "200 OK"
			r.message = func(uint32, string) string { return answer }
			s := start(t, options(r.Addr().String()))
			require.NoError(t, send(t, s, "a"))
			progress(t, s, 0, 1, 1)

			// With nothing unconfirmed the next Send just goes on.
			leave(r)
			p := progress(t, s, 1, 0, 0)
			assert.EqualValues(t, 1, p.Before)
			require.ErrorIs(t, p.Ended, sink.ErrSession)
			r.mu.Lock()
			answer = ""
			r.mu.Unlock()
			require.NoError(t, send(t, s, "b", "c"))
			r.wait(t, 3)
			leave(r)
			progress(t, s, 2, 0, 0)
			require.ErrorIs(t, send(t, s, "d"), sink.ErrSession)
			r.mu.Lock()
			answer = "200 OK"
			r.mu.Unlock()
			require.NoError(t, send(t, s, "b", "c", "d"))
			progress(t, s, 2, 3, 3)
			assert.Equal(t, []string{"a", "b", "c", "b", "c", "d"}, r.wait(t, 6))
		})
	}
}

// A receiver that comes and goes under load gets every event.
func TestReceiverRestarts(t *testing.T) {
	r := listen(t, "")
	s := start(t, options(r.Addr().String()))
	texts := numbers(0, 20000)
	quit, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for i := 0; ; i++ {
			select {
			case <-quit:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if i%2 == 0 {
				r.hangUp()
			} else {
				r.say("0 serverclose 0\n")
			}
		}
	}()
	require.Empty(t, lane(t, s, texts))
	close(quit)
	<-over
	r.mu.Lock()
	defer r.mu.Unlock()
	got := map[string]bool{}
	for _, m := range r.messages {
		got[m] = true
	}
	require.Len(t, got, len(texts))
	t.Logf("%d sessions, %d messages sent again", r.sessions, len(r.messages)-len(texts))
}

func TestNoAnswer(t *testing.T) {
	r := listen(t, "")
	r.message = func(txnr uint32, _ string) string {
		if txnr == 3 {
			return ""
		}
		return "200 OK"
	}
	o := options(r.Addr().String())
	o.Answer = 50 * time.Millisecond
	s := start(t, o)
	require.NoError(t, send(t, s, "a", "b", "c"))
	p := progress(t, s, 1, 0, 0)
	assert.EqualValues(t, 1, p.Before)
	require.EqualError(t, p.Ended, o.To+": no answer for 50ms")
	require.NotErrorIs(t, p.Ended, sink.ErrSession)
	require.ErrorIs(t, send(t, s, "b"), sink.ErrSession)
}

// The oldest message without an answer counts, and a session without any may be silent.
func TestWait(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	s := &session{conn: a, o: &Options{Answer: time.Minute}}
	s.since = time.Now().Add(-time.Hour)
	assert.True(t, s.wait(), "nothing was sent")
	s.tail = 1
	assert.False(t, s.wait())
	s.since = time.Now()
	assert.True(t, s.wait())
}

func TestOpenFails(t *testing.T) {
	for want, answer := range map[string]string{
		"the receiver opens no session: 500 go away":                                       "1 rsp 11 500 go away\n",
		"the receiver takes no messages: it does not offer the command syslog":             "1 rsp 24 200 OK\ncommands=starttls\n",
		"the receiver does not answer open but says serverclose":                           "0 serverclose 0\n",
		`the receiver does not speak RELP: bad_frame: "HTTP/1.1 400 Bad Request\r\n"`:      "HTTP/1.1 400 Bad Request\r\n",
		"the receiver closed the connection instead of answering open":                     "x",
		"the receiver does not speak RELP: bad_frame: \"\\x15\\x03\\x01\\x00\\x02\\x02F\"": "\x15\x03\x01\x00\x02\x02F",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = c.Read(make([]byte, 4096))
			if answer != "x" {
				_, _ = c.Write([]byte(answer))
				_, _ = c.Read(make([]byte, 1)) // until it leaves
			}
		}()
		s := start(t, options(l.Addr().String()))
		require.EqualError(t, send(t, s, "a"), "connect to "+s.o.To+": "+want)
		<-done
		require.NoError(t, l.Close())
		require.EqualError(t, send(t, s, "a"), "connect to "+s.o.To+": connection refused")
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	o := options(silent.Addr().String())
	o.Connect = 50 * time.Millisecond
	s := start(t, o)
	require.EqualError(t, send(t, s, "a"), "connect to "+o.To+": no answer to open within 50ms")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Send(ctx, items("a")), context.Canceled)
}

func TestReceiverSpeaksNonsense(t *testing.T) {
	for want, say := range map[string]string{
		`the receiver does not speak RELP: bad_frame: "<14>"`:    "<14>",
		"the receiver answered message 9, which was not sent":    "9 rsp 6 200 OK\n",
		`the receiver answered a message with "302 elsewhere"`:   "2 rsp 13 302 elsewhere\n",
		`the receiver answered a message with "2000 OK"`:         "2 rsp 7 2000 OK\n",
		`the receiver answered a message with ""`:                "2 rsp 0\n",
		"the receiver refused a message: 500 caf\ufffd":          "2 rsp 8 500 caf\xe9\n",
		"session is over: the receiver ended it":                 "0 serverclose 0\n",
		"the receiver refused a message: 503":                    "2 rsp 3 503\n",
		"the receiver refused a message: 500 " + longWords[:196]: fmt.Sprintf("2 rsp %d 500 %s\n", 4+len(longWords), longWords),
	} {
		r := listen(t, "")
		r.message = func(uint32, string) string { return "" }
		s := start(t, options(r.Addr().String()))
		require.NoError(t, send(t, s, "a"))
		r.wait(t, 1)
		r.say(say)
		require.EqualError(t, progress(t, s, 1, 0, 0).Ended, s.o.To+": "+want)
	}
}

var longWords = strings.Repeat("x", 6000)

// Settle waits for the answers, as long as it may.
func TestSettle(t *testing.T) {
	r := listen(t, "")
	r.message = func(uint32, string) string { return "" }
	s := start(t, options(r.Addr().String()))
	require.NoError(t, send(t, s, "a", "b"))
	r.wait(t, 2)
	settled := make(chan struct{})
	go func() {
		s.Settle(t.Context())
		close(settled)
	}()
	select {
	case <-settled:
		require.FailNow(t, "it did not wait")
	case <-time.After(30 * time.Millisecond):
	}
	r.say("2 rsp 6 200 OK\n3 rsp 6 200 OK\n")
	<-settled
	r.until(t, "closed", func() bool { return r.closed == 1 })
	assert.EqualValues(t, 2, s.Progress().Before)

	// Answers that do not come.
	s = start(t, options(r.Addr().String()))
	require.NoError(t, send(t, s, "c", "d"))
	r.wait(t, 4)
	r.say("2 rsp 6 200 OK\n")
	progress(t, s, 0, 2, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	s.Settle(ctx)
	assert.EqualValues(t, 1, s.Progress().Before)
}

// librelp cannot follow when numbers begin again, so a session ends before that.
func TestNumbersEnd(t *testing.T) {
	r := listen(t, "")
	o := options(r.Addr().String())
	o.Window = 8
	s := start(t, o)
	s.last = 20
	require.Empty(t, lane(t, s, numbers(0, 100)))
	r.mu.Lock()
	defer r.mu.Unlock()
	assert.Len(t, r.messages, 100)
	assert.LessOrEqual(t, r.highest, uint32(20+2), "with open and close")
	assert.Equal(t, 6, r.sessions, "of 16 messages, and the last of 20: a batch is of one session")
	assert.Equal(t, 5, r.closed)
	assert.Equal(t, 999_999_999, sessionMessages+2)
}

func TestProbe(t *testing.T) {
	r := listen(t, "")
	o := options(r.Addr().String())
	o.Describe = func(net.Conn) string { return "by test" }
	s := start(t, o)
	p := s.Probe(t.Context())
	require.Len(t, p, 1)
	assert.Equal(t, o.To, p[0].What)
	assert.Equal(t, "RELP of test 1.0, by test", p[0].Note)
	require.NoError(t, p[0].Err)
	r.until(t, "it was closed", func() bool { return r.closed == 1 && len(r.messages) == 0 })
	r.stop()
	require.EqualError(t, s.Probe(t.Context())[0].Err, "connect to "+o.To+": connection refused")
}

func TestCause(t *testing.T) {
	plain := errors.New("plain")
	assert.Equal(t, plain, cause(plain))
	assert.Equal(t, plain, cause(&net.OpError{Op: "write", Net: "tcp", Err: plain}))
}

// Sending allocates nothing for an event.
func TestSendAllocatesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		swallow(c)
	}()
	s := New(options(l.Addr().String()))
	many := items(numbers(0, 128)...)
	require.NoError(t, s.Send(t.Context(), many))
	allocs := testing.AllocsPerRun(20, func() { _ = s.Send(context.Background(), many) })
	assert.Less(t, allocs, 40.0, "for 128 events")
	require.NoError(t, s.Close())
	<-done
	require.NoError(t, l.Close())
}

// swallow answers every frame of a connection.
func swallow(c net.Conn) {
	reader := framing.RELPReader{Max: 1 << 20}
	buf, out := make([]byte, 1<<20), make([]byte, 0, 1<<20)
	have := 0
	for {
		used := 0
		for out = out[:0]; ; {
			f, n, err := reader.Next(buf[used:have])
			used += n
			if err != nil {
				return
			}
			if f.Command == nil {
				break
			}
			out = framing.AppendRELP(out, f.TXNR, "rsp", []byte("200 OK"))
		}
		have = copy(buf, buf[used:have])
		if _, err := c.Write(out); err != nil {
			return
		}
		n, err := c.Read(buf[have:])
		have += n
		if err != nil {
			return
		}
	}
}
