package telemetry

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// What the service manager is told, after sd_notify(3). Without $NOTIFY_SOCKET every
// function does nothing and returns nil.

// NotifyReady says that start or reload is complete, and what the status line of
// `systemctl status` shows.
func NotifyReady(status string) error {
	return notify(daemon.SdNotifyReady, "STATUS="+line(status))
}

// NotifyReloading says that a reload has begun; NotifyReady ends it.
func NotifyReloading() error {
	return notify(daemon.SdNotifyReloading, strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"))
}

// NotifyStopping says that the daemon shuts down, and may take that long.
func NotifyStopping(within time.Duration) error {
	return notify(daemon.SdNotifyStopping, "EXTEND_TIMEOUT_USEC="+strconv.FormatInt(within.Microseconds(), 10))
}

// NotifyStatus changes the status line.
func NotifyStatus(status string) error { return notify("STATUS=" + line(status)) }

// Watchdog tells the service manager that the daemon is well, twice in the time it
// has set (WATCHDOG_USEC), as long as alive says so, until ctx ends. It returns at
// once when no watchdog waits.
func Watchdog(ctx context.Context, alive func() bool) error {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		return err
	}
	tick := time.NewTicker(max(every/2, time.Millisecond))
	defer tick.Stop()
	for {
		if alive() {
			if err := notify(daemon.SdNotifyWatchdog); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func notify(assignments ...string) error {
	_, err := daemon.SdNotify(false, strings.Join(assignments, "\n"))
	return err
}

// line keeps a status from becoming an assignment of its own.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
