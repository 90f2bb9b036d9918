//go:build !linux

package telemetry

import "os"

// isJournal reports false: the journal is Linux's.
func isJournal(os.FileInfo, string) bool { return false }
