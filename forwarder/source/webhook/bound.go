package webhook

import (
	"net"
	"sync"
)

// boundListener accepts while fewer than a number of its connections are open.
type boundListener struct {
	net.Listener
	slots chan struct{}
	done  chan struct{}
	once  sync.Once
	full  func() // called when there is no place, before waiting for one
}

func bound(ln net.Listener, connections int, full func()) *boundListener {
	return &boundListener{Listener: ln, slots: make(chan struct{}, connections), done: make(chan struct{}), full: full}
}

// crowded reports whether more than three quarters of the places are taken.
func (b *boundListener) crowded() bool { return 4*len(b.slots) > 3*cap(b.slots) }

// Accept implements net.Listener.
func (b *boundListener) Accept() (net.Conn, error) {
	if len(b.slots) == cap(b.slots) {
		b.full()
	}
	select {
	case b.slots <- struct{}{}:
	case <-b.done:
		return nil, net.ErrClosed
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.slots
		return nil, err
	}
	return &boundConn{Conn: c, slots: b.slots}, nil
}

// Close implements net.Listener.
func (b *boundListener) Close() error {
	b.once.Do(func() { close(b.done) })
	return b.Listener.Close()
}

// boundConn gives its place back when it is closed.
type boundConn struct {
	net.Conn
	slots chan struct{}
	once  sync.Once
}

// Close implements net.Conn.
func (c *boundConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.slots })
	return err
}
