package spool

// What is written is read once, at once, by those who keep up. Left to itself the kernel
// would keep all of it in memory, page after fresh page, at the cost of what others on
// the machine have cached; taking fresh pages also costs more CPU than using some again,
// on virtual machines several times the copy itself. So the last of what was written
// stays cached and the rest is let go.
const (
	coolStep  = 4 << 20 // octets let go at a time
	warmBytes = 8 << 20 // octets that stay
)

// cache is a File that can be told what need not stay in memory. Both are hints.
type cache interface {
	// WriteBack begins to write what is dirty in [off, off+n) to the disk.
	WriteBack(off, n int64)
	// Forget lets go of what is clean in [off, off+n).
	Forget(off, n int64)
}

// cool lets go of what lies far enough behind size, all of which is on the disk. Only
// the committer calls it.
func (g *segment) cool(size int64) {
	c, ok := g.file.(cache)
	if to := (size - warmBytes) / coolStep * coolStep; ok && to > g.cold {
		c.Forget(g.cold, to-g.cold)
		g.cold = to
	}
}

// drain does the same where nobody waits for the disk: it has the kernel write
// [from, size), and lets go of what was begun long before. Only the committer calls it.
func (g *segment) drain(from, size int64) {
	if c, ok := g.file.(cache); ok {
		c.WriteBack(from, size-from)
		g.cool(size)
	}
}

// due reports whether there is a step to drain; Spool.mu is held.
func (g *segment) due() bool { return g.size-g.sent >= coolStep }
