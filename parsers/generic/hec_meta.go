package generic

import (
	"bytes"
	"net/http"
	"net/url"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// hecNames are the members of an envelope that hold for those behind it in the same
// request, until one says something else. In the query of a request they hold from its
// beginning.
var hecNames = [...]string{"time", "host", "source", "sourcetype", "index"}

const (
	// mostMeta bounds what one request can say in its query of all its events.
	mostMeta = 4 << 10
	// mostRepeated bounds the octets that are added to the events of one request, where
	// one word before a million small ones would take more memory than there is.
	mostRepeated = 64 << 20
)

// hecMeta is what holds for the events of a request, as JSON values. It completes
// events from it and counts what that adds.
type hecMeta struct {
	said    [len(hecNames)][]byte
	channel []byte // of a raw request that names one in its query
	buf     []byte
	added   int
}

// readQuery takes what the query says. auto_extract_timestamp, token and whatever else
// may stand there are not about the events.
func (m *hecMeta) readQuery(query string, raw bool) *kit.Answer {
	if query == "" {
		return nil
	}
	values, _ := url.ParseQuery(query) // what cannot be read is left out
	n := 0
	take := func(name string) []byte {
		v := values.Get(name)
		if v == "" {
			return nil
		}
		n += len(v)
		return appendQuoted(nil, record.Bytes(v))
	}
	for i, name := range hecNames {
		m.said[i] = take(name)
	}
	if raw {
		m.channel = take("channel")
	}
	if t := m.said[0]; t != nil {
		if _, ok := kit.ParseEpoch(bytes.Trim(t, `"`)); !ok {
			return badQuery("time of the query is not a time")
		}
	}
	if n > mostMeta {
		return badQuery("query is too long")
	}
	return nil
}

func badQuery(reason string) *kit.Answer {
	a := hecAnswer(http.StatusBadRequest, invalidFormat.code, invalidFormat.text)
	a.Reason = reason
	return &a
}

// complete returns an envelope with what it does not say itself, and notes what it
// does. The result is good until the next call.
func (m *hecMeta) complete(envelope []byte) []byte {
	var own [len(hecNames)]bool
	for it := kit.Members(envelope); it.Next(); {
		for i, name := range hecNames {
			if !own[i] && it.Is(name) {
				own[i] = true
				if kit.KindOf(it.Value) != record.Null {
					m.said[i] = it.Value
				}
				break
			}
		}
	}
	m.buf = append(m.buf[:0], '{')
	for i, v := range m.said {
		if v != nil && !own[i] {
			m.buf = append(appendName(m.buf, hecNames[i]), v...)
			m.buf = append(m.buf, ',')
		}
	}
	if len(m.buf) == 1 {
		return envelope
	}
	m.added += len(m.buf) - 1
	m.buf = append(m.buf, envelope[1:]...) // an envelope has at least its event
	return m.buf
}

// any reports whether there is anything to say of raw events.
func (m *hecMeta) any() bool {
	for _, v := range m.said {
		if v != nil {
			return true
		}
	}
	return m.channel != nil
}

// wrap makes the envelope of a raw event: an object as it is, or the octets of a line as
// a string. The result is good until the next call.
func (m *hecMeta) wrap(data []byte, object bool) []byte {
	m.buf = append(m.buf[:0], '{')
	if m.channel != nil {
		m.buf = append(append(append(m.buf, hecChannel...), m.channel...), ',')
	}
	for i, v := range m.said {
		if v != nil {
			m.buf = append(append(appendName(m.buf, hecNames[i]), v...), ',')
		}
	}
	m.buf = appendName(m.buf, "event")
	if object {
		m.buf = append(m.buf, data...)
	} else {
		m.buf = appendQuoted(m.buf, data)
	}
	m.buf = append(m.buf, '}')
	m.added += len(m.buf) - len(data)
	return m.buf
}

// tooMuch answers a request whose events cannot all be completed.
func (m *hecMeta) tooMuch() *kit.Answer {
	if m.added <= mostRepeated {
		return nil
	}
	a := hecAnswer(http.StatusRequestEntityTooLarge, invalidFormat.code, "Request entity too large")
	a.Reason = "too many events of one request share what one of them says"
	return &a
}

// hecChannel begins the first member of an envelope that wrap made of a request with a
// channel, which is the sender's and no part of the event.
const hecChannel = `"channel":`

// withoutChannel is the envelope as far as it identifies the event: sent again, it comes
// over another channel.
func withoutChannel(r *record.Record, envelope []byte) []byte {
	if !bytes.HasPrefix(envelope, record.Bytes("{"+hecChannel)) {
		return envelope
	}
	end, err := kit.SkipValue(envelope, 1+len(hecChannel))
	if err != nil || end >= len(envelope) || envelope[end] != ',' {
		return envelope
	}
	rest := envelope[end+1:]
	return r.End(append(append(r.Begin(1+len(rest)), '{'), rest...))
}

func appendName(b []byte, name string) []byte {
	return append(append(append(b, '"'), name...), '"', ':')
}

// appendQuoted appends octets as a JSON string. Those that are not UTF-8 stay what they
// are, so that nothing of what was received is lost.
func appendQuoted(b, text []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
