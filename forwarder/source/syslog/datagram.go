package syslog

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/framing"
)

// packetConn is a *net.UDPConn or a *net.UnixConn.
type packetConn interface {
	net.PacketConn
	syscall.Conn
}

// inbox is one datagram socket. One goroutine reads, another emits what was read: while
// the log waits for the disk, datagrams are still taken from the kernel, up to a bound.
type inbox struct {
	*run
	at  address
	raw syscall.RawConn
	pc  packetConn
	in  *receiver

	mu      sync.Mutex
	filling *event.Batch
	more    chan struct{} // something was put into filling; closed at the end
	room    chan struct{} // filling is empty again
}

// A batch of datagrams is full at so many octets or events.
const (
	fullOctets = 4 << 20
	fullEvents = 16 << 10
)

// datagrams makes the endpoint of a socket whose datagrams are at most size octets long,
// or are cut there.
func (r *run) datagrams(a address, pc packetConn, size int) (endpoint, error) {
	raw, err := pc.SyscallConn()
	if err != nil {
		pc.Close()
		return endpoint{}, err
	}
	b := &inbox{run: r, at: a, raw: raw, pc: pc, in: newReceiver(size),
		filling: &event.Batch{}, more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	return endpoint{address: a.String(), serve: b.serve, Closer: pc,
		stop: func() { _ = pc.SetReadDeadline(time.Now()) }}, nil
}

func (b *inbox) serve() {
	defer b.pc.Close()
	var rest sync.WaitGroup
	rest.Go(b.emitter)
	if b.at.scheme == "udp" {
		rest.Go(b.watch)
	}
	b.reader()
	close(b.more)
	rest.Wait()
}

// reader moves datagrams from the kernel to filling.
func (b *inbox) reader() {
	var n int
	var err error
	once := func(fd uintptr) bool {
		n, err = b.in.receive(fd)
		return !errors.Is(err, unix.EAGAIN)
	}
	for {
		if rerr := b.raw.Read(once); rerr != nil {
			err = rerr
		}
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			if b.ctx.Err() == nil {
				b.fail(fmt.Errorf("receive on %s: %w", b.at, err))
			}
			return
		}
		b.put(n)
	}
	// The source stops. Datagrams that have arrived are not to be lost.
	for until := time.Now().Add(linger); time.Now().Before(until); {
		if rerr := b.raw.Control(func(fd uintptr) { n, err = b.in.receive(fd) }); rerr != nil || err != nil {
			return
		}
		b.put(n)
	}
}

// put adds the n datagrams of the receiver to filling and waits while that is full.
func (b *inbox) put(n int) {
	now := time.Now()
	b.mu.Lock()
	for i := range n {
		b.add(i, now)
	}
	some := b.filling.Len() > 0
	full := b.filling.Bytes() >= fullOctets || b.filling.Len() >= fullEvents
	b.mu.Unlock()
	if some {
		select {
		case b.more <- struct{}{}:
		default:
		}
	}
	if full {
		<-b.room
	}
}

func (b *inbox) add(i int, now time.Time) {
	data, size, peer := b.in.at(i)
	if len(b.allow) > 0 && !b.allowed(peer.Addr(), 1) {
		return
	}
	if size == len(data) {
		data = framing.TrimEnd(data)
		size = len(data)
	}
	if size == 0 {
		return
	}
	if most := int(b.cfg.MaxEvent); size > most {
		data = data[:most]
		b.cut(peer.Addr(), size)
	}
	b.filling.Add(event.Raw{Data: data, Time: now, Peer: peer, Size: size})
}

// emitter hands to the log whatever has come since the last time.
func (b *inbox) emitter() {
	batch := &event.Batch{}
	for range b.more {
		b.mu.Lock()
		batch, b.filling = b.filling, batch
		b.mu.Unlock()
		select {
		case b.room <- struct{}{}:
		default:
		}
		if batch.Len() > 0 {
			if err := b.log.Emit(b.emit, batch); err != nil {
				b.lost(batch.Len(), err)
			}
		}
		batch.Reset()
	}
}

// How often the kernel's count of dropped datagrams is looked at, and after how long
// without a loss it is over.
const (
	lookAtDrops = time.Second
	dropsOver   = 10 * time.Second
)

// watch counts the datagrams the kernel drops because its buffer is full, and logs when
// that begins and ends.
func (b *inbox) watch() {
	tick := time.NewTicker(lookAtDrops)
	defer tick.Stop()
	var d drops
	for {
		stopping := false
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			stopping = true
		}
		count, err := kernelDrops(b.raw)
		if err != nil {
			return // a kernel that does not tell
		}
		n, began, ended := d.seen(count, time.Now(), stopping)
		if n > 0 {
			b.env.Meter.Add("udp_dropped", uint64(n))
		}
		switch {
		case began:
			b.env.Log.Warn("the kernel drops datagrams: they come faster than they are stored", "address", b.at.String(), "dropped", d.episode,
				"hint", "a larger receive_buffer takes longer bursts")
		case ended:
			b.env.Log.Info("the kernel drops no more datagrams", "address", b.at.String(), "dropped", d.episode)
		}
		if stopping {
			return
		}
	}
}

// drops follows the kernel's counter, which wraps at 32 bits, through episodes of loss.
type drops struct {
	count   uint32
	episode uint64 // datagrams of this episode
	last    time.Time
	on      bool
}

// seen takes the counter's value and returns how many it has grown by, and whether that
// began an episode, or the lack of it, or the end of everything, ended one.
func (d *drops) seen(count uint32, now time.Time, end bool) (n uint32, began, ended bool) {
	n, d.count = count-d.count, count
	if n > 0 {
		if began = !d.on; began {
			d.on, d.episode = true, 0
		}
		d.episode, d.last = d.episode+uint64(n), now
	}
	if d.on && !began && (end || n == 0 && now.Sub(d.last) >= dropsOver) {
		d.on, ended = false, true
	}
	return n, began, ended
}

// reportBuffer tells how much room the kernel keeps.
func (r *run) reportBuffer(a address, granted int) {
	asked, got := r.cfg.ReceiveBuffer, component.Size(granted)
	if got < asked {
		r.env.Log.Warn("listening with a smaller receive buffer than asked for: bursts may be lost", "address", a.String(),
			"receive_buffer", got, "asked", asked,
			"hint", "sysctl -w net.core.rmem_max="+strconv.Itoa(int(asked))+", or CAP_NET_ADMIN for the service")
		return
	}
	r.env.Log.Info("listening", "address", a.String(), "receive_buffer", got)
}

// addrPort is a peer without the form IPv4 has inside IPv6.
func addrPort(a netip.Addr, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(a.Unmap(), port)
}
