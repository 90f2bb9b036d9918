package sink

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func changed(p Progress) bool {
	select {
	case <-p.Changed:
		return true
	default:
		return false
	}
}

func TestLedger(t *testing.T) {
	var l Ledger
	look := func(session, taken, confirmed, before uint64, ended error) Progress {
		t.Helper()
		p := l.Progress()
		assert.Equal(t, Progress{session, taken, confirmed, before, ended, p.Changed}, p)
		assert.False(t, changed(p))
		return p
	}
	p := look(0, 0, 0, 0, nil)
	assert.EqualValues(t, 10, l.Take(0, 10))
	assert.True(t, changed(p))

	p = look(0, 10, 0, 0, nil)
	assert.EqualValues(t, 10, l.Take(0, 0))
	assert.EqualValues(t, 10, l.Take(7, 3), "another session")
	l.Confirm(7, 3)
	assert.False(t, changed(p))
	l.Confirm(0, 4)
	assert.True(t, changed(p))

	p = look(0, 10, 4, 0, nil)
	l.Confirm(0, 3)
	l.Confirm(0, 4)
	assert.False(t, changed(p), "nothing is taken back")
	l.Confirm(0, 12) // the answers to a Send that still runs
	look(0, 10, 10, 0, nil)
	l.Take(0, 5)
	p = look(0, 15, 12, 0, nil)

	why := errors.New("connection reset")
	l.End(9, why)
	assert.False(t, changed(p))
	begin := func(session uint64, want error) {
		t.Helper()
		now, err := l.Begin()
		assert.Equal(t, session, now)
		assert.Equal(t, want, err)
	}
	begin(0, nil)
	l.End(0, why)
	assert.True(t, changed(p))
	begin(1, ErrSession)
	begin(1, nil)
	p = look(1, 0, 0, 12, why)
	l.End(0, nil)
	l.Confirm(1, 2)
	assert.False(t, changed(p), "nothing was taken yet")
	l.Take(1, 3)
	look(1, 3, 2, 12, why)
	l.End(1, nil)
	l.End(2, nil)
	begin(3, ErrSession)
	l.Take(3, 3)
	l.Confirm(3, 3)
	l.End(3, nil)
	begin(4, nil)
	look(4, 0, 0, 3, nil)
}
