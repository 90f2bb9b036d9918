//go:build unix && !linux

package spool

import (
	"os"

	"golang.org/x/sys/unix"
)

var errWouldBlock error = unix.EWOULDBLOCK

func flock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// Allocate does nothing here: without it a full disk is noticed a little later.
func (file) Allocate(int64) error { return nil }
