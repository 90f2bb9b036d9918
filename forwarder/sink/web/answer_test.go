package web

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/sink"
)

func TestClassOf(t *testing.T) {
	for class, statuses := range map[Class][]int{
		Taken:    {200, 201, 202, 204, 299},
		Later:    {408, 425, 429, 500, 502, 503, 504, 507, 520, 599, 600},
		Shut:     {100, 301, 302, 304, 307, 308, 401, 402, 403, 404, 405, 407, 410, 421, 495},
		TooLarge: {413},
		Bad:      {400, 406, 409, 411, 415, 418, 422, 431, 451, 499},
	} {
		for _, s := range statuses {
			assert.Equal(t, class, ClassOf(s), s)
		}
		assert.NotEmpty(t, class.String())
	}
}

func TestJudge(t *testing.T) {
	c := client(t, "https://siem.example.net/"+secret, Defaults())
	answer := func(status int, body string, header ...string) *Answer {
		a := &Answer{Status: status, Body: []byte(body), Header: http.Header{}, At: time.Now()}
		for i := 0; i+1 < len(header); i += 2 {
			a.Header.Set(header[i], header[i+1])
		}
		return a
	}
	require.NoError(t, c.Judge(answer(204, "")))

	var rejected *sink.Rejected
	var busy *sink.Busy
	err := c.Judge(answer(400, "no \x1b[31mgood,\r\n "+secret+" is\u2028known"))
	require.ErrorAs(t, err, &rejected)
	assert.Nil(t, rejected.Index)
	assert.EqualError(t, rejected.Reason, "https://siem.example.net: 400 Bad Request: no [31mgood, <secret> is known")

	require.ErrorAs(t, c.Judge(answer(413, "")), &rejected)
	require.ErrorAs(t, c.Judge(answer(503, "", "Retry-After", "7")), &busy)
	assert.Equal(t, 7*time.Second, busy.For)
	for _, status := range []int{401, 403, 404, 429, 500, 503} {
		err := c.Judge(answer(status, ""))
		require.Error(t, err)
		assert.False(t, errors.As(err, &rejected) || errors.As(err, &busy), status)
	}
	assert.EqualError(t, c.Judge(answer(502, "<html>\n<head><title>502 Bad\nGateway</title></head>"+strings.Repeat("x", 99))),
		"https://siem.example.net: 502 Bad Gateway: 502 Bad Gateway")
	assert.EqualError(t, c.Judge(answer(502, "<!DOCTYPE html><p>hello")), "https://siem.example.net: 502 Bad Gateway")
	long := c.Judge(answer(400, strings.Repeat("é", 1000))).Error()
	assert.Less(t, len(long), 400)
	assert.True(t, strings.HasSuffix(long, "é…"), long)
	cut := c.Judge(answer(400, strings.Repeat(" ", 8*mostWords-5)+secret)).Error()
	assert.NotContains(t, cut, secret[:5]+"x")
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after, date string
		want        time.Duration
	}{
		{"", "", 0}, {"soon", "", 0}, {"-5", "", 0}, {"1.5", "", 0},
		{"0", "", time.Second}, {" 12 ", "", 12 * time.Second}, {"999999", "", time.Hour}, {"99999999999999999999", "", 0},
		{"Fri, 20 Nov 2026 10:00:30 GMT", "", 30 * time.Second},
		{"Fri, 20 Nov 2026 09:00:00 GMT", "", time.Second},
		{"Fri, 20 Nov 2026 11:00:30 GMT", "Fri, 20 Nov 2026 11:00:00 GMT", 30 * time.Second},
		{"Sat, 21 Nov 2026 10:00:00 GMT", "", time.Hour},
	} {
		a := &Answer{Header: http.Header{}, At: now}
		a.Header.Set("Retry-After", c.after)
		a.Header.Set("Date", c.date)
		assert.Equal(t, c.want, RetryAfter(a), c.after)
	}
}

// What a receiver says is one short line without its secrets, whatever it is.
func FuzzWords(f *testing.F) {
	f.Add(400, []byte("no "+secret+"\n good"))
	f.Add(502, []byte("<html><title>İ</title>"))
	f.Add(200, []byte(strings.Repeat("\xff", 5000)))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		c := &Client{secrets: []string{secret}}
		text := c.Words(&Answer{Status: status, Body: body})
		if strings.Contains(text, secret) || strings.ContainsAny(text, "\r\n\x1b\u2028") || len(text) > mostWords+100 {
			t.Errorf("%q", text)
		}
	})
}
