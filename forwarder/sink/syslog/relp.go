package syslog

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/relp"
)

// newSink makes the sink that the address asks for.
func newSink(c *Config, env component.Env) (sink.Sink, error) {
	s, err := New(c, env)
	if err != nil {
		return nil, err
	}
	switch s.to.scheme {
	case "udp":
		return s, nil
	case "tcp", "tls":
		return &Stream{s}, nil
	}
	return relp.New(relp.Options{
		To: s.to.String(), Dial: s.dialRELP, Window: c.Window,
		Connect: c.ConnectTimeout, Answer: c.AnswerTimeout, Write: c.WriteTimeout,
		Describe: func(c net.Conn) string {
			if t, ok := c.(*tls.Conn); ok {
				return told(t.ConnectionState())
			}
			return ""
		},
	}), nil
}

// dialRELP makes the connection over which RELP is to be spoken. Its errors do not repeat
// the address.
func (s *Sink) dialRELP(ctx context.Context) (net.Conn, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, cause(err)
	}
	if s.to.scheme != "relp+tls" {
		return c, nil
	}
	return s.shakeHands(ctx, c)
}
