package slack

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/sink/web"
)

// The words of Slack that say more than a status. What is in none of these lists is about
// the token, the channel or the app: nothing is wrong with the message, and somebody has
// to mend it.
var (
	later = []string{
		"ratelimited", "rate_limited", "message_limit_exceeded", "rollup_error", "internal_error", "fatal_error",
		"service_unavailable", "request_timeout", "team_added_to_org",
	}
	bad = []string{
		"invalid_payload", "no_text", "msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format",
		"invalid_attachments", "too_many_attachments", "too_many_contact_cards", "attachment_payload_limit_exceeded",
		"cannot_parse_attachment", "markdown_text_conflict", "invalid_json", "json_not_object", "invalid_charset", "invalid_form_data",
	}
	// shaped are those of bad that the same words without blocks may get around.
	shaped = []string{
		"invalid_payload", "msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format", "invalid_attachments",
		"too_many_attachments", "attachment_payload_limit_exceeded", "cannot_parse_attachment",
	}
)

// word is Slack's own word for what went wrong: of the Web API, which answers 200 to
// nearly everything, or of an incoming webhook, whose body is the word. "" without one;
// ok says that Slack took the message.
func word(a *web.Answer) (text string, ok bool) {
	body := bytes.TrimSpace(a.Body)
	var w struct {
		OK    *bool  `json:"ok"`
		Error string `json:"error"`
	}
	if len(body) > 0 && body[0] == '{' {
		switch err := json.Unmarshal(body, &w); {
		case err != nil, w.OK == nil:
			return w.Error, err == nil && w.Error == "" && !a.Cut
		}
		return w.Error, *w.OK
	}
	text = string(body[:min(len(body), 64)])
	if strings.ContainsFunc(text, func(c rune) bool { return c != '_' && (c < 'a' || c > 'z') }) {
		return "", false
	}
	return text, text == "ok" || text == ""
}

// judge says what an answer means for the message, as web.Client.Judge does, and whether
// the same words without blocks are worth another attempt.
func (s *Sink) judge(a *web.Answer) (plain bool, err error) {
	text, ok := word(a)
	class := web.ClassOf(a.Status)
	if class == web.Taken && ok {
		return false, nil
	}
	fail := s.client.Fail(errors.New(s.client.Words(a)))
	switch {
	case slices.Contains(bad, text):
		return slices.Contains(shaped, text), &sink.Rejected{Reason: fail, Answer: text}
	case slices.Contains(later, text), class == web.Taken, text != "" && text != "ok" && class == web.Bad:
		if d := web.RetryAfter(a); d > 0 {
			return false, &sink.Busy{For: d, Err: fail}
		}
		return false, fail
	}
	return false, s.client.Judge(a)
}
