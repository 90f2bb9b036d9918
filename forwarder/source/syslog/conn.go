package syslog

import (
	"context"
	"errors"
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
	nc    net.Conn
	peer  netip.AddrPort
	speak protocol

	buf   []byte // all of it can be read into
	have  int    // octets of it that are read and not used up
	full  bool   // the last read filled it: more is waiting
	small int    // reads in a row that used little of it
	batch event.Batch

	last  time.Time // of the latest octets
	armed time.Time // the deadline of the next read; zero: none
}

// protocol is how events stand in a connection's octets.
type protocol interface {
	// take emits the events in the buffer. False means that the connection is to be
	// closed.
	take() bool
	// left is the end of the connection by its peer, or by the network.
	left(err error)
	// leave is called before the connection is closed by us, and reports whether that
	// loses half an event.
	leave() (half bool)
}

// overhead is how many octets of the buffer an event may need besides its own.
const overhead = max(framing.Overhead, framing.RELPOverhead)

// eventsPerBatch bounds a batch of very short events; a buffer of octets bounds others.
const eventsPerBatch = 4096

// calm is how long a connection says nothing before its large buffer is given back.
const calm = 3 * time.Second

func newConn(r *run, nc net.Conn, peer netip.AddrPort, scheme string) *conn {
	c := &conn{run: r, nc: nc, peer: peer, last: time.Now()}
	most := int(r.cfg.MaxEvent)
	if isRELP(scheme) {
		c.speak = &relp{conn: c, reader: framing.RELPReader{Max: most}}
	} else {
		c.speak = &frames{conn: c, reader: framing.Reader{Mode: r.mode, Max: most}}
	}
	return c
}

// serve reads until the connection ends, emits what is complete, and writes the line
// about its end where there is something to say. It does not close nc.
func (c *conn) serve() {
	defer func() { c.resize(0) }()
	defer context.AfterFunc(c.ctx, func() {
		c.deadline(time.Time{})
		_ = c.nc.SetWriteDeadline(time.Now().Add(farewell))
	})()
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
			c.speak.left(err)
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
		return c.resize(min(2*size, max(size, int(c.cfg.MaxEvent))+overhead))
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
	return c.speak.take()
}

// used drops octets from the front of the buffer.
func (c *conn) used(n int) {
	if n > 0 {
		c.have = copy(c.buf, c.buf[n:c.have])
	}
}

// add puts an event into the batch, with the size it had before it was cut.
func (c *conn) add(data []byte, size int) {
	if size > len(data) {
		c.cut(c.peer.Addr(), size)
	} else if size > 0 && (data[size-1] == '\n' || data[size-1] == 0) { // counted with the message
		data = framing.TrimEnd(data)
		size = len(data)
	}
	if size > 0 {
		c.batch.Add(event.Raw{Data: data, Time: c.last, Peer: c.peer, Size: size})
	}
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

// end is the end of a connection by us.
func (c *conn) end(reason string, args ...any) {
	if c.half() {
		args = append(args, "unfinished_bytes", c.have)
	}
	c.warn(c.peer.Addr(), "connection closed: "+reason, args...)
}

// stopped is the end of a connection because the source stops.
func (c *conn) stopped() {
	c.closed.Add(1)
	if c.half() {
		c.env.Log.Info("connection closed inside an event because the source stops", "peer", c.peer, "unfinished_bytes", c.have)
	}
}

// half says good-bye and reports whether half an event is lost with that.
func (c *conn) half() bool {
	defer c.large()()
	return c.speak.leave()
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
