package syslog

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// The longest message a datagram can have, in octets: 65535 less the headers of UDP and
// IP.
const (
	most4 = 65507
	most6 = 65487
)

// datagrams is a socket of which each datagram is one message. It is connected, so that
// the kernel tells when nobody listens at the other end and the network says so.
type datagrams struct {
	*net.UDPConn
	sink *Sink
	raw  syscall.RawConn
	most int
}

func (s *Sink) dialUDP(ctx context.Context) (link, error) {
	c, err := new(net.Dialer).DialContext(ctx, "udp", s.to.at)
	if err != nil {
		return nil, err
	}
	d := &datagrams{UDPConn: c.(*net.UDPConn), sink: s, most: most6}
	if a, ok := c.RemoteAddr().(*net.UDPAddr); ok && a.IP.To4() != nil {
		d.most = most4
	}
	if d.raw, err = d.SyscallConn(); err != nil {
		c.Close()
		return nil, err
	}
	return d, nil
}

func (d *datagrams) send(ctx context.Context, items []sink.Item) error {
	if err := d.SetWriteDeadline(time.Now().Add(d.sink.cfg.WriteTimeout)); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = d.SetWriteDeadline(time.Unix(1, 0)) })()
	var long []int
	for i := range items {
		msg, cut := framing.Datagram(items[i].Payload, d.most)
		if len(msg) == 0 {
			continue
		}
		_, err := d.Write(msg)
		switch {
		case errors.Is(err, unix.EMSGSIZE):
			long = append(long, i)
		case err != nil:
			return err
		case cut:
			d.sink.env.Meter.Add("payloads_cut", 1)
		}
	}
	if err := d.gone(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if long != nil {
		return &sink.Rejected{Index: long, Reason: errors.New("longer than a datagram to " + d.sink.to.String() + " can be")}
	}
	return nil
}

func (d *datagrams) abort() { _ = d.Close() }

// gone returns what the network said of earlier datagrams, such as that the port is not
// reachable.
func (d *datagrams) gone() (err error) {
	cerr := d.raw.Control(func(fd uintptr) {
		number, gerr := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err = gerr; gerr == nil && number != 0 {
			err = syscall.Errno(number)
		}
	})
	return errors.Join(cerr, err)
}
