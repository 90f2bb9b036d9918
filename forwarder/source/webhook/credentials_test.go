package webhook

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/generic"
)

// Every type whose credential is a text of the configuration takes it, and nothing that
// is only like it. Tokens that end, and signatures, have tests of their own.
func TestStaticCredentials(t *testing.T) {
	secret := component.NewSecret("s3cret-0123456789")
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, c := range []struct {
		auth      Auth
		header    string
		good      []string
		wrong     []string
		challenge string
	}{
		{Auth{Type: "bearer", Token: secret}, "Authorization",
			[]string{"Bearer s3cret-0123456789", "bearer  s3cret-0123456789", "Splunk s3cret-0123456789", "s3cret-0123456789", basic("x:s3cret-0123456789")},
			[]string{"Bearer S3cret-0123456789", "Bearer s3cret-0123456789x", "Bearer", "Token s3cret-0123456789", "Bearer " + strings.Repeat("s3cret", 1500), basic("s3cret-0123456789:")}, "Bearer "},
		{Auth{Type: "basic", Username: "epm", Password: secret}, "Authorization",
			[]string{basic("epm:s3cret-0123456789"), "basic " + basic("epm:s3cret-0123456789")[6:], strings.TrimRight(basic("epm:s3cret-0123456789"), "=")},
			[]string{basic("epm:s3cret-012345678"), basic("ep:s3cret-0123456789"), basic("epm:"), basic("epm"), "Basic", "Basic !", "Bearer s3cret-0123456789", basic("epm:" + strings.Repeat("x", 6000))}, "Basic "},
		{Auth{Type: "header", Name: "x-api-key", Value: secret}, "X-Api-Key",
			[]string{"s3cret-0123456789"},
			[]string{"s3cret-012345678", "S3CRET-0123456789", "Bearer s3cret-0123456789", strings.Repeat("s3cret", 1500)}, "Bearer "},
		{Auth{Type: "header", Name: "Authorization", Value: component.NewSecret("Bearer s3cret-0123456789")}, "Authorization",
			[]string{"Bearer s3cret-0123456789", "s3cret-0123456789"},
			[]string{"Bearer s3cret-012345678", "Bearer", "Bearer Bearer s3cret-0123456789", strings.Repeat("s3cret", 1500)}, "Bearer "},
	} {
		for i, shown := range append(append([]string{""}, c.wrong...), c.good...) {
			good := i > len(c.wrong)
			r := start(t, NewHub(), nil, func(cfg *Config) { cfg.Auth = c.auth })
			got := r.post("x", "Authorization", "", c.header, shown)
			if good {
				assert.Equal(t, 200, got.status, "%s: %.60q", c.auth.Type, shown)
				assert.Len(t, r.texts(), 1)
				continue
			}
			assert.Equal(t, 401, got.status, "%s: %.60q", c.auth.Type, shown)
			assert.True(t, strings.HasPrefix(got.header.Get("WWW-Authenticate"), c.challenge), "%s: %.60q", c.auth.Type, shown)
			assert.Empty(t, r.texts())
			assert.Empty(t, r.refused, "who may not send leaves nothing")
			assert.Zero(t, r.log.with("s3cret"))
		}
		r := start(t, NewHub(), nil, func(cfg *Config) { cfg.Auth = c.auth })
		for _, shown := range [][]string{{c.good[0], c.good[0]}, {strings.Repeat("x", 64<<10)}} {
			req, err := http.NewRequest("POST", r.url, strings.NewReader("x"))
			require.NoError(t, err)
			req.Header[c.header] = shown
			res, err := r.client.Do(req)
			if len(shown) == 1 && err != nil {
				continue // the connection ended while the header was still being sent
			}
			require.NoError(t, err)
			_ = res.Body.Close()
			assert.Equal(t, map[int]int{1: 431, 2: 401}[len(shown)], res.StatusCode, "twice is not once, and headers are bounded")
		}
		assert.Empty(t, r.texts())
	}
}

// HEC's senders may have the token in the URL, where that is allowed; where it is not
// they are told so, whatever else they show.
func TestTokensInTheURL(t *testing.T) {
	const event = `{"event":"a"}`
	for _, allowed := range []bool{false, true} {
		r := start(t, NewHub(), generic.HEC().Hook, func(c *Config) { c.Auth.Query = allowed })
		for _, c := range []struct {
			query, header string
			status        [2]int // forbidden, allowed
			code          [2]int
		}{
			{"", "Splunk t0ken", [2]int{200, 200}, [2]int{0, 0}},
			{"?channel=x", "Splunk t0ken", [2]int{200, 200}, [2]int{0, 0}},
			{"?token=t0ken", "", [2]int{400, 200}, [2]int{16, 0}},
			{"?token=wrong", "Splunk t0ken", [2]int{400, 403}, [2]int{16, 4}},
			{"?token=t0ken", "Splunk wrong", [2]int{400, 200}, [2]int{16, 0}},
			{"?token=", "Splunk t0ken", [2]int{400, 401}, [2]int{16, 2}},
			{"?token=t0ken&token=x", "", [2]int{400, 403}, [2]int{16, 4}},
		} {
			got := r.do("POST", r.url+c.query, event, "Authorization", c.header)
			i := map[bool]int{true: 1}[allowed]
			assert.Equal(t, c.status[i], got.status, "%v %+v", allowed, c)
			assert.Contains(t, got.body, fmt.Sprintf(`"code":%d}`, c.code[i]), "%v %+v", allowed, c)
		}
		assert.Zero(t, r.log.with("t0ken"))
		r.full = func() bool { return false }
		assert.Equal(t, 200, r.do("GET", r.url+"/health?token=x", "", "Authorization", "").status, "health asks for nothing")
	}
	plain := start(t, NewHub(), nil, nil)
	assert.Equal(t, 200, plain.do("POST", plain.url+"?token=x", event).status, "of other vendors nobody looks there")
	assert.Equal(t, 401, plain.do("POST", plain.url+"?token=t0ken", event, "Authorization", "").status)
}

// A sender that reads only when it has sent everything hears that it was too much.
func TestSendersOfTooMuchHearOfIt(t *testing.T) {
	r := start(t, NewHub(), nil, func(c *Config) { c.MaxBody = 100_000 })
	const size = 8 << 20
	for _, header := range []string{fmt.Sprintf("Content-Length: %d", size), "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(r.url, "http://"), "/hook"))
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
		_, err = fmt.Fprintf(conn, "POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t0ken\r\n%s\r\n\r\n", header)
		require.NoError(t, err)
		body := strings.Repeat("a", size)
		if strings.HasPrefix(header, "T") {
			body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, body)
		}
		_, err = io.WriteString(conn, body)
		require.NoError(t, err)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, header)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		assert.Equal(t, 413, res.StatusCode)
		assert.Equal(t, `{"error":"body is too long"}`, string(text))
		require.NoError(t, conn.Close())
	}
	assert.Empty(t, r.texts())
}
