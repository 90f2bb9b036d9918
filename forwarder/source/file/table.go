package file

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"syscall"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// ident tells one file from another whatever it is called, as long as it exists.
type ident struct {
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

func identOf(info os.FileInfo) ident {
	st := info.Sys().(*syscall.Stat_t)
	return ident{uint64(st.Dev), st.Ino}
}

// known is what is remembered of a file: what it is, and up to where its lines are
// durable.
type known struct {
	ident
	Path   string `json:"path"`
	Head   int    `json:"head"`  // how many octets of its beginning Print is of
	Print  uint64 `json:"print"` // of them
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"` // when it was last read
}

// fingerprint is how many octets at the beginning tell a file from one that was given
// the same number on disk later.
const fingerprint = 256

// same reports whether an open file begins as it did when k was taken.
func (k *known) same(f io.ReaderAt) bool {
	if k.Head == 0 {
		return true
	}
	n, sum := fingerprintOf(f, k.Head)
	return n == k.Head && sum == k.Print
}

// fingerprintOf looks at the first n octets, as far as there are so many.
func fingerprintOf(f io.ReaderAt, n int) (read int, sum uint64) {
	buf := make([]byte, n)
	read, _ = f.ReadAt(buf, 0)
	h := fnv.New64a()
	h.Write(buf[:read])
	return read, h.Sum64()
}

// The table of files is kept in a fixed number of marks, so that one file's progress
// does not write down all others', and files that are gone leave nothing behind.
const buckets = 16

func bucketKey(i int) string { return fmt.Sprintf("files/%02d", i) }

func (id ident) bucket() int { return int((id.Ino ^ id.Dev) % buckets) }

// recall reads the table from what a log remembers. A mark that cannot be read is an
// error: to begin again would send everything twice.
func recall(mark func(key string) []byte) (all []known, ever bool, err error) {
	for i := range buckets {
		value := mark(bucketKey(i))
		if value == nil {
			continue
		}
		ever = true
		var some []known
		if err := json.Unmarshal(value, &some); err != nil {
			return nil, true, fmt.Errorf("positions of files: mark %s: %w", bucketKey(i), err)
		}
		for _, k := range some {
			if k.Offset < 0 || k.Head < 0 || k.Head > fingerprint {
				return nil, true, fmt.Errorf("positions of files: mark %s: position %d of %s cannot be", bucketKey(i), k.Offset, k.Path)
			}
			all = append(all, k)
		}
	}
	return all, ever, nil
}

// note appends the marks of the buckets that have changed.
func note(b *event.Batch, changed [buckets]bool, all map[ident]*tail) {
	for i := range buckets {
		if !changed[i] {
			continue
		}
		some := []known{}
		for id, t := range all {
			if id.bucket() == i && !t.done {
				some = append(some, t.next)
			}
		}
		value, err := json.Marshal(some)
		if err != nil {
			continue // there is nothing in it that could fail
		}
		b.Marks = append(b.Marks, event.Mark{Key: bucketKey(i), Value: value})
	}
}
