package spool_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

func events(n, size int) *event.Batch {
	b := &event.Batch{}
	for range n {
		b.Add(event.Raw{
			Data: []byte(strings.Repeat("x", size)), Time: time.Unix(1_700_000_000, 1),
			Peer: netip.MustParseAddrPort("192.0.2.1:514"),
		})
	}
	return b
}

// BenchmarkEmit is emitters × events of 600 octets in one Emit, each waiting for
// the disk. An operation is one event.
func BenchmarkEmit(b *testing.B) {
	for _, c := range []struct{ emitters, events int }{{1, 1}, {16, 1}, {256, 1}, {1, 64}, {4, 64}, {16, 64}, {4, 512}} {
		b.Run(fmt.Sprintf("%dx%d", c.emitters, c.events), func(b *testing.B) {
			w, _ := time.ParseDuration(os.Getenv("SPOOL_WINDOW"))
			s := open(b, b.TempDir(), spool.Options{Window: w})
			before, began := s.Stats().Syncs, time.Now()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range c.emitters {
				wg.Go(func() {
					batch := events(c.events, 600)
					for range max(1, b.N/c.events/c.emitters) {
						if err := s.Emit(context.Background(), batch); err != nil {
							panic(err)
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			took := time.Since(began).Seconds()
			b.ReportMetric(float64(s.Stats().Next)/took, "events/s")
			b.ReportMetric(float64(s.Stats().Syncs-before)/took, "syncs/s")
		})
	}
}

func cpu() (user, system int64) {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano(), u.Stime.Nano()
}

// BenchmarkCPU is the processor time of one record of 700 octets, written in
// batches of 64 and read by some readers.
func BenchmarkCPU(b *testing.B) {
	for _, c := range []struct {
		readers int
		sync    spool.Sync
	}{{0, spool.OS}, {1, spool.OS}, {2, spool.OS}, {1, spool.Batch}, {2, spool.Batch}} {
		b.Run(fmt.Sprintf("readers=%d/os=%v", c.readers, c.sync == spool.OS), func(b *testing.B) {
			dir := b.TempDir()
			if d := os.Getenv("SPOOL_BENCH_DIR"); d != "" {
				var err error
				dir, err = os.MkdirTemp(d, "spool")
				require.NoError(b, err)
				defer os.RemoveAll(dir)
			}
			s := open(b, dir, spool.Options{Sync: c.sync})
			n := max(64, b.N/64*64)
			var wg sync.WaitGroup
			for i := range c.readers {
				r, err := s.Reader(fmt.Sprint("sink", i), spool.Newest)
				require.NoError(b, err)
				wg.Go(func() {
					var run spool.Run
					for got := 0; got < n; got += len(run.Entries) {
						if err := r.Next(context.Background(), &run, spool.Limits{Events: 500}); err != nil {
							panic(err)
						}
						_ = r.Commit(run.Entries[len(run.Entries)-1].Pos)
					}
				})
			}
			batch := events(64, 700)
			b.ReportAllocs()
			b.ResetTimer()
			user, system := cpu()
			for range n / 64 {
				_, err := s.Append(context.Background(), batch)
				if err != nil {
					b.Fatal(err)
				}
			}
			wg.Wait()
			b.StopTimer()
			user2, system2 := cpu()
			b.ReportMetric(float64(user2-user)/float64(n), "user-ns/op")
			b.ReportMetric(float64(system2-system)/float64(n), "system-ns/op")
			b.ReportMetric(0, "ns/op")
		})
	}
}
