package telemetry

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// manager is a service manager's side of the socket.
func manager(t *testing.T) (next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		buf := make([]byte, 4096)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		n, err := conn.Read(buf)
		require.NoError(t, err)
		return string(buf[:n])
	}
}

func TestNotify(t *testing.T) {
	next := manager(t)
	require.NoError(t, NotifyReady("2 sources, 1 sink"))
	assert.Equal(t, "READY=1\nSTATUS=2 sources, 1 sink", next())
	require.NoError(t, NotifyReloading())
	assert.Regexp(t, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`, next())
	require.NoError(t, NotifyStatus("sink down\nMAINPID=1\r"))
	assert.Equal(t, "STATUS=sink down MAINPID=1 ", next())
	require.NoError(t, NotifyStopping(30*time.Second))
	assert.Equal(t, "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000", next())
}

func TestNotifyWithoutManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	require.NoError(t, NotifyReady("x"))
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	require.Error(t, NotifyReady("x"))
}

func TestWatchdog(t *testing.T) {
	next := manager(t)
	t.Setenv("WATCHDOG_USEC", strconv.Itoa(2000))
	t.Setenv("WATCHDOG_PID", "")
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	done := make(chan error, 1)
	go func() {
		done <- Watchdog(ctx, func() bool { return asked.Add(1) > 3 }) // not well at first
	}()
	for range 3 {
		assert.Equal(t, "WATCHDOG=1", next())
	}
	assert.Greater(t, asked.Load(), int64(3), "it was told that all is well when it was not")
	cancel()
	require.NoError(t, <-done)
}

func TestNoWatchdog(t *testing.T) {
	alive := func() bool { t.Error("asked"); return true }
	t.Setenv("WATCHDOG_USEC", "")
	require.NoError(t, Watchdog(t.Context(), alive))
	t.Setenv("WATCHDOG_USEC", "1000")
	t.Setenv("WATCHDOG_PID", "1") // of another process
	require.NoError(t, Watchdog(t.Context(), alive))
	t.Setenv("WATCHDOG_USEC", "soon")
	require.Error(t, Watchdog(t.Context(), alive))
}
