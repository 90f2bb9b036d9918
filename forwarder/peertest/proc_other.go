//go:build !linux

package peertest

import "syscall"

func dieWithTest() *syscall.SysProcAttr { return nil }
