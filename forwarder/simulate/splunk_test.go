package simulate

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func startSplunk(t testing.TB, o SplunkOptions) *Splunk {
	t.Helper()
	s, err := StartSplunk(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// ask makes one request to a simulated Splunk; head is "Name: value" lines.
func askSplunk(t testing.TB, s *Splunk, method, path, body string, head ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	for _, line := range head {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text), resp.Header
}

const (
	goodToken = "Authorization: Splunk " + SplunkToken
	oneID     = "X-Splunk-Request-Channel: 11111111-1111-4111-8111-111111111111"
)

func TestSplunkAnswers(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, `{"event":"zipped"}`)
	require.NoError(t, z.Close())
	plain, strict, ack := SplunkOptions{}, SplunkOptions{Strict: true, Indexes: []string{"main"}, MostBody: 100}, SplunkOptions{Ack: true}
	const event, raw, question = "POST /services/collector/event", "POST /services/collector/raw", "POST /services/collector/ack"
	for _, c := range []struct {
		o             SplunkOptions
		request, body string
		head          []string
		want          string
		events        int
	}{
		{plain, event, `{"event":"a"}`, nil, `401 {"text":"Token is required","code":2}`, 0},
		{plain, event, `{"event":"a"}`, []string{"Authorization: abc"}, `401 {"text":"Invalid authorization","code":3}`, 0},
		{plain, event, `{"event":"a"}`, []string{"Authorization: Splunk wrong"}, `403 {"text":"Invalid token","code":4}`, 0},
		{plain, event + "?token=" + SplunkToken, `{"event":"a"}`, []string{goodToken}, `400 {"text":"Query string authorization is not enabled","code":16}`, 0},
		{plain, event, ``, []string{goodToken}, `400 {"text":"No data","code":5}`, 0},
		{plain, event, `{"event":"a"}{"event":"b"}`, []string{goodToken}, `200 {"text":"Success","code":0}`, 2},
		{plain, "POST /services/collector", "{\"event\":\"a\"}\n {\"event\":7}\n", []string{"Authorization: bearer " + SplunkToken}, `200 {"text":"Success","code":0}`, 2},
		{plain, event + "/1.0", `{"event":"a"}{"event":`, []string{goodToken}, `400 {"text":"Invalid data format","code":6,"invalid-event-number":1}`, 1},
		{plain, event, `{"event":"a"}{"foo":1}{"event":"c"}`, []string{goodToken}, `400 {"text":"Event field is required","code":12,"invalid-event-number":1}`, 1},
		{plain, event, `{"event":""}`, []string{goodToken}, `400 {"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, 0},
		{plain, event, `{"event":"x","time":"1700000000.5"}`, []string{goodToken}, `200 {"text":"Success","code":0}`, 1},
		{plain, event, `{"event":"x","time":"soon"}`, []string{goodToken}, `400 {"text":"Invalid data format","code":6,"invalid-event-number":0}`, 0},
		{plain, event, `{"event":"x","fields":{"a":{"b":"c"}}}`, []string{goodToken}, `400 {"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}`, 0},
		{plain, event, `{"event":"x","fields":{"a":["b","c"],"event_id":"7"}}`, []string{goodToken}, `200 {"text":"Success","code":0}`, 1},
		{plain, event, zipped.String(), []string{goodToken, "Content-Encoding: gzip"}, `200 {"text":"Success","code":0}`, 1},
		{plain, event, `{"event":"a"}`, []string{goodToken, "Content-Encoding: br"}, `415 Unsupported encoding`, 0},
		{plain, raw, "one\ntwo\n\n", []string{goodToken}, `200 {"text":"Success","code":0}`, 2},
		{strict, raw, "one", []string{goodToken}, `400 {"text":"Data channel is missing","code":10}`, 0},
		{strict, raw + "?index=other", "one", []string{goodToken, oneID}, `400 {"text":"Incorrect index","code":7}`, 0},
		{strict, event, `{"event":"a","index":"main"}{"event":"b","index":"other"}`, []string{goodToken}, `400 {"text":"Incorrect index","code":7,"invalid-event-number":1}`, 1},
		{strict, event, `{"event":"` + strings.Repeat("a", 100) + `"}`, []string{goodToken}, "413 The request your client sent was too large.", 0},
		{ack, event, `{"event":"a"}`, []string{goodToken}, `400 {"text":"Data channel is missing","code":10}`, 0},
		{ack, event, `{"event":"a"}`, []string{goodToken, "X-Splunk-Request-Channel: 1"}, `400 {"text":"Invalid data channel","code":11}`, 0},
		{ack, event, `{"event":"a"}`, []string{goodToken, oneID}, `200 {"text":"Success","code":0,"ackId":0}`, 1},
		{plain, question, `{"acks":[0]}`, []string{goodToken, oneID}, `400 {"text":"ACK is disabled","code":14}`, 0},
		{ack, question, `{"acks":[0]}`, []string{goodToken}, `400 {"text":"Data channel is missing","code":10}`, 0},
		{ack, question, `{"acks":`, []string{goodToken, oneID}, `400 {"text":"Invalid data format","code":6}`, 0},
		{ack, question, `{"acks":[0,7]}`, []string{goodToken, oneID}, `200 {"acks":{"0":false,"7":false}}`, 0},
		{plain, "GET /services/collector/health", "", nil, `200 {"text":"HEC is healthy","code":17}`, 0},
		{plain, "GET /services/collector/event", "", []string{goodToken}, "405 ", 0},
		{plain, "POST /elsewhere", "", []string{goodToken}, "404 404 page not found\n", 0},
	} {
		t.Run(c.request+" "+c.want, func(t *testing.T) {
			s := startSplunk(t, c.o)
			method, path, _ := strings.Cut(c.request, " ")
			status, text, _ := askSplunk(t, s, method, path, c.body, c.head...)
			assert.Equal(t, c.want, fmt.Sprintf("%d %s", status, text))
			assert.Len(t, s.Counts(), c.events)
		})
	}
}

// An acknowledgement comes when the event is indexed, is told once, and only by the
// indexer that has it.
func TestSplunkAcknowledges(t *testing.T) {
	s := startSplunk(t, SplunkOptions{Ack: true, AckAfter: 50 * time.Millisecond, Indexers: 2})
	ask := func(cookie string) (string, string) {
		_, text, h := askSplunk(t, s, "POST", "/services/collector/ack", `{"acks":[0]}`, goodToken, oneID, "Cookie: "+cookie)
		c, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
		return text, c
	}
	_, text, h := askSplunk(t, s, "POST", "/services/collector/event", `{"event":"a"}`, goodToken, oneID)
	assert.Equal(t, `{"text":"Success","code":0,"ackId":0}`, text)
	cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	text, _ = ask(cookie)
	assert.Equal(t, `{"acks":{"0":false}}`, text)
	assert.Empty(t, s.Counts())
	require.Eventually(t, func() bool { return s.Counts()["\"a\""] == 1 }, 10*time.Second, time.Millisecond)
	text, other := ask("")
	assert.Equal(t, `{"acks":{"0":false}}`, text, "another indexer does not know")
	assert.NotEqual(t, cookie, other)
	text, _ = ask(cookie)
	assert.Equal(t, `{"acks":{"0":true}}`, text)
	text, _ = ask(cookie)
	assert.Equal(t, `{"acks":{"0":false}}`, text)
}

// What is not indexed when an indexer is started anew is gone, as is every channel.
func TestSplunkRestarts(t *testing.T) {
	s := startSplunk(t, SplunkOptions{Ack: true, AckAfter: time.Hour})
	_, _, _ = askSplunk(t, s, "POST", "/services/collector/event", `{"event":"a"}`, goodToken, oneID)
	s.Restart()
	_, text, _ := askSplunk(t, s, "POST", "/services/collector/event", `{"event":"b"}`, goodToken, oneID)
	assert.Equal(t, `{"text":"Success","code":0,"ackId":0}`, text)
	assert.Empty(t, s.Counts())
}

func TestSplunkMisbehaves(t *testing.T) {
	for want, f := range map[string]SplunkFaults{
		`503 {"text":"Server is busy","code":9}`:                           {Codes: map[int]float64{9: 1}, RetryIn: 3},
		`400 {"text":"Incorrect index","code":7,"invalid-event-number":1}`: {Partly: map[int]float64{7: 1}},
		`200 {"text":"Queue is approaching capacity","code":24}`:           {Warnings: 1},
		`502 <html><head><title>502 Bad Gateway</title></head></html>`:     {Bare: 1},
	} {
		s := startSplunk(t, SplunkOptions{Faults: f})
		status, text, h := askSplunk(t, s, "POST", "/services/collector/event", `{"event":"a"}{"event":"b"}`, goodToken)
		assert.Equal(t, want, fmt.Sprintf("%d %s", status, text))
		if f.RetryIn > 0 {
			assert.Equal(t, "3", h.Get("Retry-After"))
		}
	}
	for indexed, f := range map[int]SplunkFaults{2: {Lost: 1}, 0: {Cut: 1}} {
		s := startSplunk(t, SplunkOptions{Faults: f})
		status, _, _ := askSplunk(t, s, "POST", "/services/collector/event", `{"event":"a"}{"event":"b"}`, goodToken)
		assert.Zero(t, status)
		assert.Len(t, s.Counts(), indexed)
		assert.Equal(t, indexed > 0, s.Excused(`"a"`))
		assert.Equal(t, map[string]int{"lost": 1}, s.Answers())
	}
	_, err := StartSplunk(SplunkOptions{Listen: "0.0.0.0:0"})
	assert.ErrorIs(t, err, ErrAddress)
}
