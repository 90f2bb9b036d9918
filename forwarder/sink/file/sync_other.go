//go:build !linux

package file

// Datasync is fsync.
func (f osFile) Datasync() error { return f.Sync() }
