package forwarder

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// DumpQueue implements control.Dumper.
func (f *Forwarder) DumpQueue(ctx context.Context, ask control.Dump, out control.Out[control.Dumped]) error {
	for _, s := range f.sources {
		if s.name == ask.Source {
			return dump(ctx, s.spool.View(), ask, out)
		}
	}
	return DumpQueueOf(ctx, f.cfg, ask, out)
}

// DumpQueueOf is DumpQueue for a log that no forwarder has open. It changes nothing.
func DumpQueueOf(ctx context.Context, cfg *config.Config, ask control.Dump, out control.Out[control.Dumped]) error {
	if _, err := os.ReadDir(cfg.State); err != nil {
		return err
	}
	l := toCheck{err: os.ErrNotExist}
	if known(cfg, ask.Source) {
		l = lookAt(cfg, ask.Source)
	}
	switch {
	case errors.Is(l.err, os.ErrNotExist) && sourceOf(cfg, ask.Source) != nil:
		return nil // it has stored nothing yet
	case errors.Is(l.err, os.ErrNotExist):
		return fmt.Errorf("there is no source %q, neither in the configuration nor in %s", ask.Source, cfg.State)
	case l.err != nil:
		return l.err
	}
	return dump(ctx, l.view, ask, out)
}

func dump(ctx context.Context, v *spool.View, ask control.Dump, out control.Out[control.Dumped]) error {
	const often = 256 // events between two looks at whether somebody still listens
	n := uint64(0)
	for e, err := range v.RangeAt(ask.From, ask.Since, ask.Until) {
		if err != nil {
			return err
		}
		d := control.Dumped{Source: ask.Source, Position: e.Index, Received: e.Time, Raw: e.Data}
		if e.Peer.IsValid() {
			d.Peer = e.Peer.String()
		}
		if e.Cut() {
			d.Size = e.Size
		}
		if err := out.Put(d); err != nil {
			return err
		}
		if n++; n == ask.Count {
			break
		}
		if n%often == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}
