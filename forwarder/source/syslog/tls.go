package syslog

import (
	"context"
	"sync"

	"github.com/siemfwd/siemfwd/forwarder/certs"
)

// TLS names the files of a listener's identity, in PEM form. They are read again when
// they change. What may be missing depends on the addresses, so that Config checks it.
type TLS certs.Files

// certificate reads the files for all addresses of a run.
func (r *run) certificate() (*certs.Identity, error) {
	if r.identity == nil {
		id, err := certs.Open(certs.Files(r.cfg.TLS), r.env.Log)
		if err != nil {
			return nil, err
		}
		r.identity = id
	}
	return r.identity, nil
}

// watchCertificate tells when the certificate ends and looks whether the files change,
// until ctx ends.
func (r *run) watchCertificate(ctx context.Context, serving *sync.WaitGroup) {
	id := r.identity
	if id == nil {
		return
	}
	tell := func() { r.env.Meter.Set("tls_not_after_seconds", float64(id.NotAfter().Unix())) }
	tell()
	serving.Go(func() { id.Watch(ctx, tell) })
}
