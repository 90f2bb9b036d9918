package syslog

import (
	"context"
	"log/slog"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Probe implements component.Prober: it binds each address, reads the certificates, and
// lets go again at once.
func (s *Source) Probe(ctx context.Context) []component.Probe {
	quiet := &Source{cfg: s.cfg, where: s.where, allow: s.allow, env: component.Env{Name: s.env.Name, Log: slog.New(slog.DiscardHandler), Meter: component.NoMeter{}}}
	r := &run{Source: quiet, ctx: ctx}
	var out []component.Probe
	for _, a := range s.where {
		p := component.Probe{What: a.String(), Note: "free"}
		if e, err := r.bind(a); err != nil {
			p.Note, p.Err = "", listenError(a, err)
		} else {
			e.Close()
		}
		out = append(out, p)
	}
	return out
}
