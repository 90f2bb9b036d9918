package splunkhec

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/framing"
	"github.com/siemfwd/siemfwd/forwarder/sink"
)

// fields is how the last member of an envelope begins. It holds no object, so the last
// such octets of an envelope are those.
const fields = `,"fields":{`

// body joins the first of items into s.buf, as many as s.most allows and at least one,
// and returns how many those are. bare leaves the indexed fields of the first one out.
func (s *Sink) body(items []sink.Item, bare bool) (n int) {
	buf, replaced, raw := s.buf[:0], 0, s.cfg.Endpoint == rawEndpoint
	for i := range items {
		p := items[i].Payload
		if i > 0 && s.most > 0 && len(buf)+len(p) > s.most {
			break
		}
		n++
		switch {
		case raw:
			var k int
			buf, k = framing.AppendLF(buf, p)
			replaced += k
		case i == 0 && bare:
			buf = append(appendBare(buf, p), '\n')
		default:
			buf = append(append(buf, p...), '\n')
		}
	}
	if replaced > 0 {
		s.env.Meter.Add("line_feeds_replaced", uint64(replaced))
	}
	s.buf = buf
	return n
}

// appendBare appends an envelope without its indexed fields.
func appendBare(dst, p []byte) []byte {
	if end := bytes.LastIndex(p, []byte(fields)); end >= 0 {
		return append(append(dst, p[:end]...), '}')
	}
	return append(dst, p...)
}

// What a body is compressed for: below, the head is most of a request.
const leastGzip = 1 << 10

// packed returns s.buf as it goes out, and completes the head of its request.
func (s *Sink) packed(e *endpoint, h http.Header) []byte {
	h["Content-Type"] = contentType[s.cfg.Endpoint]
	if len(s.buf) < leastGzip || !s.compresses(e) {
		return s.buf
	}
	h["Content-Encoding"] = gzipped
	return s.gz.Compress(s.buf)
}

var (
	contentType = map[string][]string{eventEndpoint: {"application/json"}, rawEndpoint: {"text/plain; charset=utf-8"}}
	gzipped     = []string{"gzip"}
)

// forget lets go of memory that only an unusually large batch needed.
func (s *Sink) forget() {
	if cap(s.buf) > 4<<20 {
		s.buf = nil
	}
}

// target is where the events of a source are posted. Raw text says in the query what
// envelopes say themselves.
func (s *Sink) target(e *endpoint, source string) *url.URL {
	if s.cfg.Endpoint != rawEndpoint {
		return e.post
	}
	u := *e.post
	q := u.Query()
	for _, w := range []struct{ key, text string }{{"index", s.cfg.Index}, {"sourcetype", s.cfg.SourceType}, {"source", s.cfg.Source}, {"host", s.cfg.Host}} {
		if w.text != "" {
			q.Set(w.key, strings.ReplaceAll(w.text, "{source}", source))
		}
	}
	u.RawQuery = q.Encode()
	return &u
}
