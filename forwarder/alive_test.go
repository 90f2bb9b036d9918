package forwarder

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

func TestAlive(t *testing.T) {
	down := &script{answer: func(int, []sink.Item) error { return errors.New("no route to host") }}
	d := start(t, t.TempDir(), map[string]sink.Sink{"out": down})
	defer d.end()
	assert.True(t, d.Alive())
	d.send("one")
	d.eventually("down", func(st control.Status) bool { return !st.Sinks[0].Up })
	assert.True(t, d.Alive(), "a restart would not help")

	l := d.lanes[0]
	assert.Zero(t, l.working.Load(), "it waits")
	l.working.Store(time.Now().Add(-stuckAfter / 2).UnixNano())
	assert.True(t, d.Alive())
	l.working.Store(time.Now().Add(-stuckAfter).UnixNano())
	assert.False(t, d.Alive())
	l.working.Store(0)
	assert.True(t, d.Alive())
}
