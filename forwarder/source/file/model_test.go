package file

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// A writer does what writers and logrotate do, in any order, while the source is stopped
// and started again. Every line arrives once, those of one file in their order.
func TestEveryLineOnce(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			dir := t.TempDir()
			c := configOf(filepath.Join(dir, "*.log"))
			log := newMemory()
			r := start(t, c, log, func(s *Source) { s.blind = seed%2 == 1 })
			path := filepath.Join(dir, "a.log")
			written, open, turned := 0, false, 0
			line := func() string {
				written++
				return fmt.Sprintf("%05d %s", written, strings.Repeat("x", rnd.IntN(50)))
			}
			for range 100 {
				switch rnd.IntN(10) {
				case 0: // rename to where no pattern finds it, and write on for a while
					if open || written == 0 {
						continue
					}
					log.wait(t, written) // what was never seen under its own name is not looked for
					turned++
					old := fmt.Sprintf("%s.%d", path, turned)
					require.NoError(t, os.Rename(path, old))
					write(t, path, line()+"\n")
					write(t, old, line()+"\n")
				case 1: // rename within the pattern
					if open || written == 0 {
						continue
					}
					turned++
					require.NoError(t, os.Rename(path, filepath.Join(dir, fmt.Sprintf("old%d.log", turned))))
					write(t, path, line()+"\n")
				case 2: // truncate what was read
					if open || written == 0 {
						continue
					}
					log.wait(t, written)
					truncated := r.meter.count("files_truncated")
					info, err := os.Stat(path)
					require.NoError(t, err)
					require.NoError(t, os.Truncate(path, 0))
					if info.Size() > 0 {
						eventually(t, "truncation is noticed", func() bool { return r.meter.count("files_truncated") > truncated })
					}
				case 3:
					require.NoError(t, r.stop())
					r = start(t, c, log, func(s *Source) { s.blind = seed%2 == 1 })
				case 4: // a line in two parts
					if !open {
						write(t, path, line())
						open = true
					}
				default:
					text := ""
					if open {
						text, open = "\n", false
					}
					for range rnd.IntN(20) {
						text += line() + "\n"
					}
					write(t, path, text)
				}
			}
			write(t, path, "\n")
			got := log.wait(t, written)
			require.NoError(t, r.stop())
			slices.Sort(got)
			require.Len(t, got, written)
			for i, l := range got {
				require.Equal(t, fmt.Sprintf("%05d", i+1), l[:5])
			}
		})
	}
}

// However a file's content lies across reads, the lines are those between line feeds.
func FuzzPull(f *testing.F) {
	f.Add([]byte("one\r\ntwo\n\nthree"), uint8(3), uint8(7))
	f.Add(bytes.Repeat([]byte("y"), 100), uint8(1), uint8(1))
	f.Add([]byte("\x00\x00a\n"+strings.Repeat("z", 60)+"\nb\n"), uint8(10), uint8(20))
	f.Fuzz(func(t *testing.T, data []byte, most, room uint8) {
		path := filepath.Join(t.TempDir(), "f")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		file, err := os.Open(path)
		require.NoError(t, err)
		tl := &tail{f: file}
		defer tl.close()
		limit := int(most) + 1
		buf := make([]byte, limit+int(room)+3)
		var got []string
		out := func(data []byte, size int) {
			require.LessOrEqual(t, len(data), limit)
			require.GreaterOrEqual(t, size, len(data))
			got = append(got, string(data))
		}
		for more := true; more; {
			more, err = tl.pull(buf, limit, out)
			require.NoError(t, err)
		}
		require.NoError(t, tl.last(buf, limit, out))
		assert.Equal(t, int64(len(data)), tl.next.Offset)
		var want []string
		for l := range bytes.SplitSeq(data, []byte("\n")) {
			long := len(l) >= len(buf) // only its beginning was looked at
			if !long {
				l = bytes.TrimLeft(bytes.TrimSuffix(l, []byte("\r")), "\x00")
			}
			if len(l) > 0 {
				want = append(want, string(l[:min(len(l), limit)]))
			}
		}
		assert.Equal(t, want, got)
	})
}

func FuzzRecall(f *testing.F) {
	f.Add([]byte(`[{"dev":1,"ino":2,"path":"/x","head":3,"print":4,"offset":5,"size":6}]`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		all, ever, err := recall(func(key string) []byte {
			if key == bucketKey(0) {
				return value
			}
			return nil
		})
		if err != nil || !ever {
			return
		}
		tails := map[ident]*tail{}
		for _, k := range all {
			if k.Offset < 0 || k.Head > fingerprint {
				t.Fatal(k)
			}
			tails[k.ident] = &tail{known: k, next: k}
		}
		var b event.Batch
		var changed [buckets]bool
		for i := range changed {
			changed[i] = true
		}
		note(&b, changed, tails)
		require.Len(t, b.Marks, buckets)
		n := 0
		for _, m := range b.Marks {
			again, _, err := recall(func(key string) []byte {
				if key == m.Key {
					return m.Value
				}
				return nil
			})
			require.NoError(t, err)
			n += len(again)
		}
		require.Equal(t, len(tails), n)
	})
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "a.log")
	line := strings.Repeat("x", 699) + "\n"
	require.NoError(b, os.WriteFile(path, bytes.Repeat([]byte(line), 10_000), 0o600))
	f, err := os.Open(path)
	require.NoError(b, err)
	t := &tail{f: f}
	defer t.close()
	buf := make([]byte, int(defaults.MaxEvent)+chunk)
	var batch event.Batch
	now := time.Now()
	b.SetBytes(int64(len(line)))
	for n := 0; n < b.N; {
		batch.Reset()
		more, err := t.pull(buf, int(defaults.MaxEvent), func(data []byte, size int) {
			batch.Add(event.Raw{Data: data, Time: now, Size: size})
		})
		require.NoError(b, err)
		if n += batch.Len(); !more {
			t.next.Offset = 0
		}
	}
}
