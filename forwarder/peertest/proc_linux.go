package peertest

import "syscall"

// dieWithTest makes the kernel end the peer when the test process dies without
// cleaning up.
func dieWithTest() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
