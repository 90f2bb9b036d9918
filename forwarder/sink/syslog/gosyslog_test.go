package syslog

import (
	"bufio"
	"bytes"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	gosyslog "gopkg.in/mcuadros/go-syslog.v2"
	"gopkg.in/mcuadros/go-syslog.v2/format"
)

// passThrough makes a go-syslog server hand on messages as they are: its own formats
// change some of them, and some messages stop the process.
type passThrough struct{ split bufio.SplitFunc }

func (p passThrough) GetSplitFunc() bufio.SplitFunc { return p.split }
func (p passThrough) GetParser(line []byte) format.LogParser {
	return parts{"text": string(line)}
}

type parts format.LogParts

func (p parts) Parse() error            { return nil }
func (p parts) Dump() format.LogParts   { return format.LogParts(p) }
func (p parts) Location(*time.Location) {}

// splitCounted finds the frames of RFC 6587 3.4.1, and nothing else.
func splitCounted(data []byte, atEOF bool) (int, []byte, error) {
	head, _, found := bytes.Cut(data, []byte(" "))
	if !found {
		return 0, nil, nil
	}
	n, err := strconv.Atoi(string(head))
	if err != nil {
		return 0, nil, err
	}
	end := len(head) + 1 + n
	if len(data) < end {
		return 0, nil, nil
	}
	return end, data[len(head)+1 : end], nil
}

// go-syslog.v2 as a receiver that nobody here wrote.
func TestGoSyslogReceives(t *testing.T) {
	for framing, split := range map[string]bufio.SplitFunc{"lf": bufio.ScanLines, "octet_counting": splitCounted} {
		t.Run(framing, func(t *testing.T) {
			free, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			at := free.Addr().String()
			free.Close()
			got := make(gosyslog.LogPartsChannel, 4096)
			server := gosyslog.NewServer()
			server.SetFormat(passThrough{split})
			server.SetHandler(gosyslog.NewChannelHandler(got))
			require.NoError(t, server.ListenTCP(at))
			require.NoError(t, server.Boot())

			c := config("tcp://" + at)
			c.Framing = framing
			s, _ := build(t, c)
			want := batch(0, 1000)
			want = append(want, strings.Repeat("x", 60_000), "<14>1 - - - - - - é ends with a space ", `CEF:0|a\|b|c|1|2|3|4|msg=a\=b`)
			if framing == "octet_counting" {
				want = append(want, "two\nlines", "5 digits first")
			}
			for from := 0; from < len(want); from += 100 {
				send(t, s, want[from:min(from+100, len(want))]...)
			}
			for i := range want {
				select {
				case p := <-got:
					require.Equal(t, want[i], p["text"])
					assert.NotEmpty(t, p["client"])
				case <-time.After(patience):
					t.Fatalf("%d of %d events arrived", i, len(want))
				}
			}
			// Its Kill waits for every peer to leave.
			require.NoError(t, s.Close())
			require.NoError(t, server.Kill())
			server.Wait()
		})
	}
}
