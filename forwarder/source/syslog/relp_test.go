package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/framing"
)

const (
	localRELP = "relp://127.0.0.1:0"
	relpOpen  = "1 open 53 relp_version=0\nrelp_software=test,1.0\ncommands=syslog\n"
)

// relpSender is the other end of a RELP connection.
type relpSender struct {
	net.Conn
	reader framing.RELPReader
	buf    []byte
}

// relpDial connects to the source's only address, without a word.
func (r *rig) relpDial(t testing.TB) *relpSender {
	t.Helper()
	_, at, _ := strings.Cut(r.Addrs()[0], "://")
	c, err := net.Dial("tcp", at)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return &relpSender{Conn: c, reader: framing.RELPReader{Max: 1 << 20}}
}

func (s *relpSender) write(t testing.TB, text string) {
	t.Helper()
	_, err := s.Write([]byte(text))
	require.NoError(t, err)
}

// next returns the next frame as text, or an error when the connection ends.
func (s *relpSender) next() (string, error) {
	for {
		f, n, err := s.reader.Next(s.buf)
		if err != nil {
			return "", err
		}
		text := fmt.Sprintf("%d %s %s", f.TXNR, f.Command, f.Data)
		s.buf = append([]byte(nil), s.buf[n:]...)
		if f.Command != nil {
			return text, nil
		}
		chunk := make([]byte, 64<<10)
		n, err = s.Read(chunk)
		s.buf = append(s.buf, chunk[:n]...)
		if err != nil {
			return "", err
		}
	}
}

// expect reads exactly these frames.
func (s *relpSender) expect(t testing.TB, want ...string) {
	t.Helper()
	require.NoError(t, s.SetReadDeadline(time.Now().Add(patience)))
	for _, w := range want {
		got, err := s.next()
		require.NoError(t, err, "before %q", w)
		require.Equal(t, w, got)
	}
}

// ends expects the connection to end without another frame.
func (s *relpSender) ends(t testing.TB) {
	t.Helper()
	require.NoError(t, s.SetReadDeadline(time.Now().Add(patience)))
	got, err := s.next()
	require.Error(t, err, got)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the source did not close the connection")
}

func messagesFrom(txnr uint32, texts ...string) string {
	var b []byte
	for _, text := range texts {
		b = framing.AppendRELP(b, txnr, "syslog", []byte(text))
		txnr = framing.NextTXNR(txnr)
	}
	return string(b)
}

func TestRELP(t *testing.T) {
	r := start(t, config(localRELP), newSpool())
	require.True(t, strings.HasPrefix(r.Addrs()[0], "relp://127.0.0.1:"))
	s := r.relpDial(t)
	s.write(t, relpOpen)
	s.expect(t, "1 rsp "+relpOffers)
	s.write(t, messagesFrom(2, "<14>a", "b\nc\x00d ", "e\n", "")+"6 starttls 0\n0 hint 3 abc\n0 syslog 1 h\n"+messagesFrom(999_999_999, "x", "y"))
	s.expect(t, "2 rsp 200 OK", "3 rsp 200 OK", "4 rsp 200 OK", "5 rsp 200 OK", "6 rsp 500 unknown command", "999999999 rsp 200 OK", "1 rsp 200 OK")
	events := r.spool.wait(t, 6)
	assert.Equal(t, []string{"<14>a", "b\nc\x00d ", "e", "h", "x", "y"}, texts(events))
	assert.Equal(t, s.LocalAddr().String(), events[0].Peer.String())
	assert.WithinDuration(t, time.Now(), events[0].Time, time.Minute)
	s.write(t, "7 open 0\n8 close 0\n")
	s.expect(t, "7 rsp "+relpOffers, "8 rsp 200 OK", "0 serverclose ")
	s.ends(t)
	assert.Zero(t, r.lines.count("WARN"), r.lines.String())

	// Half a message is none, and is not lost: it has no answer.
	s = r.relpDial(t)
	s.write(t, relpOpen+"2 syslog 9 half")
	s.expect(t, "1 rsp "+relpOffers)
	s.Close()
	eventually(t, "it is counted", func() bool { return r.meter.count("frames_incomplete") == 1 })
	assert.Equal(t, 6, r.spool.count())
	assert.Zero(t, r.lines.count("WARN"), r.lines.String())
}

// An answer means that the event is stored; several that came together are stored at once.
func TestRELPAnswersOnlyWhatIsStored(t *testing.T) {
	sp := newSpool()
	entered, release := make(chan int), make(chan struct{})
	sp.emit = func(ctx context.Context, b *event.Batch) error {
		select {
		case entered <- b.Len():
		case <-ctx.Done():
			return ctx.Err()
		}
		<-release
		return nil
	}
	r := start(t, config(localRELP), sp)
	s := r.relpDial(t)
	s.write(t, relpOpen)
	s.expect(t, "1 rsp "+relpOffers)
	s.write(t, messagesFrom(2, "a", "b", "c"))
	require.Equal(t, 3, <-entered)
	require.NoError(t, s.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := s.next()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "answered before it was stored")
	release <- struct{}{}
	s.expect(t, "2 rsp 200 OK", "3 rsp 200 OK", "4 rsp 200 OK")
}

// What the log does not take gets no answer: the sender has it.
func TestRELPLogFails(t *testing.T) {
	sp := newSpool()
	sp.emit = func(_ context.Context, b *event.Batch) error {
		if string(b.At(0).Data) == "bad" {
			return errors.New("no space left on device")
		}
		return nil
	}
	r := start(t, config(localRELP), sp)
	s := r.relpDial(t)
	s.write(t, relpOpen+messagesFrom(2, "good"))
	s.expect(t, "1 rsp "+relpOffers, "2 rsp 200 OK")
	s.write(t, messagesFrom(3, "bad"))
	s.ends(t)
	eventually(t, "Run returns", func() bool { return len(r.Addrs()) == 0 })
	require.EqualError(t, r.stop(), "no space left on device")
	assert.Zero(t, r.lines.count("lost"), r.lines.String())
}

func TestRELPCutsLongMessages(t *testing.T) {
	c := config(localRELP)
	c.MaxEvent = leastEvent
	r := start(t, c, newSpool())
	s := r.relpDial(t)
	long := strings.Repeat("x", 3*leastEvent)
	s.write(t, relpOpen+messagesFrom(2, long, "a", long[:leastEvent]))
	s.expect(t, "1 rsp "+relpOffers, "2 rsp 200 OK", "3 rsp 200 OK", "4 rsp 200 OK")
	events := r.spool.wait(t, 3)
	assert.Equal(t, []string{long[:leastEvent], "a", long[:leastEvent]}, texts(events))
	assert.True(t, events[0].Cut())
	assert.Equal(t, len(long), events[0].Size)
	assert.False(t, events[2].Cut())
	assert.EqualValues(t, 1, r.meter.count("events_cut"))
	assert.Equal(t, 1, r.lines.count("an event was cut: it is longer than max_event"), r.lines.String())
}

func TestRELPBroken(t *testing.T) {
	r := start(t, config(localRELP), newSpool())
	for i, tt := range []struct {
		text   string
		expect []string
		line   string
	}{
		{"<14>hello\n", nil, `bad_frame: \"<14>hello\\n\"`},
		{messagesFrom(2, "a"), []string{"2 rsp 500 open comes first"}, "a message before open"},
		{relpOpen + messagesFrom(2, "kept") + "3 syslog 3 abcd\n", []string{"1 rsp " + relpOffers, "2 rsp 200 OK", "0 serverclose "}, `bad_frame: \"3 syslog 3 abcd\\n\"`},
	} {
		s := r.relpDial(t)
		s.write(t, tt.text)
		s.expect(t, tt.expect...)
		s.ends(t)
		assert.EqualValues(t, i+1, r.meter.count("frames_broken"))
		assert.Equal(t, i+1, r.lines.count("connection closed: what the sender sends is not RELP"), r.lines.String())
		assert.Contains(t, r.lines.String(), tt.line)
	}
	assert.Equal(t, []string{"kept"}, texts(r.spool.wait(t, 1)))
}

// While senders are busy the source stops: what it answered it has, and it says good-bye.
func TestRELPStop(t *testing.T) {
	r := start(t, config(localRELP), newSpool())
	const senders, window = 8, 16
	answered := make([]map[string]bool, senders)
	var busy, all sync.WaitGroup
	for i := range senders {
		s := r.relpDial(t)
		s.write(t, relpOpen)
		s.expect(t, "1 rsp "+relpOffers)
		answered[i] = map[string]bool{}
		busy.Add(1)
		all.Go(func() {
			left := sync.OnceFunc(busy.Done)
			defer left()
			for txnr := uint32(2); ; txnr++ {
				if _, err := s.Write([]byte(messagesFrom(txnr, fmt.Sprintf("%d.%d", i, txnr)))); err != nil {
					return
				}
				if txnr < window {
					continue
				}
				got, err := s.next()
				if err != nil || got == "0 serverclose " {
					answered[i]["serverclose"] = got == "0 serverclose "
					return
				}
				answered[i][fmt.Sprintf("%d.%s", i, strings.TrimSuffix(got, " rsp 200 OK"))] = true
				left()
			}
		})
	}
	busy.Wait()
	require.NoError(t, r.stop())
	all.Wait()
	stored := map[string]bool{}
	for _, text := range texts(r.spool.events) {
		stored[text] = true
	}
	for i := range answered {
		assert.True(t, answered[i]["serverclose"], "sender %d", i)
		delete(answered[i], "serverclose")
		for text := range answered[i] {
			require.True(t, stored[text], "%s was answered and is not stored", text)
		}
	}
}

func TestRELPIdleAndAllow(t *testing.T) {
	c := config(localRELP)
	c.IdleTimeout = 50 * time.Millisecond
	r := start(t, c, newSpool())
	s := r.relpDial(t)
	s.write(t, relpOpen)
	s.expect(t, "1 rsp "+relpOffers, "0 serverclose ")
	s.ends(t)
	eventually(t, "the line", func() bool { return r.lines.count("connection closed: idle_timeout passed") == 1 })

	c = config(localRELP)
	c.Allow = []string{"192.0.2.0/24"}
	r = start(t, c, newSpool())
	r.relpDial(t).ends(t)
	eventually(t, "the line", func() bool { return r.lines.count("a peer that is not in allow was refused") == 1 })
}

func TestRELPOverTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	c := config("relp+tls://127.0.0.1:0")
	c.TLS = TLS{Cert: filepath.Join(dir, "a.crt"), Key: filepath.Join(dir, "a.key")}
	ca.issue(t, c.TLS.Cert, c.TLS.Key, "relp")
	r := start(t, c, newSpool())
	s := r.relpDial(t)
	s.Conn = tls.Client(s.Conn, &tls.Config{RootCAs: ca.pool, ServerName: "127.0.0.1"})
	s.write(t, relpOpen+messagesFrom(2, "a"))
	s.expect(t, "1 rsp "+relpOffers, "2 rsp 200 OK")
	done := make(chan error, 1)
	go func() { done <- r.stop() }()
	s.expect(t, "0 serverclose ")
	s.ends(t)
	s.Close()
	require.NoError(t, <-done)
}

func TestRELPCheck(t *testing.T) {
	c := config("relp://[::]:2514", "relp+tls://127.0.0.1:2515")
	var r component.Report
	c.Check(&r)
	require.Len(t, r.Findings, 1)
	assert.Equal(t, "a relp+tls:// address needs a certificate and its key", r.Findings[0].Text)
	c.TLS = TLS{Cert: "c", Key: "k"}
	r = component.Report{}
	c.Check(&r)
	assert.Empty(t, r.Findings)
	assert.Equal(t, []component.Claim{{Path: "listen[0]", What: "tcp://[::]:2514"}, {Path: "listen[1]", What: "tcp://127.0.0.1:2515"}}, c.Claims())
}

// relpScript is a script that keeps what is written to it.
type relpScript struct {
	script
	out  bytes.Buffer
	fail error
}

func (s *relpScript) Write(p []byte) (int, error) {
	if s.fail != nil {
		return 0, s.fail
	}
	return s.out.Write(p)
}

func (s *relpScript) SetWriteDeadline(time.Time) error { return nil }

func TestRELPSenderThatDoesNotRead(t *testing.T) {
	s, _, lines := build(t, config(localRELP))
	r := newRun(s, newSpool())
	defer r.fail(nil)
	for _, err := range []error{os.ErrDeadlineExceeded, errors.New("broken pipe")} {
		nc := &relpScript{script: script{rest: []byte(relpOpen + messagesFrom(2, "a")), piece: func() int { return 99 }, end: io.EOF}, fail: err}
		newConn(r, nc, somePeer, "relp").serve()
	}
	assert.Equal(t, 1, lines.count("WARN"), lines.String())
	assert.Equal(t, 1, lines.count("the sender does not read the answers to its messages"), lines.String())
	assert.Equal(t, 2, r.log.(*spool).count())
}

func TestRELPAllocatesNothing(t *testing.T) {
	s, _, _ := build(t, config(localRELP))
	r := newRun(s, nil)
	defer r.fail(nil)
	r.log = &counter{}
	nc := &relpScript{}
	c := newConn(r, nc, somePeer, "relp")
	require.True(t, c.resize(fullBuffer))
	c.have = copy(c.buf, relpOpen)
	require.True(t, c.take(c.have))
	message := []byte(strings.Repeat("x", 899))
	require.Zero(t, testing.AllocsPerRun(10, func() {
		nc.out.Reset()
		buf := c.buf[:0]
		for txnr := range uint32(200) {
			buf = framing.AppendRELP(buf, txnr+2, "syslog", message)
		}
		c.have = len(buf)
		require.True(t, c.take(len(buf)))
		require.Zero(t, c.have)
	}))
	require.Equal(t, 200, bytes.Count(nc.out.Bytes(), []byte(" rsp 6 200 OK\n")))
}

// Whatever a peer sends, in whatever pieces: every message that is answered is stored, in
// order, and every answer is a frame.
func FuzzRELPConn(f *testing.F) {
	f.Add([]byte(relpOpen+messagesFrom(2, "a", "b\nc", "")+"5 close 0\n6 syslog 1 x\n"), uint16(3))
	f.Add([]byte(relpOpen+"7 x 0\n0 syslog 1 h\n1 open 0\n"+messagesFrom(9, strings.Repeat("y", 700))+"<14>"), uint16(1))
	f.Add([]byte("2 syslog 1 a\n"), uint16(700))
	f.Add([]byte("GET / HTTP/1.1\r\n"), uint16(7))
	f.Fuzz(func(t *testing.T, input []byte, seed uint16) {
		c := config(localRELP)
		c.MaxEvent = leastEvent
		s, err := New(&c, component.Env{Log: slog.New(slog.DiscardHandler), Meter: component.NoMeter{}})
		require.NoError(t, err)
		r := newRun(s, newSpool())
		defer r.fail(nil)
		step := int(seed)
		nc := &relpScript{script: script{rest: input, end: io.EOF, piece: func() int { step = step*31 + 7; return step % 97 }}}
		newConn(r, nc, somePeer, "relp").serve()

		events, answers := relpModel(input)
		require.Equal(t, events, append([]string{}, texts(r.log.(*spool).events)...))
		require.Equal(t, answers, append([]string{}, relpFrames(t, nc.out.Bytes())...))
		require.Zero(t, r.memory.used.Load())
	})
}

func relpFrames(t *testing.T, b []byte) (out []string) {
	r := framing.RELPReader{Max: 1 << 20}
	for {
		f, n, err := r.Next(b)
		require.NoError(t, err)
		if f.Command == nil {
			require.Empty(t, b)
			return out
		}
		out = append(out, fmt.Sprintf("%d %s %s", f.TXNR, f.Command, f.Data))
		b = b[n:]
	}
}

// relpModel is what comes of a whole stream, as the words about RELP say.
func relpModel(b []byte) (events, answers []string) {
	events, answers = []string{}, []string{}
	r := framing.RELPReader{Max: leastEvent}
	opened := false
	answer := func(txnr uint32, text string) {
		if txnr != 0 {
			answers = append(answers, fmt.Sprintf("%d rsp %s", txnr, text))
		}
	}
	for {
		f, n, err := r.Next(b)
		b = b[n:]
		switch command := string(f.Command); {
		case err != nil && opened || command == "close":
			if err == nil {
				answer(f.TXNR, relpOK)
			}
			return events, append(answers, "0 serverclose ")
		case err != nil || command == "":
			return events, answers
		case command == "open":
			opened = true
			answer(f.TXNR, relpOffers)
		case command == "syslog" && !opened:
			answer(f.TXNR, relpTooSoon)
			return events, answers
		case command == "syslog":
			data := f.Data
			if n := len(data); n > 0 && f.Size == n && (data[n-1] == '\n' || data[n-1] == 0) {
				data = framing.TrimEnd(data)
			}
			if len(data) > 0 {
				events = append(events, string(data))
			}
			answer(f.TXNR, relpOK)
		default:
			answer(f.TXNR, relpUnknown)
		}
	}
}
