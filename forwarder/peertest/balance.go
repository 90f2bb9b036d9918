package peertest

import (
	"context"
	"log/slog"
	"testing"

	"github.com/siemfwd/siemfwd/forwarder/control"
)

// Balanced fails the test when not everything received is accounted for: delivered,
// filtered, dead, expired or waiting, per source and sink. Every test that runs a whole
// forwarder holds its end to it.
func Balanced(t testing.TB, st control.Status) {
	t.Helper()
	for _, l := range st.Lanes {
		if l.Balance() != 0 {
			t.Errorf("accounting differs by %d: %+v", l.Balance(), l)
		}
	}
}

// BalanceLog is a log handler in front of next that fails the test when a forwarder in
// this process says at its end that its accounting does not add up.
func BalanceLog(t testing.TB, next slog.Handler) slog.Handler { return balanceLog{next, t} }

type balanceLog struct {
	slog.Handler
	t testing.TB
}

func (b balanceLog) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError || b.Handler.Enabled(ctx, l)
}

func (b balanceLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == control.Unbalanced {
		b.t.Error(r.Message)
	}
	if !b.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return b.Handler.Handle(ctx, r)
}

func (b balanceLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return balanceLog{b.Handler.WithAttrs(attrs), b.t}
}

func (b balanceLog) WithGroup(name string) slog.Handler {
	return balanceLog{b.Handler.WithGroup(name), b.t}
}
