package syslog

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// bind opens one address. One function per scheme.
func (r *run) bind(a address) (endpoint, error) {
	switch a.scheme {
	case "udp":
		return r.bindUDP(a)
	case "tcp", "relp":
		return r.bindTCP(a)
	case "tls", "relp+tls":
		return r.bindTLS(a)
	case "unix":
		return r.bindUnix(a)
	case "unixgram":
		return r.bindUnixgram(a)
	}
	return endpoint{}, fmt.Errorf("scheme %q is not supported", a.scheme)
}

func (r *run) bindUDP(a address) (endpoint, error) {
	var granted int
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		granted, err = setReceiveBuffer(c, int(r.cfg.ReceiveBuffer))
		return err
	}}
	pc, err := r.passedPacket("udp", a.at)
	if pc != nil {
		raw, rawErr := pc.(*net.UDPConn).SyscallConn()
		if err = rawErr; err == nil {
			granted, err = setReceiveBuffer(raw, int(r.cfg.ReceiveBuffer))
		}
		if err != nil {
			pc.Close()
		}
	} else if err == nil {
		pc, err = lc.ListenPacket(r.ctx, "udp", a.at)
	}
	if err != nil {
		return endpoint{}, err
	}
	a.at = pc.LocalAddr().String()
	r.reportBuffer(a, granted)
	return r.datagrams(a, pc.(*net.UDPConn), 1<<16)
}

func (r *run) bindTCP(a address) (endpoint, error) {
	l, err := r.listenTCP(&a)
	if err != nil {
		return endpoint{}, err
	}
	r.env.Log.Info("listening", "address", a.String())
	return r.stream(a, l, nil), nil
}

func (r *run) bindTLS(a address) (endpoint, error) {
	id, err := r.certificate()
	if err != nil {
		return endpoint{}, err
	}
	l, err := r.listenTCP(&a)
	if err != nil {
		return endpoint{}, err
	}
	r.env.Log.Info("listening", "address", a.String(), "client_certificates", r.cfg.TLS.ClientCA != "")
	return r.stream(a, l, id.Config()), nil
}

// listenTCP puts the real port into a.
func (r *run) listenTCP(a *address) (net.Listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true}}
	if isRELP(a.scheme) {
		lc.Control = smallSegments
	}
	l, err := r.passed("tcp", a.at)
	if tcp, ok := l.(*net.TCPListener); ok && lc.Control != nil {
		raw, rawErr := tcp.SyscallConn()
		if rawErr == nil {
			rawErr = lc.Control("tcp", a.at, raw)
		}
		if err = rawErr; err != nil {
			l.Close()
		}
	}
	if l == nil && err == nil {
		l, err = lc.Listen(r.ctx, "tcp", a.at)
	}
	if err != nil {
		return nil, err
	}
	a.at = l.Addr().String()
	return l, nil
}

// smallSegments lets senders send segments of no more than what Ethernet has. librelp keeps
// back what does not fill a segment (TCP_CORK) until 200 ms have passed, and waits for
// answers meanwhile: with the segments of a loopback interface, which are longer than a
// whole window of messages, 128 messages would take that long.
func smallSegments(_, _ string, c syscall.RawConn) error {
	var err error
	cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1448) })
	return errors.Join(cerr, err)
}

func (r *run) bindUnix(a address) (endpoint, error) {
	if l, err := r.passed("unix", a.at); l != nil || err != nil {
		return r.passedUnix(a, l, err)
	}
	if err := removeStale("unix", a.at); err != nil {
		return endpoint{}, err
	}
	l, err := net.Listen("unix", a.at)
	if err != nil {
		return endpoint{}, err
	}
	if err := os.Chmod(a.at, socketMode); err != nil {
		l.Close()
		return endpoint{}, err
	}
	r.env.Log.Info("listening", "address", a.String())
	return r.stream(a, l, nil), nil
}

func (r *run) bindUnixgram(a address) (endpoint, error) {
	if pc, err := r.passedPacket("unixgram", a.at); pc != nil || err != nil {
		return r.passedUnixgram(a, pc, err)
	}
	if err := removeStale("unixgram", a.at); err != nil {
		return endpoint{}, err
	}
	pc, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: a.at, Net: "unixgram"})
	if err != nil {
		return endpoint{}, err
	}
	if err := os.Chmod(a.at, socketMode); err != nil {
		pc.Close()
		return endpoint{}, err
	}
	r.env.Log.Info("listening", "address", a.String())
	return r.datagrams(a, socketFile{pc, a.at}, int(r.cfg.MaxEvent)+1)
}

// socketFile removes its socket when it closes, as a net.UnixListener does.
type socketFile struct {
	*net.UnixConn
	path string
}

// Close implements net.Conn.
func (s socketFile) Close() error {
	_ = os.Remove(s.path)
	return s.UnixConn.Close()
}

// socketMode lets the group of the service send.
const socketMode = 0o660

// removeStale removes a socket that a process which is gone left behind. It leaves
// everything else alone: binding then fails.
func removeStale(network, path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return nil
	}
	c, err := net.Dial(network, path)
	if err == nil {
		return c.Close()
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return nil
}

// listenError says which address cannot be listened on, why, and what to do.
func listenError(a address, err error) error {
	port := a.at[strings.LastIndexByte(a.at, ':')+1:]
	cause := err
	if op, ok := cause.(*net.OpError); ok {
		cause = op.Err // its own text repeats the address
	}
	if call, ok := cause.(*os.SyscallError); ok {
		cause = call.Err
	}
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && strings.HasPrefix(a.scheme, "unix"):
		hint = "another program has this socket, or the file is no socket"
	case errors.Is(err, syscall.EADDRINUSE):
		hint = fmt.Sprintf(`another program has this port: ss -lnp "sport = :%s" shows which`, port)
	case errors.Is(err, syscall.EACCES) && !strings.HasPrefix(a.scheme, "unix"):
		hint = "ports below 1024 need CAP_NET_BIND_SERVICE: AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, " +
			"or setcap cap_net_bind_service=+ep on the binary, or use a higher port"
	case errors.Is(err, syscall.EACCES):
		hint = "the folder of the socket must be writable for the service"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "this machine does not have the address: 0.0.0.0 or [::] listens on all it has"
	}
	if hint != "" {
		return fmt.Errorf("listen on %s: %w: %s", a, cause, hint)
	}
	return fmt.Errorf("listen on %s: %w", a, cause)
}
