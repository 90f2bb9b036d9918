package splunkhec

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string // path: text, and "warning" before it
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.URL = "https://h/services/collector/event/1.0?auto_extract_timestamp=true" }, ""},
		{func(c *Config) { c.URL, c.URLs = "", []string{"https://a", "https://b:1/x"} }, ""},
		{func(c *Config) { c.URL, c.Token = "${env:SPLUNK}", component.NewSecret("${cred:hec}") }, ""},
		{func(c *Config) {
			c.Index, c.SourceType, c.Source = "a-{vendor}", "{product}:{class}", "${env:X}{category}"
		}, ""},
		{func(c *Config) { c.Endpoint, c.Index, c.Source = "raw", "{source}", "x" }, ""},
		{func(c *Config) { c.URL = "" }, "url: no receiver"},
		{func(c *Config) { c.URLs = []string{"https://b"} }, "urls: there is a url too"},
		{func(c *Config) { c.URL, c.URLs = "", []string{"https://b", "https://b"} }, "urls[1]: it is there twice"},
		{func(c *Config) { c.URL = "http://splunk.example.net:8088" }, "warning url: events and credentials cross the network in plain text"},
		{func(c *Config) { c.URL = "http://[::1]:8088" }, ""},
		{func(c *Config) { c.URL = "https://h/?token=x" }, "url: a token does not belong into the address, where everybody on the way can read it"},
		{func(c *Config) { c.URL = "https://h/services/collector/raw" }, "url: its path is that of endpoint raw, but endpoint is event"},
		{func(c *Config) { c.URL, c.Endpoint = "https://h/services/collector/event/1.0", "raw" }, "url: its path is that of endpoint event, but endpoint is raw"},
		{func(c *Config) { c.Token = component.NewSecret("Splunk abc") }, "token: it holds what no token can, such as a space"},
		{func(c *Config) { c.Index = "{vendors}" }, "index: does not know {vendors}"},
		{func(c *Config) { c.Endpoint, c.SourceType = "raw", "{vendor}" }, "sourcetype: cannot say {vendor} with endpoint raw, where all events of a request have the same"},
		{func(c *Config) { c.URL, c.HTTP.TLS.CA = "http://127.0.0.1", "x" }, "warning tls: the address is not https://, so nothing is encrypted"},
		{func(c *Config) { c.AckTimeout = 1 }, "ack_timeout: it is too short for any indexer"},
		{func(c *Config) { c.AckWindow = 0 }, "ack_window: nothing could be sent"},
		{func(c *Config) { c.BatchEvents = 0 }, "batch_events: nothing could be sent"},
		{func(c *Config) { c.BatchSize = mostBody + 1 }, "batch_size: it is not between 1B and 800MiB, the most that Splunk takes"},
	} {
		conf := config("https://splunk.example.net:8088")
		c.change(&conf)
		var r component.Report
		conf.Check(&r)
		got := ""
		for _, f := range r.Findings {
			if f.Warning {
				got += "warning "
			}
			got += f.Path + ": " + f.Text
		}
		assert.Equal(t, c.want, got)
		_, err := New(&conf, component.Env{Meter: component.NoMeter{}})
		if strings.Contains(conf.URL, "${") {
			continue
		}
		if c.want == "" || strings.HasPrefix(c.want, "warning") {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, c.want)
		}
	}
}

// Replies are whatever a receiver sends.
func FuzzReply(f *testing.F) {
	f.Add(400, []byte(`{"text":"Invalid data format","code":6,"invalid-event-number":1}`))
	f.Add(200, []byte(`{"text":"Success","code":0,"ackId":7}`))
	f.Add(200, []byte(`{"acks":{"0":true,"18446744073709551615":false}}`))
	f.Add(503, []byte("<html>"))
	f.Add(200, []byte(`{"code":-1,"ackId":-1,"invalid-event-number":99999999999999999999}`))
	u, _ := web.ParseURL("https://h")
	c, _ := web.New(u, web.Defaults(), web.Options{Secrets: []string{"T0KEN-canary"}})
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := readReply(c, &web.Answer{Status: status, Body: body}, 10)
		if r.number < -1 || r.number >= 10 || strings.ContainsAny(r.words, "\r\n\x00") || len(r.words) > 500 {
			t.Errorf("%+v", r)
		}
		if r.verdict == taken && (status < 200 || status > 299) {
			t.Errorf("status %d is %v", status, r.verdict)
		}
		_, _ = readAcks(body)
	})
}
