package webhook

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// Why a body could not be read. Any other error is the connection's.
var (
	errTooLong = errors.New("body is too long")
	errBusy    = errors.New("too much is being received")
	errGzip    = errors.New("body is not gzip")
)

// Memory for bodies: a desk begins with the first size and is kept for the next
// request up to the last.
const (
	firstBuffer = 16 << 10
	keptBuffer  = 64 << 10
	keptDesks   = 64
)

// desk is what one request is worked on with. Desks are reused and their number is
// bounded only by that of connections; the octets on them by the budget.
type desk struct {
	budget   *budget
	taken    int64 // of the budget
	body     []byte
	inflated []byte
	in       bytes.Reader
	gzip     *gzip.Reader
	batch    event.Batch
}

// desks are those nobody works at.
type desks struct {
	budget budget
	free   chan *desk
}

func newDesks(octets int64) *desks {
	d := &desks{free: make(chan *desk, keptDesks)}
	d.budget.left.Store(octets)
	return d
}

func (d *desks) get() *desk {
	select {
	case k := <-d.free:
		return k
	default:
		return &desk{budget: &d.budget}
	}
}

// put takes a desk back; nothing may point into it any more.
func (d *desks) put(k *desk) {
	k.budget.left.Add(k.taken)
	k.taken = 0
	if cap(k.body) > keptBuffer || cap(k.inflated) > keptBuffer {
		return
	}
	k.batch.Reset()
	k.in.Reset(nil)
	select {
	case d.free <- k:
	default:
	}
}

// budget bounds the octets of all bodies that are being received.
type budget struct{ left atomic.Int64 }

// grow returns b with room for more, charged to the budget beyond what a desk keeps.
func (k *desk) grow(b []byte, most int64) ([]byte, error) {
	n := min(max(firstBuffer, 2*int64(cap(b))), most+1)
	if n > keptBuffer {
		if k.budget.left.Add(-n) < 0 {
			k.budget.left.Add(n)
			return b, errBusy
		}
		k.taken += n
	}
	return append(make([]byte, 0, n), b...), nil
}

// fill reads all of r into b, which is returned even on error; errTooLong when there
// are more than most octets.
func (k *desk) fill(b []byte, r io.Reader, most int64) ([]byte, error) {
	b = b[:0]
	for {
		if len(b) == cap(b) {
			var err error
			if b, err = k.grow(b, most); err != nil {
				return b, err
			}
		}
		n, err := r.Read(b[len(b):min(int64(cap(b)), most+1)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > most:
			return b, errTooLong
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

// read takes a body of at most the given octets.
func (k *desk) read(r io.Reader, most int64) (err error) {
	k.body, err = k.fill(k.body, r, most)
	return err
}

// inflate undoes the gzip of the body that was read.
func (k *desk) inflate(most int64) (plain []byte, err error) {
	k.in.Reset(k.body)
	if k.gzip == nil {
		k.gzip = new(gzip.Reader)
	}
	if err := k.gzip.Reset(&k.in); err != nil {
		return nil, errGzip
	}
	k.inflated, err = k.fill(k.inflated, k.gzip, most)
	switch {
	case err == nil, errors.Is(err, errTooLong), errors.Is(err, errBusy):
		return k.inflated, err
	}
	return nil, errGzip
}
