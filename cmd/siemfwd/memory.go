package main

import (
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitMemory tells the runtime how much memory the control group of the process may use,
// so that it collects garbage instead of being killed. A $GOMEMLIMIT of the user's stands.
// It returns the limit set, 0 for none.
func limitMemory() int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		return 0
	}
	limit := groupMemory(os.DirFS("/"))
	if limit == 0 {
		return 0
	}
	limit -= limit / 10 // for what the runtime does not see: stacks of the kernel, pages of files
	debug.SetMemoryLimit(limit)
	return limit
}

// groupMemory returns the memory that the process's control group, and those above it, may
// use, in octets; 0 when nothing bounds it. It knows both versions of control groups
// (cgroups(7)).
func groupMemory(root fs.FS) (limit int64) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(groups)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, at, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		switch {
		case controllers == "":
			limit = least(limit, upwards(root, "sys/fs/cgroup", at, "memory.max", "memory.high"))
		case strings.Contains(","+controllers+",", ",memory,"):
			limit = least(limit, upwards(root, "sys/fs/cgroup/memory", at, "memory.limit_in_bytes"))
		}
	}
	return limit
}

// upwards returns the least limit in the files of a group and of those above it. Within a
// container the group's path may be one of the host's: then the top is what there is.
func upwards(root fs.FS, top, at string, files ...string) (limit int64) {
	for at = path.Clean("/" + at); ; at = path.Dir(at) {
		for _, file := range files {
			text, err := fs.ReadFile(root, path.Join(top, at, file))
			if err != nil {
				continue
			}
			n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			if err == nil && n > 0 && n < unlimited { // "max" is no number
				limit = least(limit, n)
			}
		}
		if at == "/" {
			return limit
		}
	}
}

// unlimited is less than what version 1 says when there is no limit, and more than any
// machine has.
const unlimited = 1 << 60

// least returns the smaller one; 0 is no limit.
func least(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
