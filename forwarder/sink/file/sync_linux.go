package file

import "syscall"

// Datasync is fdatasync(2).
func (f osFile) Datasync() error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var sync error
	err = conn.Control(func(fd uintptr) {
		for {
			if sync = syscall.Fdatasync(int(fd)); sync != syscall.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return sync
}
