package webhook

import (
	"encoding/hex"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Bounds of what is remembered for acknowledgements: some 20 MiB at most for a source.
const (
	mostChannels = 10_000
	mostSpans    = 64
	channelIdle  = 10 * time.Minute // after which a channel may be forgotten
)

// guid names a channel.
type guid [16]byte

// parseGUID reads 8-4-4-4-12 hexadecimal digits, or 32 of them.
func parseGUID(text string) (g guid, ok bool) {
	if len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' {
		text = text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	}
	if len(text) != 32 {
		return g, false
	}
	_, err := hex.Decode(g[:], []byte(text))
	return g, err == nil
}

// channels are those on which senders are given numbers for their requests. A number is
// given when the events are durable: all that is remembered is which of them were not
// yet asked for.
type channels struct {
	mu    sync.Mutex
	by    map[guid]*channel
	swept time.Time
}

type channel struct {
	next   uint64
	unread []span // ascending; none are empty
	used   time.Time
}

// span is the numbers from the first up to, but not including, the second.
type span struct{ from, to uint64 }

func newChannels() *channels { return &channels{by: map[guid]*channel{}} }

// open makes sure that there is a channel; false when there are too many.
func (c *channels) open(g guid, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.get(g, now) != nil
}

func (c *channels) get(g guid, now time.Time) *channel {
	ch := c.by[g]
	if ch == nil {
		if len(c.by) >= mostChannels {
			c.sweep(now)
		}
		if len(c.by) >= mostChannels {
			return nil
		}
		ch = &channel{}
		c.by[g] = ch
	}
	ch.used = now
	return ch
}

// sweep forgets channels that nobody used for long, if it did not look a moment ago.
func (c *channels) sweep(now time.Time) {
	if now.Sub(c.swept) < time.Second {
		return
	}
	c.swept = now
	for g, ch := range c.by {
		if now.Sub(ch.used) > channelIdle {
			delete(c.by, g)
		}
	}
}

// take returns the number of a request whose events are durable. The channel is open.
func (c *channels) take(g guid, now time.Time) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.get(g, now)
	if ch == nil { // forgotten since it was opened: it begins again
		ch = &channel{used: now}
		c.by[g] = ch
	}
	id := ch.next
	ch.next++
	if n := len(ch.unread); n > 0 && ch.unread[n-1].to == id {
		ch.unread[n-1].to = ch.next
		return id
	}
	ch.unread = append(ch.unread, span{id, ch.next})
	ch.bound()
	return id
}

// bound keeps the spans few: numbers between the first two, which were asked for, become
// such that were not.
func (ch *channel) bound() {
	if len(ch.unread) > mostSpans {
		ch.unread[0].to = ch.unread[1].to
		ch.unread = slices.Delete(ch.unread, 1, 2)
	}
}

// ask reports for each number whether it was given and not asked for before.
func (c *channels) ask(g guid, ids []uint64, now time.Time) []bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	yes := make([]bool, len(ids))
	ch := c.by[g]
	if ch == nil {
		return yes
	}
	ch.used = now
	for i, id := range ids {
		yes[i] = ch.read(id)
	}
	return yes
}

func (ch *channel) read(id uint64) bool {
	at, _ := slices.BinarySearchFunc(ch.unread, id, func(s span, id uint64) int {
		switch {
		case s.to <= id:
			return -1
		case s.from > id:
			return 1
		}
		return 0
	})
	if at == len(ch.unread) || id < ch.unread[at].from {
		return false
	}
	switch s := &ch.unread[at]; {
	case s.to-s.from == 1:
		ch.unread = slices.Delete(ch.unread, at, at+1)
	case s.from == id:
		s.from++
	case s.to == id+1:
		s.to--
	default:
		rest := span{id + 1, s.to}
		s.to = id
		ch.unread = slices.Insert(ch.unread, at+1, rest)
		ch.bound()
	}
	return true
}

// open opens the channel that a request names. When it returns false it has answered.
func (r *route) open(q *request, req *http.Request, asks bool) bool {
	a := r.hook.Acks
	if a == nil {
		return true
	}
	name := channelName(a, req)
	switch {
	case name == "" && !asks && !a.Required:
		return true
	case name == "":
		r.say(q, http.StatusBadRequest, "request names no channel", "")
		answer(q.w, &a.Missing, http.StatusBadRequest)
		return false
	}
	if q.channel, q.hasChannel = parseGUID(name); !q.hasChannel && !asks && !a.Required {
		return true // no number is given: the sender takes it for delivered, which it is
	}
	if !q.hasChannel {
		r.say(q, http.StatusBadRequest, "channel is not a GUID", "")
		answer(q.w, &a.Invalid, http.StatusBadRequest)
		return false
	}
	if !asks && !r.channels.open(q.channel, q.at) {
		r.env.Meter.Add("webhook_busy", 1)
		r.say(q, http.StatusServiceUnavailable, "channels are as many as allowed", "")
		r.full(q.w)
		return false
	}
	return true
}

// channelName is the channel of a request: that of its header, or of its query.
func channelName(a *kit.Acks, req *http.Request) string {
	if v := req.Header[textproto.CanonicalMIMEHeaderKey(a.Header)]; len(v) > 0 && v[0] != "" {
		return v[0]
	}
	if req.URL.RawQuery == "" {
		return ""
	}
	values, _ := url.ParseQuery(req.URL.RawQuery)
	return values.Get(a.Param)
}

// acknowledge answers a question.
func (r *route) acknowledge(q *request, body []byte) {
	ids, ok := r.hook.Acks.Ask(body)
	if !ok {
		r.say(q, http.StatusBadRequest, "question for acknowledgements is not understood", "")
		answer(q.w, &r.hook.Acks.Bad, http.StatusBadRequest)
		return
	}
	answer(q.w, &kit.Answer{Status: http.StatusOK, Body: r.hook.Acks.Reply(ids, r.channels.ask(q.channel, ids, q.at))}, http.StatusOK)
}
