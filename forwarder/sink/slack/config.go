package slack

import (
	"net/url"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// Config is what a slack sink is told: the address of an incoming webhook, or a token and
// a channel for the Web API.
type Config struct {
	URL       component.Secret `yaml:"url" doc:"address of an incoming webhook, https://hooks.slack.com/services/…, which is a credential"`
	Token     component.Secret `yaml:"token" doc:"in place of url: token of a bot (xoxb-…) with the scope chat:write, which is in the channel"`
	ChannelID string           `yaml:"channel_id" doc:"goes with token: id of the channel, such as C0123456789"`
	APIURL    string           `yaml:"api_url" doc:"goes with token: where messages are posted"`

	HTTP web.Config `yaml:",inline"`
}

func defaults() Config {
	return Config{APIURL: "https://slack.com/api/chat.postMessage", HTTP: web.Defaults()}
}

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	const hint = "https://hooks.slack.com/services/…"
	switch {
	case c.URL.IsZero() && c.Token.IsZero():
		r.Error("", "says neither url nor token", "url of an incoming webhook, or token and channel_id")
	case !c.URL.IsZero() && !c.Token.IsZero():
		r.Error("token", "there is a url too", "an incoming webhook has its channel and needs no token; remove one of the two")
	case !c.Token.IsZero():
		c.checkToken(r)
	case c.ChannelID != "":
		r.Error("channel_id", "an incoming webhook has its channel", "remove it, or write token in place of url")
	}
	if !c.URL.IsZero() {
		web.CheckURL(r, "url", c.URL.Reveal(), hint)
	}
	c.HTTP.CheckTLS(r, c.address())
}

func (c *Config) checkToken(r *component.Report) {
	web.CheckURL(r, "api_url", c.APIURL, defaults().APIURL)
	switch id := c.ChannelID; {
	case id == "":
		r.Error("channel_id", "is missing", "it stands at the end of the channel's details in Slack, such as C0123456789")
	case strings.HasPrefix(id, "#"):
		r.Error("channel_id", "it is the name of a channel", "the id stays when a channel is renamed: C0123456789, at the end of its details in Slack")
	case strings.ContainsAny(id, " \t\n"):
		r.Error("channel_id", "it holds a space", "such as C0123456789")
	}
	t := c.Token.Reveal()
	if strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r >= 0x7f }) && !strings.Contains(t, "${") {
		r.Error("token", "it holds what no token can, such as a space", "the token alone, without the word Bearer")
	}
}

func (c *Config) address() string {
	if c.URL.IsZero() {
		return c.APIURL
	}
	return c.URL.Reveal()
}

// secrets are the texts that no error may hold.
func (c *Config) secrets() []string {
	all := []string{c.Token.Reveal(), c.URL.Reveal()}
	if u, err := url.Parse(c.URL.Reveal()); err == nil && len(u.Path) > 1 {
		all = append(all, u.Path)
		all = append(all, u.RawQuery)
		if i := strings.LastIndexByte(u.Path, '/'); len(u.Path)-i > 8 {
			all = append(all, u.Path[i+1:])
		}
	}
	return all
}
