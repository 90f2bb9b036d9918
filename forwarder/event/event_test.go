package event

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestBatchHandsOutWhatWasAdded(t *testing.T) {
	var b Batch
	peer := netip.MustParseAddrPort("192.0.2.1:514")
	at := time.Unix(1, 2)
	b.Add(Raw{Data: []byte("one"), Time: at, Peer: peer})
	b.Add(Raw{Data: []byte("cut"), Size: 10, Key: Key{1}})
	b.Add(Raw{})
	assert.Equal(t, 3, b.Len())
	assert.Equal(t, 6, b.Bytes())
	assert.Equal(t, Raw{Data: []byte("one"), Time: at, Peer: peer, Size: 3}, b.At(0))
	assert.True(t, b.At(1).Cut())
	assert.False(t, b.At(0).Cut())
	first := b.At(0).Data
	assert.Equal(t, 3, cap(first), "appending to an event cannot write into the next")

	b.Keep(func(i int) bool { return i != 0 })
	assert.Equal(t, 2, b.Len())
	assert.Equal(t, "cut", string(b.At(0).Data))
	assert.Equal(t, Key{1}, b.At(0).Key)
	b.Reset()
	assert.Zero(t, b.Len())
	assert.Zero(t, b.Bytes())
}

func TestBatchReusesItsMemoryButLetsGoOfAHugeOne(t *testing.T) {
	var b Batch
	data := bytes.Repeat([]byte("x"), 800)
	fill := func() {
		b.Reset()
		for range 64 {
			b.Add(Raw{Data: data})
		}
	}
	fill()
	assert.Zero(t, testing.AllocsPerRun(100, fill))
	b.Add(Raw{Data: make([]byte, 8<<20)})
	b.Reset()
	assert.Less(t, cap(b.buf), 8<<20)
}
