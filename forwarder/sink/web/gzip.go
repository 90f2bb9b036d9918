package web

import (
	"bytes"

	"github.com/klauspost/compress/gzip"
)

// Gzip compresses bodies one after the other with the memory of the first. The zero
// Gzip is ready. It is not for concurrent use.
type Gzip struct {
	w   *gzip.Writer
	buf bytes.Buffer
}

// Compress returns body compressed at the fastest level. The result is valid until the
// next call.
func (g *Gzip) Compress(body []byte) []byte {
	g.buf.Reset()
	if g.w == nil {
		g.w, _ = gzip.NewWriterLevel(&g.buf, gzip.BestSpeed) // the level is a good one
	} else {
		g.w.Reset(&g.buf)
	}
	_, _ = g.w.Write(body) // into memory: no error
	_ = g.w.Close()
	return g.buf.Bytes()
}
