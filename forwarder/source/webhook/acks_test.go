package webhook

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"github.com/siemfwd/siemfwd/parsers/generic"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

const channelA, channelB = "0aaaaaaa-0000-4000-8000-00000000000A", "0bbbbbbb-0000-4000-8000-00000000000b"

// withAck is HEC's hook as a configuration with this `ack` has it.
func withAck(t testing.TB, word string) *kit.Hook {
	v := generic.HEC()
	cfg := v.Options.Config()
	require.NoError(t, yaml.Unmarshal([]byte("ack: "+word), cfg))
	v, err := v.Options.Apply(v, cfg)
	require.NoError(t, err)
	return v.Hook
}

func TestAcknowledgements(t *testing.T) {
	r := start(t, NewHub(), withAck(t, "auto"), func(c *Config) { c.Path = "/services/collector" })
	post := func(path, body, channel string) string {
		return r.do("POST", r.url+path, body, "X-Splunk-Request-Channel", channel).body
	}
	const event = `{"event":"a"}`
	for _, c := range []struct{ path, body, channel, answer string }{
		{"/event", event, channelA, `{"text":"Success","code":0,"ackId":0}`},
		{"", event, channelA, `{"text":"Success","code":0,"ackId":1}`},
		{"/raw", "line", channelA, `{"text":"Success","code":0,"ackId":2}`},
		{"/event", event, channelB, `{"text":"Success","code":0,"ackId":0}`},
		{"/raw?channel=" + channelB, "line", "", `{"text":"Success","code":0,"ackId":1}`},
		{"/event", event, "", `{"text":"Success","code":0}`},
		{"/event", `{"event":""}`, channelA, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`},
		{"/ack", `{"acks":[0,1,7]}`, channelA, `{"acks":{"0":true,"1":true,"7":false}}`},
		{"/ack", `{"acks":[0,2,3]}`, channelA, `{"acks":{"0":false,"2":true,"3":false}}`},
		{"/ack?channel=" + channelB, `{"acks":[1]}`, "", `{"acks":{"1":true}}`},
		{"/ack", `{"acks":[]}`, channelB, `{"acks":{}}`},
		{"/ack", `{"acks":[0]}`, "0ccccccc-0000-4000-8000-00000000000c", `{"acks":{"0":false}}`},
		{"/ack", `{"acks":[0]}`, "", `{"text":"Data channel is missing","code":10}`},
		{"/ack", `{"acks":[0]}`, "mine", `{"text":"Invalid data channel","code":11}`},
		{"/ack", `{"acks":0}`, channelA, `{"text":"Invalid data format","code":6}`},
		{"/ack", `{"acks":[-1]}`, channelA, `{"text":"Invalid data format","code":6}`},
		{"/ack", `{"acks":[1`, channelA, `{"text":"Invalid data format","code":6}`},
		{"/ack", ``, channelA, `{"text":"Invalid data format","code":6}`},
		{"/event", event, "mine", `{"text":"Success","code":0}`},
	} {
		assert.Equal(t, c.answer, post(c.path, c.body, c.channel), "%+v", c)
	}
	assert.Equal(t, 405, r.do("GET", r.url+"/ack", "").status)

	r = start(t, NewHub(), withAck(t, "required"), func(c *Config) { c.Path = "/services/collector" })
	assert.Equal(t, `{"text":"Data channel is missing","code":10}`, post("/event", event, ""))
	assert.Equal(t, `{"text":"Invalid data channel","code":11}`, post("/raw", event, "mine"))
	assert.Equal(t, `{"text":"Success","code":0,"ackId":0}`, post("/event", event, channelA))
	r.full = func() bool { return false }
	assert.Equal(t, `{"text":"HEC is healthy","code":17}`, r.do("GET", r.url+"/health", "").body)

	r = start(t, NewHub(), withAck(t, "off"), func(c *Config) { c.Path = "/services/collector" })
	assert.Equal(t, `{"text":"Success","code":0}`, post("/event", event, channelA))
	assert.Equal(t, `{"text":"ACK is disabled","code":14}`, post("/ack", `{"acks":[0]}`, channelA))
}

// No number is given before the events are durable, and one that was given is never
// denied at the first question, whatever was asked before.
func TestChannelsRememberWhatWasGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, now := newChannels(), time.Unix(0, 0)
		given, asked := uint64(0), map[uint64]bool{}
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "take") {
				require.Equal(t, given, c.take(guid{1}, now))
				given++
				continue
			}
			id := rapid.Uint64Range(0, given+1).Draw(t, "id")
			yes := c.ask(guid{1}, []uint64{id}, now)[0]
			switch {
			case id >= given:
				require.False(t, yes)
			case !asked[id]:
				require.True(t, yes)
			}
			asked[id] = true
			if ch := c.by[guid{1}]; ch != nil {
				require.LessOrEqual(t, len(ch.unread), mostSpans)
			}
		}
	})
}

func TestChannelsAreBounded(t *testing.T) {
	c, now := newChannels(), time.Unix(1000, 0)
	id := func(i int) (g guid) { copy(g[:], fmt.Sprintf("%016d", i)); return g }
	for i := range mostChannels {
		require.True(t, c.open(id(i), now))
	}
	assert.False(t, c.open(id(mostChannels), now))
	assert.True(t, c.open(id(1), now.Add(channelIdle)), "one that is there")
	assert.True(t, c.open(id(mostChannels), now.Add(channelIdle+time.Second)), "those that nobody used are forgotten")
	assert.Len(t, c.by, 2)
	for range 1_000_000 {
		c.take(id(1), now)
	}
	assert.Len(t, c.by[id(1)].unread, 1)
	for i := uint64(0); i < 1000; i += 2 {
		assert.Equal(t, []bool{true}, c.ask(id(1), []uint64{i}, now))
	}
	assert.LessOrEqual(t, len(c.by[id(1)].unread), mostSpans)
	one := id(1)
	assert.Zero(t, testing.AllocsPerRun(100, func() { c.take(one, now) }))

	r := start(t, NewHub(), generic.HEC().Hook, nil)
	for i := range mostChannels {
		r.source.channels.open(id(i), time.Now())
	}
	got := r.post(`{"event":"a"}`, "X-Splunk-Request-Channel", channelA)
	assert.Equal(t, 503, got.status)
	assert.Equal(t, `{"text":"Server is busy","code":9}`, got.body)
	assert.Empty(t, r.texts())
}

func TestGUID(t *testing.T) {
	for in, want := range map[string]bool{
		channelA: true, "0aaaaaaa00004000800000000000000A": true, "": false, "x": false, "0aaaaaaa-0000-4000-8000-00000000000g": false,
		"0aaaaaaa-0000-4000-80000-0000000000a": false, channelA + "0": false,
	} {
		_, ok := parseGUID(in)
		assert.Equal(t, want, ok, in)
	}
	a, _ := parseGUID(channelA)
	b, _ := parseGUID("0AAAAAAA00004000800000000000000a")
	assert.Equal(t, a, b)
}

// A request that the listener fails on is answered in the vendor's words.
func TestPanicIsAnsweredAsTheVendorDoes(t *testing.T) {
	hook := *generic.HEC().Hook
	hook.Accepted = func([]byte) kit.Answer { panic("no") }
	r := start(t, NewHub(), &hook, nil)
	got := r.post(`{"event":"a"}`)
	assert.Equal(t, 500, got.status)
	assert.Equal(t, `{"text":"Internal server error","code":8}`, got.body)
}
