package webhook

import (
	"net"
	"net/netip"
	"sync"
)

// boundListener accepts while fewer than a number of its connections are open, and
// closes those of a peer that has too many of them.
type boundListener struct {
	net.Listener
	slots   chan struct{}
	done    chan struct{}
	once    sync.Once
	perPeer int
	full    func(reason string, peer netip.Addr) // called when there is no place

	mu    sync.Mutex
	peers map[netip.Addr]int
}

func bound(ln net.Listener, connections, perPeer int, full func(reason string, peer netip.Addr)) *boundListener {
	return &boundListener{Listener: ln, slots: make(chan struct{}, connections), done: make(chan struct{}), perPeer: perPeer, full: full, peers: map[netip.Addr]int{}}
}

// crowded reports whether more than three quarters of the places are taken.
func (b *boundListener) crowded() bool { return 4*len(b.slots) > 3*cap(b.slots) }

// Accept implements net.Listener.
func (b *boundListener) Accept() (net.Conn, error) {
	if len(b.slots) == cap(b.slots) {
		b.full("connections are as many as allowed", netip.Addr{})
	}
	select {
	case b.slots <- struct{}{}:
	case <-b.done:
		return nil, net.ErrClosed
	}
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			<-b.slots
			return nil, err
		}
		peer := address(c.RemoteAddr().String()).Addr()
		if b.enter(peer) {
			return &boundConn{Conn: c, of: b, peer: peer}, nil
		}
		_ = c.Close()
		b.full("connections of one sender are as many as allowed", peer)
	}
}

// enter counts a connection of a peer, unless it has too many. This host, where a proxy
// may stand for all senders, can have any number.
func (b *boundListener) enter(peer netip.Addr) bool {
	if peer.IsLoopback() {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.peers[peer] >= b.perPeer {
		return false
	}
	b.peers[peer]++
	return true
}

func (b *boundListener) leave(peer netip.Addr) {
	<-b.slots
	if peer.IsLoopback() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.peers[peer]--; b.peers[peer] <= 0 {
		delete(b.peers, peer)
	}
}

// Close implements net.Listener.
func (b *boundListener) Close() error {
	b.once.Do(func() { close(b.done) })
	return b.Listener.Close()
}

// boundConn gives its place back when it is closed.
type boundConn struct {
	net.Conn
	of   *boundListener
	peer netip.Addr
	once sync.Once
}

// Close implements net.Conn.
func (c *boundConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.of.leave(c.peer) })
	return err
}
