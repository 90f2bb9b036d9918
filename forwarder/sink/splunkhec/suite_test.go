package splunkhec

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/siemfwd/siemfwd/forwarder/simulate"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/sinktest"
)

// linesOf finds the payloads of a request: they are its lines.
func linesOf(t *testing.T, r *http.Request, body []byte) (list [][]byte) {
	if strings.HasSuffix(r.URL.Path, "/ack") {
		return nil
	}
	for line := range bytes.SplitSeq(bytes.TrimSuffix(body, []byte("\n")), []byte("\n")) {
		list = append(list, line)
	}
	return list
}

func TestSuite(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"event": func(*Config) {},
		"raw":   func(c *Config) { c.Endpoint = rawEndpoint },
		"ack":   func(c *Config) { c.Ack = true },
	} {
		t.Run(name, func(t *testing.T) {
			var id atomic.Int64
			sinktest.RunHTTP(t, sinktest.HTTP{
				New: func(t *testing.T, url string) sink.Sink {
					c := config(url)
					change(&c)
					s, _, _ := build(t, c)
					return s
				},
				Good: func(w http.ResponseWriter, r *http.Request) {
					body := success
					if c := r.Header.Get("X-Splunk-Request-Channel"); c != "" {
						body = `{"text":"Success","code":0,"ackId":` + strconv.FormatInt(id.Add(1), 10) + `}`
					}
					if strings.HasSuffix(r.URL.Path, "/ack") {
						var asked struct{ Acks []int64 }
						_ = json.NewDecoder(r.Body).Decode(&asked)
						yes := map[int64]bool{}
						for _, n := range asked.Acks {
							yes[n] = true
						}
						text, _ := json.Marshal(map[string]any{"acks": yes})
						body = string(text)
					}
					_, _ = io.WriteString(w, body)
				},
				Payloads: linesOf,
				Secrets:  []string{simulate.SplunkToken},
			})
		})
	}
}
