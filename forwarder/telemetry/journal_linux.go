package telemetry

import (
	"fmt"
	"os"
	"syscall"
)

// isJournal reports whether a file is the one systemd has connected to the journal:
// $JOURNAL_STREAM is its device and inode, "DEV:INO" (systemd.exec(5)).
func isJournal(info os.FileInfo, stream string) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
