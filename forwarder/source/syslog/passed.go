package syslog

import "net"

// passed returns a listener on a socket that the service manager opened, or nil.
func (r *run) passed(network, address string) (net.Listener, error) {
	if r.env.Sockets == nil {
		return nil, nil
	}
	return r.env.Sockets.Listen(network, address)
}

// passedPacket is passed for datagrams.
func (r *run) passedPacket(network, address string) (net.PacketConn, error) {
	if r.env.Sockets == nil {
		return nil, nil
	}
	return r.env.Sockets.ListenPacket(network, address)
}

// passedUnix is the endpoint of a socket whose file, with its owner and mode, is the
// service manager's: it stays.
func (r *run) passedUnix(a address, l net.Listener, err error) (endpoint, error) {
	if err != nil {
		return endpoint{}, err
	}
	r.env.Log.Info("listening", "address", a.String(), "socket", "of the service manager")
	return r.stream(a, l, nil), nil
}

func (r *run) passedUnixgram(a address, pc net.PacketConn, err error) (endpoint, error) {
	if err != nil {
		return endpoint{}, err
	}
	r.env.Log.Info("listening", "address", a.String(), "socket", "of the service manager")
	return r.datagrams(a, pc.(*net.UnixConn), int(r.cfg.MaxEvent)+1)
}
