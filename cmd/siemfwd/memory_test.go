package main

import (
	"math"
	"runtime/debug"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
)

func TestGroupMemory(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no groups": {},
		"a service": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/siemfwd.service\n",
			"sys/fs/cgroup/system.slice/siemfwd.service/memory.max":      "268435456\n",
			"sys/fs/cgroup/system.slice/siemfwd.service/memory.high":     "max\n",
			"sys/fs/cgroup/system.slice/memory.max":                      "max\n",
			"sys/fs/cgroup/system.slice/other.service/memory.max":        "1\n",
			"sys/fs/cgroup/system.slice/siemfwd.service/memory.swap.max": "5\n",
		}, 256 << 20},
		"the slice above is smaller": {map[string]string{
			"proc/self/cgroup": "0::/a.slice/siemfwd.service\n",
			"sys/fs/cgroup/a.slice/siemfwd.service/memory.max": "268435456\n",
			"sys/fs/cgroup/a.slice/memory.high":                "134217728\n",
		}, 128 << 20},
		"a container": {map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "536870912\n",
		}, 512 << 20},
		"a container that sees the host's path": {map[string]string{
			"proc/self/cgroup":         "0::/kubepods/pod1/abc\n",
			"sys/fs/cgroup/memory.max": "536870912\n",
		}, 512 << 20},
		"version 1": {map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n1:name=systemd:/docker/abc\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "104857600\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":            "9223372036854771712\n",
		}, 100 << 20},
		"no limit": {map[string]string{
			"proc/self/cgroup":                           "0::/user.slice\n4:memory:/\n",
			"sys/fs/cgroup/user.slice/memory.max":        "max\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		"nonsense": {map[string]string{"proc/self/cgroup": "x\n0:/\n\n::::\n", "sys/fs/cgroup/memory.max": "-5"}, 0},
	} {
		root := fstest.MapFS{}
		for path, text := range tt.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		assert.Equal(t, tt.want, groupMemory(root), name)
	}
}

func TestAMemoryLimitOfTheUsersStands(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "1GiB")
	before := debug.SetMemoryLimit(-1)
	assert.Zero(t, limitMemory())
	assert.Equal(t, before, debug.SetMemoryLimit(-1))
	t.Setenv("GOMEMLIMIT", "")
	defer debug.SetMemoryLimit(before)
	if n := limitMemory(); n > 0 {
		assert.Equal(t, n, debug.SetMemoryLimit(-1))
		assert.Less(t, n, int64(math.MaxInt64))
	}
}
