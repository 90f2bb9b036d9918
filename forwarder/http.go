package forwarder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/telemetry"
)

// Snapshot implements telemetry.Provider.
func (f *Forwarder) Snapshot() telemetry.Snapshot {
	st := f.Status()
	snap := telemetry.Snapshot{Version: st.Version, ReloadOK: true, Dead: telemetry.Dead{Bytes: f.dead.Bytes(), Dropped: f.dead.Dropped()}}
	for i, s := range st.Sources {
		in := f.sources[i].intake
		snap.Sources = append(snap.Sources, telemetry.Source{Name: s.Name, Up: s.Up, Received: s.Received, Duplicates: s.Duplicates,
			Refused: in.refused.Load(), SpoolBytes: s.SpoolBytes, Damaged: s.Damaged, Position: s.Position, Warnings: in.warned()})
	}
	for _, s := range st.Sinks {
		snap.Sinks = append(snap.Sinks, telemetry.Sink{Name: s.Name, Up: s.Up})
	}
	for _, l := range st.Lanes {
		snap.Lanes = append(snap.Lanes, telemetry.Lane{Source: l.Source, Sink: l.Sink, Delivered: l.Delivered - l.Retried, Filtered: l.Filtered,
			Dead: l.Dead + l.Retried, Retried: l.Retried, Expired: l.Expired, Waiting: l.Waiting, Unconfirmed: l.Unconfirmed, Oldest: l.Oldest,
			Replayed: l.Replayed})
	}
	for _, c := range f.dead.Kept() {
		snap.Dead.Letters = append(snap.Dead.Letters, telemetry.Letters{Source: c.Source, Sink: c.Sink, Kept: c.Letters})
	}
	return snap
}

// ready tells whether every source reads and every spool takes events. A sink that is
// down does not make the forwarder unready: its events wait on disk.
func (f *Forwarder) ready() (ok bool, why string) {
	if f.stopping.Load() {
		return false, "stopping"
	}
	var bad []string
	for _, s := range f.sources {
		if now := s.current(); !now.up {
			bad = append(bad, fmt.Sprintf("source %s is not reading: %s", s.name, now.why))
		}
		if st := s.spool.Stats(); st.Full {
			bad = append(bad, fmt.Sprintf("spool of %s takes nothing: %v", s.name, st.Err))
		}
	}
	return len(bad) == 0, strings.Join(bad, "; ")
}

// serveHTTP opens the listener of metrics and health, and returns what closes it.
func (f *Forwarder) serveHTTP() (func(), error) {
	if f.cfg.HTTP.Listen == "" {
		return func() {}, nil
	}
	l, err := f.opts.Sockets.Listen("tcp", f.cfg.HTTP.Listen)
	if l == nil && err == nil {
		l, err = net.Listen("tcp", f.cfg.HTTP.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w; choose another address, or switch it off with http: {listen: \"\"}", err)
	}
	f.httpAddr = l.Addr().String()
	srv := &http.Server{Handler: telemetry.Handler(f.metrics, f.ready, f.log), ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			f.log.Error("http", "err", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close()
		}
		<-done
	}, nil
}
