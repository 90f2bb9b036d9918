package sockets

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type filer interface{ File() (*os.File, error) }

// setOf is a Set of these sockets, as if they had been passed.
func setOf(t *testing.T, sockets ...any) *Set {
	s := &Set{}
	for _, one := range sockets {
		f, ok := one.(*os.File)
		if !ok {
			var err error
			f, err = one.(filer).File()
			require.NoError(t, err)
		}
		s.all = append(s.all, describe(f))
	}
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func listen(t *testing.T, network, address string) net.Listener {
	l, err := net.Listen(network, address)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		network, address string
		both             bool
		want             string
		exact, covers    bool
	}{
		{"tcp", "127.0.0.1:514", false, "127.0.0.1:514", true, false},
		{"tcp", "127.0.0.1:514", false, "localhost:514", true, false},
		{"tcp", "127.0.0.1:514", false, "127.0.0.1:515", false, false},
		{"tcp", "127.0.0.1:514", false, ":514", false, false},
		{"tcp", "[::ffff:127.0.0.1]:514", true, "127.0.0.1:514", true, false},
		{"udp", "0.0.0.0:514", false, "0.0.0.0:514", true, false},
		{"udp", "0.0.0.0:514", false, ":514", false, true},
		{"udp", "0.0.0.0:514", false, "[::]:514", false, false},
		{"tcp", "[::]:514", true, "[::]:514", true, false},
		{"tcp", "[::]:514", true, ":514", true, true},
		{"tcp", "[::]:514", true, "0.0.0.0:514", false, true},
		{"tcp", "[::]:514", false, "0.0.0.0:514", false, false},
		{"tcp", "[::]:514", true, "127.0.0.1:514", false, false},
		{"tcp", "[::]:514", true, "nonsense", false, false},
		{"unix", "/run/s", false, "/run/s", true, false},
		{"unix", "/run/s", false, "/run/t", false, false},
	} {
		exact, covers := (&socket{network: c.network, address: c.address, both: c.both}).matches(c.want)
		assert.Equal(t, [2]bool{c.exact, c.covers}, [2]bool{exact, covers}, "%+v", c)
	}
}

// A socket can be listened on again and again, and nobody is refused between.
func TestListenAgain(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	at := l.Addr().String()
	s := setOf(t, l)
	require.NoError(t, l.Close())
	for range 3 {
		c, err := net.Dial("tcp", at)
		require.NoError(t, err)
		again, err := s.Listen("tcp", at)
		require.NoError(t, err)
		got, err := again.Accept()
		require.NoError(t, err)
		assert.Equal(t, c.LocalAddr().String(), got.RemoteAddr().String())
		require.NoError(t, got.Close())
		require.NoError(t, c.Close())
		require.NoError(t, again.Close())
	}
	none, err := s.Listen("unix", at)
	assert.NoError(t, err)
	assert.Nil(t, none)
	pc, err := s.ListenPacket("udp", at)
	assert.NoError(t, err)
	assert.Nil(t, pc)
}

func TestKinds(t *testing.T) {
	dir := t.TempDir()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer udp.Close()
	gram, err := net.ListenPacket("unixgram", filepath.Join(dir, "d"))
	require.NoError(t, err)
	defer gram.Close()
	tcp, unix := listen(t, "tcp", "127.0.0.1:0"), listen(t, "unix", filepath.Join(dir, "s"))
	other, err := net.Dial("tcp", tcp.Addr().String())
	require.NoError(t, err)
	defer other.Close()
	file, err := os.CreateTemp(dir, "")
	require.NoError(t, err)
	s := setOf(t, udp, gram, tcp, unix, other, file)

	var log bytes.Buffer
	warn := func() string {
		log.Reset()
		s.Warn(slog.New(slog.NewTextHandler(&log, nil)))
		return log.String()
	}
	text := warn()
	for _, want := range []string{"udp://" + udp.LocalAddr().String(), "unixgram://" + dir + "/d", "tcp://" + tcp.Addr().String(), "unix://" + dir + "/s", "it does not listen", "it is no socket"} {
		assert.Contains(t, text, want)
	}
	for network, address := range map[string]string{"udp": udp.LocalAddr().String(), "unixgram": dir + "/d"} {
		pc, err := s.ListenPacket(network, address)
		require.NoError(t, err)
		require.NotNil(t, pc, network)
		require.NoError(t, pc.Close())
	}
	for network, address := range map[string]string{"tcp": tcp.Addr().String(), "unix": dir + "/s"} {
		l, err := s.Listen(network, address)
		require.NoError(t, err)
		require.NotNil(t, l, network)
		require.NoError(t, l.Close())
	}
	_, err = os.Stat(filepath.Join(dir, "s"))
	assert.NoError(t, err, "its file is the service manager's")
	assert.NotContains(t, warn(), "nobody listens")

	var none *Set
	none.Warn(slog.New(slog.DiscardHandler))
	l, err := none.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	assert.Nil(t, l)
}

// The variables of another process are not for this one.
func TestInheritedIsForThisProcess(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "3")
	assert.Empty(t, Inherited().all)
	assert.Empty(t, os.Getenv("LISTEN_FDS"))
}
