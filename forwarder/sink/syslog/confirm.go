package syslog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// Stream is the sink over TCP and TLS. Syslog has no acknowledgement, but TCP has one: the
// receiver's kernel tells which octets have reached its machine. An item is confirmed when
// they all have and, since the receiver may not have read them yet, when that was longer
// ago than resend.age, or more than resend.size was acknowledged after it. What is not is
// lost with the connection, and a new Session. A receiver that closes because it was told
// that nothing more comes has read everything; Settle makes use of that.
//
// What an application had in its receive buffer beyond that, and had not read when it was
// killed, is lost without notice, and so is what it had read and not kept: only a protocol
// with an answer of the application (RELP, HTTP) can tell.
type Stream struct{ *Sink }

var _ sink.Confirmer = (*Stream)(nil)

// Progress implements sink.Confirmer.
func (s *Stream) Progress() sink.Progress { return s.ledger.Progress() }

// Settle implements sink.Confirmer: it says that nothing more comes and waits until the
// receiver has closed. When it does not, what its kernel has is confirmed.
func (s *Stream) Settle(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.link.(*stream)
	if !ok {
		return
	}
	c.window.settle(false)
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = c.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
		_ = cw.CloseWrite()
	}
	_ = c.raw.CloseWrite() // TLS says goodbye and does not hang up
	c.window.settle(true)
	for {
		p := s.ledger.Progress()
		if p.Session != c.window.session || p.Confirmed == p.Taken {
			return
		}
		select {
		case <-p.Changed:
		case <-ctx.Done():
			c.window.confirm(true)
			return
		case <-s.life.Done():
			return
		}
	}
}

// took notes that a batch was sent. Over UDP nothing is ever confirmed, and nothing taken.
func (s *Sink) took(n int) {
	if s.to.scheme != "udp" {
		s.ledger.Take(s.session, n)
	}
}

// window is what was written to one connection and is not confirmed. While there is
// something it looks at the connection's queue now and then; it leaves nothing behind.
type window struct {
	sink    *Sink
	session uint64
	conn    counted

	mu       sync.Mutex
	items    uint64 // written in all
	marks    []mark // not confirmed, from head on
	head     int
	timer    *time.Timer
	waiting  bool // for the timer
	settling bool // the peer is being told that nothing more comes
	told     bool // that is in the connection's queue, where it counts as one octet
	over     bool
}

// mark is where the octets end of some items.
type mark struct {
	items uint64 // up to here, from the first of the connection
	end   int64  // octets written up to here
	acked time.Time
}

// wrote notes that n more items are written as a whole, and nothing beyond them.
func (w *window) wrote(n int) {
	if n == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.items += uint64(n)
	if len(w.marks) == cap(w.marks) && w.head > 0 {
		w.marks = w.marks[:copy(w.marks, w.marks[w.head:])]
		w.head = 0
	}
	w.marks = append(w.marks, mark{items: w.items, end: w.conn.written.Load()})
}

// confirm confirms what the peer's kernel has acknowledged: all of it, or what need not
// be sent again. It sees to it that the rest is confirmed later.
func (w *window) confirm(all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.look(all)
	if w.head == len(w.marks) || w.waiting {
		return
	}
	w.waiting = true
	pause := min(max(w.sink.cfg.Resend.Age/16, 10*time.Millisecond), 250*time.Millisecond)
	if w.timer == nil {
		w.timer = time.AfterFunc(pause, w.tick)
	} else {
		w.timer.Reset(pause)
	}
}

func (w *window) tick() {
	w.mu.Lock()
	w.waiting = false
	w.mu.Unlock()
	w.confirm(false)
}

// look asks the kernel how much is acknowledged; w.mu is held.
func (w *window) look(all bool) {
	written := w.conn.written.Load()
	queued, err := w.conn.queued()
	if err != nil {
		return
	}
	if w.told {
		queued = max(queued-1, 0)
	}
	acked := written - queued
	now, how := time.Now(), w.sink.cfg.Resend
	confirmed := uint64(0)
	for i := w.head; i < len(w.marks) && w.marks[i].end <= acked; i++ {
		m := &w.marks[i]
		if m.acked.IsZero() {
			m.acked = now
		}
		if i == w.head && (all || now.Sub(m.acked) >= how.Age || acked-m.end >= int64(how.Size)) {
			confirmed = m.items
			w.head++
		}
	}
	if w.head == len(w.marks) {
		w.marks, w.head = w.marks[:0], 0
	}
	if confirmed > 0 {
		w.sink.ledger.Confirm(w.session, confirmed)
	}
}

// settle says that the peer is about to be told that nothing more comes, or was told.
func (w *window) settle(told bool) {
	w.mu.Lock()
	w.settling, w.told = true, told
	w.mu.Unlock()
}

// end ends the window and its session. closed says that the peer closed the connection
// in good order.
func (w *window) end(closed bool, why error) {
	w.mu.Lock()
	w.look(false)
	if closed && w.settling {
		w.sink.ledger.Confirm(w.session, w.items)
	}
	w.over = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	w.sink.ledger.End(w.session, fmt.Errorf("%s: %w", w.sink.to, cause(why)))
}

// queued returns how many of the octets written the peer's kernel has not acknowledged
// (SIOCOUTQ, tcp(7)).
func (c counted) queued() (n int64, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := raw.Control(func(fd uintptr) {
		var queue int
		queue, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		n = int64(queue)
	})
	if cerr != nil {
		err = cerr
	}
	return n, err
}
