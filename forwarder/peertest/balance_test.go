package peertest

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/siemfwd/siemfwd/forwarder/control"
)

// failing counts how often a test was failed.
type failing struct {
	testing.TB
	errors int
}

func (f *failing) Helper()               {}
func (f *failing) Error(...any)          { f.errors++ }
func (f *failing) Errorf(string, ...any) { f.errors++ }

func TestBalanced(t *testing.T) {
	f := &failing{TB: t}
	Balanced(f, control.Status{Lanes: []control.Lane{{Received: 5, Delivered: 1, Filtered: 1, Dead: 1, Expired: 1, Waiting: 1}}})
	assert.Zero(t, f.errors)
	Balanced(f, control.Status{Lanes: []control.Lane{{Received: 5, Delivered: 4}, {Received: 1, Waiting: 2}, {}}})
	assert.Equal(t, 2, f.errors)
}

func TestBalanceLog(t *testing.T) {
	f := &failing{TB: t}
	var out bytes.Buffer
	for i, h := range []slog.Handler{slog.DiscardHandler, slog.NewTextHandler(&out, nil)} {
		log := slog.New(BalanceLog(f, h)).With("a", 1).WithGroup("g")
		log.Info("stopped")
		log.Error("something else")
		assert.Equal(t, i, f.errors)
		log.Error(control.Unbalanced, "difference", 3)
		assert.Equal(t, i+1, f.errors)
	}
	assert.Contains(t, out.String(), fmt.Sprintf("msg=%q a=1 g.difference=3", control.Unbalanced))
}
