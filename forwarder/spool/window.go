package spool

import (
	"bytes"
	"encoding/binary"
	"io"
)

// window shows a part of a file through one buffer.
type window struct {
	f   File
	buf []byte
	at  int64 // file offset of buf[0]
	n   int   // octets of buf that are filled
}

// readAhead is how much is read at once, about.
const readAhead = 256 << 10

type verdict uint8

const (
	good verdict = iota
	bad          // no intact frame begins here
	more         // not in the buffer, and the buffer may not move
)

// reset makes w show f and forget what it showed before.
func (w *window) reset(f File) { w.f, w.at, w.n = f, 0, 0 }

// frame returns the intact frame at off. Nothing at or beyond limit is read.
// Without move, what frame returned before stays where it is.
func (w *window) frame(off, limit int64, move bool) (h header, b []byte, v verdict) {
	if off+headerSize > limit {
		return h, nil, bad
	}
	if !w.have(off, headerSize, limit, move) {
		return h, nil, more
	}
	h, ok := parseHeader(w.buf[off-w.at:])
	if !ok || off+int64(h.size) > limit {
		return h, nil, bad
	}
	if !w.have(off, h.size, limit, move) {
		return h, nil, more
	}
	b = w.buf[off-w.at:][:h.size:h.size]
	if !intact(b) {
		return h, nil, bad
	}
	return h, b, good
}

// have makes sure that size octets from off on are in the buffer.
func (w *window) have(off int64, size int, limit int64, move bool) bool {
	end := off - w.at + int64(size)
	if off >= w.at && end <= int64(w.n) {
		return true
	}
	if off < w.at || off > w.at+int64(w.n) || end > int64(len(w.buf)) {
		if !move {
			return false
		}
		w.shift(off, size)
	} else if !move && len(w.buf)-w.n < readAhead/8 && w.at+int64(len(w.buf)) < limit {
		return false // not worth a system call
	}
	from := w.at + int64(w.n)
	n := int(min(limit-from, int64(len(w.buf)-w.n)))
	read(w.f, w.buf[w.n:w.n+n], from)
	w.n += n
	return true
}

// room makes it likely that size octets from off on fit into the buffer. It may
// move it.
func (w *window) room(off int64, size int, limit int64) {
	if off-w.at+int64(size) > int64(len(w.buf)) && w.at+int64(w.n) < limit {
		w.shift(off, size)
	}
}

// shift moves the buffer so that it begins at off and holds at least size.
func (w *window) shift(off int64, size int) {
	var keep []byte
	if off >= w.at && off <= w.at+int64(w.n) {
		keep = w.buf[off-w.at : w.n]
	}
	to := w.buf
	if len(to) < size {
		to = make([]byte, size+readAhead)
	}
	w.n = copy(to, keep)
	w.buf, w.at = to, off
}

// read fills p from off on. What cannot be read is zero, and so damaged; one bad
// block of a disk does not take its neighbours with it.
func read(f File, p []byte, off int64) {
	n, err := f.ReadAt(p, off)
	for err != nil && n < len(p) {
		clear(p[n:])
		if err == io.EOF {
			return
		}
		const block = 4096
		n += block - int(off+int64(n))%block
		if n >= len(p) {
			return
		}
		var m int
		m, err = f.ReadAt(p[n:min(n+block, len(p))], off+int64(n))
		n += m
		if err == nil {
			m, err = f.ReadAt(p[n:], off+int64(n))
			n += m
		}
	}
}

// search returns the offset of the first intact frame at or after off, or limit.
// A salt of 0 fits every frame.
func (w *window) search(off, limit int64, salt uint32) int64 {
	var pattern [4]byte
	binary.LittleEndian.PutUint32(pattern[:], salt)
	for off+headerSize <= limit {
		w.have(off, headerSize, limit, true)
		b := w.buf[off-w.at : w.n]
		var i int
		if salt != 0 {
			i = bytes.Index(b[8:], pattern[:])
		} else {
			i = bytes.IndexByte(b[4:], magic)
		}
		if i < 0 {
			off += int64(len(b) - 11)
			continue
		}
		off += int64(i)
		if h, _, v := w.frame(off, limit, true); v == good && (salt == 0 || h.salt == salt) {
			return off
		}
		off++
	}
	return limit
}
