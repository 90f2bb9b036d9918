package syslog

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Probe implements component.Prober: it connects, for TLS with both sides' certificates,
// and closes. A receiver of datagrams is only looked up, for it answers nothing.
func (s *Sink) Probe(ctx context.Context) []component.Probe {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := component.Probe{What: s.to.String()}
	if err := s.connect(ctx); err != nil {
		p.Err = s.failure(ctx, "connect to", err)
		return []component.Probe{p}
	}
	switch c := s.link.(type) {
	case *datagrams:
		p.Note = "resolved; UDP does not tell whether anybody listens"
	case *stream:
		if t, ok := c.Conn.(interface{ ConnectionState() tls.ConnectionState }); ok {
			p.Note = told(t.ConnectionState())
		}
	}
	_ = s.link.Close()
	s.link = nil
	return []component.Probe{p}
}

// told says what a TLS handshake has shown.
func told(c tls.ConnectionState) string {
	note := tls.VersionName(c.Version)
	if len(c.PeerCertificates) > 0 {
		note += fmt.Sprintf(", certificate until %s", c.PeerCertificates[0].NotAfter.UTC().Format(time.DateOnly))
	}
	return note
}
