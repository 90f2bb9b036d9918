// Package sockets hands out listening sockets that the service manager opened and passed
// to this process (LISTEN_FDS, sd_listen_fds(3)): ports below 1024 then need no
// privilege, and while the daemon restarts senders wait in the kernel's queue instead of
// being refused.
package sockets

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Set holds the sockets that were passed. It keeps them open until the process ends, so
// that a listener can close and open again without a sender noticing. A nil Set is
// empty. It is safe for concurrent use.
type Set struct {
	mu  sync.Mutex
	all []*socket
}

// socket is one that was passed.
type socket struct {
	file    *os.File
	name    string // FileDescriptorName= of its unit
	network string // tcp, udp, unix or unixgram; "" when it cannot be used
	address string // as its network writes it
	both    bool   // an IPv6 socket that takes IPv4, too
	why     string // it cannot be used
	used    bool
}

// Inherited returns the sockets that this process was passed. It takes them out of the
// environment: a second call finds none.
func Inherited() *Set {
	s := &Set{}
	for _, f := range activation.Files(true) {
		s.all = append(s.all, describe(f))
	}
	return s
}

// blocking returns f as a file that never changes the mode of its socket, which every
// listener on it shares.
func blocking(f *os.File) *os.File {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil || unix.SetNonblock(fd, false) != nil {
		return f
	}
	_ = f.Close()
	return os.NewFile(uintptr(fd), f.Name())
}

// describe finds out what a socket is.
func describe(f *os.File) *socket {
	s := &socket{file: blocking(f), name: f.Name()}
	fd := int(s.file.Fd())
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		s.why = "it is no socket"
		return s
	}
	listens, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	at, err := unix.Getsockname(fd)
	if err != nil {
		s.why = "its address is not known: " + err.Error()
		return s
	}
	network := ""
	switch a := at.(type) {
	case *unix.SockaddrInet4:
		network, s.address = "inet", netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		network, s.address = "inet", netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		s.both = err == nil && only == 0
	case *unix.SockaddrUnix:
		network, s.address = "unix", a.Name
	}
	switch {
	case kind == unix.SOCK_STREAM && listens == 0:
		s.why = "it does not listen; its unit must not say Accept=yes"
	case network == "inet" && kind == unix.SOCK_STREAM:
		s.network = "tcp"
	case network == "inet" && kind == unix.SOCK_DGRAM:
		s.network = "udp"
	case network == "unix" && kind == unix.SOCK_STREAM:
		s.network = "unix"
	case network == "unix" && kind == unix.SOCK_DGRAM:
		s.network = "unixgram"
	default:
		s.why = "nothing here listens on a socket of its kind"
	}
	return s
}

// Listen returns a listener on the socket of an address, or nil when none was passed.
// network is tcp or unix; the address is written as for net.Listen.
func (s *Set) Listen(network, address string) (net.Listener, error) {
	found := s.find(network, address)
	if found == nil {
		return nil, nil
	}
	l, err := net.FileListener(found.file) // a copy: closing it leaves the socket open
	return l, found.wrap(err)
}

// ListenPacket is Listen for udp and unixgram: what it returns is a *net.UDPConn or a
// *net.UnixConn.
func (s *Set) ListenPacket(network, address string) (net.PacketConn, error) {
	found := s.find(network, address)
	if found == nil {
		return nil, nil
	}
	pc, err := net.FilePacketConn(found.file)
	return pc, found.wrap(err)
}

func (s *socket) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("socket %s of the service manager: %w", s.name, err)
}

// find returns the socket of an address and marks it as used.
func (s *Set) find(network, address string) *socket {
	if s == nil || len(s.all) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var wide *socket
	for _, c := range s.all {
		if c.network != network {
			continue
		}
		exact, covers := c.matches(address)
		if exact {
			c.used = true
			return c
		}
		if covers && wide == nil {
			wide = c
		}
	}
	if wide != nil {
		wide.used = true
	}
	return wide
}

// matches reports whether a socket has an address, or has it among others: a socket on
// [::] takes what comes to 0.0.0.0 as well, unless it is said to be for IPv6 only.
func (s *socket) matches(address string) (exact, covers bool) {
	if strings.HasPrefix(s.network, "unix") {
		return s.address == address, false
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false, false
	}
	own, err := netip.ParseAddrPort(s.address)
	if err != nil || port != fmt.Sprint(own.Port()) {
		return false, false
	}
	if host == "" {
		return own.Addr() == netip.IPv6Unspecified(), own.Addr().IsUnspecified()
	}
	want, err := netip.ParseAddr(host)
	if err != nil {
		ip, err := net.ResolveIPAddr("ip", host) // as net.Listen takes a name
		if err != nil {
			return false, false
		}
		want, _ = netip.AddrFromSlice(ip.IP)
	}
	if want.Unmap() == own.Addr().Unmap() {
		return true, false
	}
	return false, s.both && want == netip.IPv4Unspecified() && own.Addr() == netip.IPv6Unspecified()
}

// Warn logs which sockets nobody listens on: their senders wait, or send into the void.
func (s *Set) Warn(log *slog.Logger) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		switch {
		case c.why != "":
			log.Warn("a socket of the service manager cannot be used", "name", c.name, "why", c.why)
		case !c.used:
			log.Warn("nobody listens on a socket of the service manager: no listen: of the configuration has its address",
				"name", c.name, "address", c.network+"://"+c.address)
		}
	}
}

// Close closes the sockets, for tests.
func (s *Set) Close() error {
	var failed error
	for _, c := range s.all {
		if err := c.file.Close(); err != nil && failed == nil {
			failed = err
		}
	}
	s.all = nil
	return failed
}
