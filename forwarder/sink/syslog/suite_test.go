package syslog

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/sinktest"
)

func TestSuite(t *testing.T) {
	to := func(t *testing.T, address string) sink.Sink {
		c := config(address)
		s, err := Spec().Build(&c, component.Env{Name: "out", Meter: component.NoMeter{}})
		require.NoError(t, err)
		return s
	}
	stuck := func(t *testing.T) sink.Sink {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		return to(t, "tcp://"+l.Addr().String())
	}
	sinktest.Run(t, sinktest.Sink{
		New: func(t *testing.T) (sink.Sink, func() [][]byte) {
			r := listen(t, "", framing.LF)
			return to(t, "tcp://"+r.Addr().String()), func() (got [][]byte) {
				r.mu.Lock()
				defer r.mu.Unlock()
				for _, m := range r.messages {
					got = append(got, []byte(m))
				}
				return got
			}
		},
		Stuck: stuck,
		Down: func(t *testing.T) sink.Sink {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			require.NoError(t, l.Close())
			return to(t, "tcp://"+l.Addr().String())
		},
	})
}
