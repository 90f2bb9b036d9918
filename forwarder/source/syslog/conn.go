package syslog

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/framing"
)

// conn is one stream connection. One goroutine owns it.
type conn struct {
	*run
	nc   net.Conn
	peer netip.AddrPort

	buf    []byte // all of it can be read into
	have   int    // octets of it that are read and not used up
	full   bool   // the last read filled it: more is waiting
	small  int    // reads in a row that used little of it
	reader framing.Reader
	batch  event.Batch

	last  time.Time // of the latest octets
	armed time.Time // the deadline of the next read; zero: none
}

// eventsPerBatch bounds a batch of very short events; a buffer of octets bounds others.
const eventsPerBatch = 4096

// calm is how long a connection says nothing before its large buffer is given back.
const calm = 3 * time.Second

func newConn(r *run, nc net.Conn, peer netip.AddrPort) *conn {
	return &conn{run: r, nc: nc, peer: peer, last: time.Now(),
		reader: framing.Reader{Mode: r.mode, Max: int(r.cfg.MaxEvent)}}
}

// serve reads until the connection ends, emits what is complete, and writes the line
// about its end where there is something to say. It does not close nc.
func (c *conn) serve() {
	defer func() { c.resize(0) }()
	defer context.AfterFunc(c.ctx, func() { c.deadline(time.Time{}) })()
	stopping := false
	for {
		if !c.room() {
			c.end("the unfinished events of all connections fill the memory", "limit", component.Size(mostMemory))
			return
		}
		stopping = stopping || c.arm()
		n, err := c.nc.Read(c.buf[c.have:])
		c.have += n
		c.full = c.have == len(c.buf)
		if n > 0 && !c.take(n) {
			return
		}
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			c.left(err)
			return
		case stopping:
			c.stopped()
			return
		case c.ctx.Err() == nil && !c.wait():
			return
		}
	}
}

// arm sets the deadline of the next read and reports whether it is the last one, because
// the source stops.
func (c *conn) arm() (last bool) {
	if c.ctx.Err() != nil {
		return true
	}
	due := time.Time{}
	if len(c.buf) > firstBuffer {
		due = c.last.Add(calm)
	}
	if idle := c.cfg.IdleTimeout; idle > 0 && (due.IsZero() || c.last.Add(idle).Before(due)) {
		due = c.last.Add(idle)
	}
	// Setting a deadline costs more than it is worth for every read: one that is a
	// little early is noticed and set again.
	if early := due.Sub(c.armed); due.IsZero() != c.armed.IsZero() || early < 0 || early > time.Second {
		c.armed = due
		c.deadline(due)
	}
	return false
}

// deadline sets the read deadline to t, or to linger when the source stops: whether that
// happens before or meanwhile.
func (c *conn) deadline(t time.Time) {
	if c.ctx.Err() == nil {
		_ = c.nc.SetReadDeadline(t)
	}
	if c.ctx.Err() != nil {
		_ = c.nc.SetReadDeadline(time.Now().Add(linger))
	}
}

// wait is called when a deadline passed. It reports whether to go on.
func (c *conn) wait() bool {
	quiet := time.Since(c.last)
	if idle := c.cfg.IdleTimeout; idle > 0 && quiet >= idle {
		c.end("idle_timeout passed", "after", idle)
		return false
	}
	if quiet >= calm {
		c.resize(max(firstBuffer, c.have+firstBuffer/2))
		c.batch = event.Batch{}
	}
	c.armed = time.Time{}
	c.deadline(time.Time{})
	return true
}

// room makes place behind what is in the buffer: more of it when it is full, less when
// little of it was used for long. False means that there is no memory left.
func (c *conn) room() bool {
	size := len(c.buf)
	switch {
	case size == 0:
		return c.resize(firstBuffer)
	case c.have == size: // an event longer than the buffer
		return c.resize(min(2*size, max(size, int(c.cfg.MaxEvent))+framing.Overhead))
	case c.full && size < fullBuffer && c.memory.used.Load() < ampleMemory:
		return c.resize(min(4*size, fullBuffer))
	case c.small >= 256 && size > firstBuffer && c.have < size/8:
		return c.resize(max(size/4, firstBuffer))
	}
	return true
}

// resize gives the buffer another size, which must hold what is in it. 0 gives it back.
func (c *conn) resize(size int) bool {
	if more := size - len(c.buf); more > 0 && !c.memory.take(more, mostMemory) {
		return false
	} else if more < 0 {
		c.memory.give(-more)
	}
	c.small = 0
	if size == 0 {
		c.buf, c.have = nil, 0
		return true
	}
	buf := make([]byte, size)
	copy(buf, c.buf[:c.have])
	c.buf = buf
	return true
}

// take emits the events in the buffer, of which n octets are new. False means that the
// connection is to be closed.
func (c *conn) take(n int) bool {
	c.last = time.Now()
	if n < len(c.buf)/16 {
		c.small++
	} else {
		c.small = 0
	}
	defer c.large()()
	used := 0
	for {
		f, n, err := c.reader.Next(c.buf[used:c.have])
		used += n
		if err != nil {
			c.flush()
			c.broken(err, c.have-used)
			return false
		}
		if f.Data == nil {
			break
		}
		c.add(f)
		if c.batch.Len() >= eventsPerBatch && !c.flush() {
			return false
		}
	}
	if used > 0 {
		c.have = copy(c.buf, c.buf[used:c.have])
	}
	return c.flush()
}

func (c *conn) add(f framing.Frame) {
	if f.Size > len(f.Data) {
		c.cut(c.peer.Addr(), f.Size)
	} else if end := f.Data[f.Size-1]; end == '\n' || end == 0 { // counted with the message
		f.Data = framing.TrimEnd(f.Data)
		f.Size = len(f.Data)
	}
	if f.Size > 0 {
		c.batch.Add(event.Raw{Data: f.Data, Time: c.last, Peer: c.peer, Size: f.Size})
	}
}

// flush hands the batch to the log and waits for it. False means that the log does not
// take events any more.
func (c *conn) flush() bool {
	if c.batch.Len() == 0 {
		return true
	}
	err := c.log.Emit(c.emit, &c.batch)
	if err != nil {
		c.lost(c.batch.Len(), err)
	}
	c.batch.Reset()
	return err == nil
}

// large waits for its turn where the buffer is large, for what is emitted of it is copied
// on the way to the log, and many large events that end together would be in memory
// several times. What it returns ends the turn.
func (c *conn) large() (done func()) {
	if c.have <= fullBuffer {
		return func() {}
	}
	select {
	case c.turns <- struct{}{}:
	case <-c.emit.Done():
		return func() {}
	}
	return func() {
		c.batch = event.Batch{}
		<-c.turns
	}
}

// left is the end of a connection by its peer, or by the network.
func (c *conn) left(err error) {
	defer c.large()()
	if f, ferr := c.reader.End(c.buf[:c.have]); ferr != nil {
		c.env.Meter.Add("frames_incomplete", 1)
		c.warn(c.peer.Addr(), "connection ended inside a counted frame", "err", ferr)
	} else if f.Data != nil {
		c.add(f)
	}
	c.flush()
	if !errors.Is(err, io.EOF) {
		c.env.Log.Debug("connection ended", "peer", c.peer, "err", err)
	}
}

// broken is a stream whose frames cannot be found any more.
func (c *conn) broken(err error, rest int) {
	text, name, hint := "connection closed: a frame's length cannot be read", "frames_bad_length", ""
	if errors.Is(err, framing.FrameTooLarge) {
		text, name, hint = "connection closed: a counted frame is longer than max_event", "frames_too_large", "raise max_event, or "
	}
	c.env.Meter.Add(name, 1)
	c.warn(c.peer.Addr(), text, "err", err, "bytes_dropped", rest, "hint", hint+"set framing: lf if the sender does not count octets")
}

// end is the end of a connection by us.
func (c *conn) end(reason string, args ...any) {
	if c.rest() {
		args = append(args, "unfinished_bytes", c.have)
	}
	c.warn(c.peer.Addr(), "connection closed: "+reason, args...)
}

// stopped is the end of a connection because the source stops.
func (c *conn) stopped() {
	c.closed.Add(1)
	if c.rest() {
		c.env.Log.Info("connection closed inside an event because the source stops", "peer", c.peer, "unfinished_bytes", c.have)
	}
}

// rest emits a line without its end, and reports whether there was half an event.
func (c *conn) rest() bool {
	defer c.large()()
	f, err := c.reader.End(c.buf[:c.have])
	if err != nil {
		c.env.Meter.Add("frames_incomplete", 1)
		return true
	}
	if f.Data == nil {
		return false
	}
	c.add(f)
	c.flush()
	return true
}

// lost tells of events that were read and could not be emitted.
func (r *run) lost(events int, err error) {
	if r.ctx.Err() == nil {
		r.fail(err)
	}
	r.env.Log.Error("events that were read are lost: they could not be stored", "events", events, "err", err)
}

// cut tells of an event that was longer than max_event.
func (r *run) cut(peer netip.Addr, size int) {
	r.env.Meter.Add("events_cut", 1)
	r.warn(peer, "an event was cut: it is longer than max_event", "bytes", size, "max_event", r.cfg.MaxEvent)
}
