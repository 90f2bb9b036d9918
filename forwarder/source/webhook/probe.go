package webhook

import (
	"context"
	"log/slog"
	"net"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Probe implements component.Prober: it binds the address, reads the certificates, and
// lets go again at once.
func (s *Source) Probe(ctx context.Context) []component.Probe {
	s.hub.mu.Lock()
	files := s.hub.tls[s.cfg.Listen]
	s.hub.mu.Unlock()
	p := component.Probe{What: s.cfg.Listen + s.cfg.Path, Note: "free"}
	if files.Given() {
		id, err := certs.Open(files, slog.New(slog.DiscardHandler))
		if err != nil {
			return []component.Probe{{What: p.What, Err: err}}
		}
		p.Note = "free, certificate until " + id.NotAfter().UTC().Format("2006-01-02")
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return []component.Probe{{What: p.What, Err: err}}
	}
	ln.Close()
	return []component.Probe{p}
}
