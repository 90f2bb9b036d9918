package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// VendorConfig returns the two structs that the configuration of a source is read into:
// cfg is a *Config, own the vendor's, without keys where it has none.
func VendorConfig(v kit.Vendor) (cfg, own any) {
	c := Defaults()
	switch {
	case v.Options != nil:
		return &c, v.Options.Config()
	case v.Register != nil:
		return &c, v.Register.Config()
	}
	return &c, &struct{}{}
}

// When a registration is looked at again.
const (
	registerEvery = time.Hour   // when all was well
	registerAgain = time.Minute // after a failure; then twice as long each time, up to the above
	registerFor   = 5 * time.Minute
)

// memoFile holds what a registrar wants to know again after a restart.
const memoFile = "registered.json"

// Registered returns src, made by Hub.New, as a source that while it runs makes sure, at
// the start and hourly, that its vendor posts to it. own is what VendorConfig returned,
// filled in. A registration that fails is logged and tried again; it never stops src.
// Where none is configured it returns src itself.
func Registered(src source.Source, k *kit.Register, own any, env component.Env) (source.Source, error) {
	s, ok := src.(*Source)
	if k == nil || own == nil || !ok {
		return src, nil
	}
	// Not Host alone: it may be shared, and the name may stand in two configurations.
	registrar, err := k.Open(own, env.Host+"/"+env.Name)
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	if registrar == nil {
		return src, nil
	}
	return &registered{Source: s, register: registrar, wait: source.Sleep}, nil
}

// registered is a source whose vendor is told about it.
type registered struct {
	*Source
	register kit.Registrar
	wait     func(ctx context.Context, d time.Duration) error
}

// Run implements source.Source.
func (s *registered) Run(ctx context.Context, log source.Log) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		select {
		case <-ready: // not before: the vendor may try the address at once
			s.keepRegistered(ctx)
		case <-ctx.Done():
		}
	})
	err := s.Source.Run(ctx, watchReady(log, ready))
	cancel()
	telling.Wait()
	return err
}

// keepRegistered registers until ctx ends, or the API refuses for good.
func (s *registered) keepRegistered(ctx context.Context) {
	memo := s.readMemo()
	pause, said := time.Duration(0), ""
	for {
		now, keep, err := s.once(ctx, memo)
		if ctx.Err() != nil {
			return
		}
		s.env.Meter.Set("webhook_registered", map[bool]float64{true: 1}[err == nil])
		next := registerEvery
		if err != nil {
			now = err.Error()
			pause = min(max(registerAgain, 2*pause), registerEvery)
			next = pause
		} else {
			pause = 0
		}
		if len(keep) > 0 && string(keep) != string(memo) {
			memo = keep
			s.writeMemo(memo)
		}
		var throttled *kit.Throttled
		if errors.As(err, &throttled) {
			next = max(next, throttled.For)
		}
		gone := final(err)
		switch {
		case gone:
			s.env.Log.Error("the vendor could not be told where to post to; not tried again before the next start", "err", err)
			return
		case now == said:
		case err != nil:
			s.env.Log.Warn("the vendor could not be told where to post to", "err", err)
		default:
			s.env.Log.Info("the vendor knows where to post to", "state", now)
		}
		said = now
		if s.wait(ctx, next) != nil {
			return
		}
	}
}

func (s *registered) once(ctx context.Context, memo []byte) (string, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, registerFor)
	defer cancel()
	return s.register(ctx, memo)
}

// final reports whether trying again with the same configuration is of no use.
func final(err error) bool {
	var denied *kit.Denied
	var bad *kit.Bad
	return errors.As(err, &denied) || errors.As(err, &bad)
}

func (s *registered) readMemo() []byte {
	if s.env.State == "" {
		return nil
	}
	memo, err := os.ReadFile(filepath.Join(s.env.State, memoFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.env.Log.Warn("what is known of the registration cannot be read; it is looked up", "err", err)
	}
	return memo
}

// writeMemo keeps a memo. Without it the registration is looked up: a failure only warns.
func (s *registered) writeMemo(memo []byte) {
	if s.env.State == "" {
		return
	}
	path := filepath.Join(s.env.State, memoFile)
	err := cmp.Or(os.MkdirAll(s.env.State, 0o700), os.WriteFile(path+".new", memo, 0o600))
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		s.env.Log.Warn("what is known of the registration cannot be kept", "err", err)
	}
}

// watchReady returns log as one that also closes ready when the source is; it tells
// whether it is full if log does.
func watchReady(log source.Log, ready chan<- struct{}) source.Log {
	w := readyLog{log, ready}
	if full, tells := log.(interface{ Full() bool }); tells {
		return struct {
			readyLog
			fuller
		}{w, full}
	}
	return w
}

type fuller interface{ Full() bool }

type readyLog struct {
	source.Log
	ready chan<- struct{}
}

// Ready implements source.Log.
func (l readyLog) Ready() {
	l.Log.Ready()
	close(l.ready)
}
