package relp

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// prompter returns what makes the kernel acknowledge at once what was just received. A
// receiver that writes each answer by itself, as librelp does, and leaves the Nagle
// algorithm on has its second answer wait for the acknowledgement of the first, which
// would else wait 40 ms for octets to go along with.
func prompter(c net.Conn) func() {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	t, ok := c.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return func() {}
	}
	quick := func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }
	return func() { _ = raw.Control(quick) }
}
