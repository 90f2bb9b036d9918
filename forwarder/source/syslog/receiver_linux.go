package syslog

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiver takes several datagrams from a socket with one system call (recvmmsg(2)) and
// without allocating: net.UDPConn takes one at a time.
type receiver struct {
	headers []unix.Mmsghdr
	vectors []unix.Iovec
	names   []unix.RawSockaddrAny
	buffers [][]byte
}

// newReceiver makes room for datagrams of size octets each. Pages of it that no datagram
// ever reached cost no memory.
func newReceiver(size int) *receiver {
	n := max(1, min(32, (2<<20)/size))
	r := &receiver{
		headers: make([]unix.Mmsghdr, n),
		vectors: make([]unix.Iovec, n),
		names:   make([]unix.RawSockaddrAny, n),
		buffers: make([][]byte, n),
	}
	for i := range n {
		r.buffers[i] = make([]byte, size)
		r.vectors[i].Base = &r.buffers[i][0]
		r.vectors[i].SetLen(size)
		h := &r.headers[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Iov = &r.vectors[i]
		h.SetIovlen(1)
	}
	return r
}

// receive takes the datagrams that are there, one at least and as many as there is room
// for. It returns EAGAIN when there are none.
func (r *receiver) receive(fd uintptr) (n int, err error) {
	for i := range r.headers {
		r.headers[i].Hdr.Namelen = unix.SizeofSockaddrAny
	}
	for {
		// MSG_TRUNC makes the kernel tell the length of a datagram that was cut.
		k, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[0])), uintptr(len(r.headers)),
			unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
		switch errno {
		case 0:
			return int(k), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// at returns datagram i, the length it had on the wire, and who sent it. Data is valid
// until the next receive.
func (r *receiver) at(i int) (data []byte, size int, peer netip.AddrPort) {
	size = int(r.headers[i].Len)
	data = r.buffers[i][:min(size, len(r.buffers[i]))]
	switch r.names[i].Addr.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&r.names[i]))
		peer = addrPort(netip.AddrFrom4(sa.Addr), networkOrder(sa.Port))
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&r.names[i]))
		peer = addrPort(netip.AddrFrom16(sa.Addr), networkOrder(sa.Port))
	}
	return data, size, peer
}

func networkOrder(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}

// setReceiveBuffer asks for room for size octets of datagrams and returns how much the
// kernel granted. It doubles the figure for its own book-keeping (socket(7)), which is
// taken back here. Above net.core.rmem_max only SO_RCVBUFFORCE works.
func setReceiveBuffer(c syscall.RawConn, size int) (granted int, err error) {
	cerr := c.Control(func(fd uintptr) {
		if size > 0 && unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size)
		}
		if err == nil {
			granted, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		}
	})
	if cerr != nil {
		return 0, cerr
	}
	return granted / 2, err
}

// kernelDrops returns how many datagrams the kernel has dropped at this socket since it
// was made, modulo 2^32. Unlike SO_RXQ_OVFL it tells of losses that no datagram has
// followed yet. Linux 4.12.
func kernelDrops(c syscall.RawConn) (n uint32, err error) {
	var info [unix.SK_MEMINFO_VARS]uint32
	length := uint32(unsafe.Sizeof(info))
	cerr := c.Control(func(fd uintptr) {
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&length)), 0)
		if errno != 0 {
			err = errno
		}
	})
	if cerr != nil {
		return 0, cerr
	}
	return info[unix.SK_MEMINFO_DROPS], err
}
