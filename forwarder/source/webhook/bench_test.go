package webhook

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/parsers/datatheorem"
)

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// hammer sends requests over kept connections and reports the processor time of both
// ends; the sender's part is a write and a read.
func hammer(b *testing.B, addr string, request []byte) {
	b.SetParallelism(8)
	b.ReportAllocs()
	runtime.GC()
	before := cpu(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		answer := make([]byte, 4096)
		for pb.Next() {
			if _, err := c.Write(request); err != nil {
				b.Error(err)
				return
			}
			if k, err := c.Read(answer); err != nil || string(answer[9:12]) != "200" {
				b.Error(err, string(answer[:k]))
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

func BenchmarkRequests(b *testing.B) {
	body := `{"event":{"type":"API_SECURE__X","data":{"uuid":"1","description":"` + strings.Repeat("x", 1400) + `"},"version":1},"time":1767607200}`
	text := []byte("POST /hook HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer t0ken\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)

	b.Run("net/http alone", func(b *testing.B) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, success)
		})}
		go func() { _ = s.Serve(ln) }()
		defer s.Close()
		hammer(b, ln.Addr().String(), text)
	})
	b.Run("webhook", func(b *testing.B) {
		r := start(b, NewHub(), datatheorem.Vendor.Hook, nil)
		hammer(b, r.addr, text) // one event and its repetitions
	})
}
