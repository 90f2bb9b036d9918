package slack

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/forwarder/sink"
)

const (
	mostLines   = 20   // events that a digest names
	mostSection = 2900 // octets of one section; Slack takes 3000 characters
	mostLine    = 140  // octets of one event's line
)

// message is what is read of an event's payload: its headline.
type message struct {
	Text   string `json:"text"`
	Blocks []struct {
		Text struct {
			Text string `json:"text"`
		} `json:"text"`
	} `json:"blocks"`
}

func headline(payload []byte) string {
	var m message
	if json.Unmarshal(payload, &m) != nil || len(m.Blocks) == 0 {
		return ""
	}
	return m.Blocks[0].Text.Text
}

// levels are the words that a headline begins with, the worst first, and their colours.
var levels = [...]struct{ word, color string }{
	{"CRITICAL", "#b71c1c"}, {"HIGH", "#ff5722"}, {"MEDIUM", "#ffc107"}, {"LOW", "#4caf50"}, {"INFO", "#2196f3"}, {"UNKNOWN", "#9e9e9e"},
}

// plainText is a text in which Slack reads nothing.
type plainText struct {
	Type  string `json:"type"`
	Emoji bool   `json:"emoji"`
	Text  string `json:"text"`
}

func plain(text string) plainText { return plainText{"plain_text", false, text} }

// block is a header or a section.
type block struct {
	Type string    `json:"type"`
	Text plainText `json:"text"`
}

type attachment struct {
	Color  string  `json:"color"`
	Blocks []block `json:"blocks"`
}

type digestMessage struct {
	Text        string       `json:"text"`
	Mrkdwn      bool         `json:"mrkdwn"`
	Parse       string       `json:"parse"`
	LinkNames   bool         `json:"link_names"`
	UnfurlLinks bool         `json:"unfurl_links"`
	UnfurlMedia bool         `json:"unfurl_media"`
	Blocks      []block      `json:"blocks"`
	Attachments []attachment `json:"attachments"`
}

// digest is one message for many events: how many there are of each severity, and the
// headlines of the worst. Its "text", which Slack reads, has no word of an event.
func digest(items []sink.Item) []byte {
	counts := [len(levels)]int{}
	heads := [len(levels)][]string{}
	for i := range items {
		head := headline(items[i].Payload)
		at := len(levels) - 1
		for j, l := range levels {
			if strings.HasPrefix(head, l.word+" ") {
				at = j
				break
			}
		}
		if counts[at]++; head != "" && len(heads[at]) < mostLines {
			heads[at] = append(heads[at], head)
		}
	}
	var words []string
	color, lines := "", []string{}
	for i, l := range levels {
		if counts[i] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[i], strings.ToLower(l.word)))
			if color == "" {
				color = l.color
			}
		}
		for _, head := range heads[i] {
			if len(lines) < mostLines {
				lines = append(lines, "• "+oneLine(head))
			}
		}
	}
	title := fmt.Sprintf("%d events in one message: %s", len(items), strings.Join(words, ", "))
	if more := len(items) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	m := digestMessage{Text: title, Parse: "none", Blocks: []block{{"header", plain(title)}}}
	text := strings.Join(lines, "\n")
	for len(text) > mostSection { // what a line is cut to makes this impossible
		text = text[:strings.LastIndexByte(text, '\n')]
	}
	m.Attachments = []attachment{{color, []block{{"section", plain(text)}}}}
	out, _ := json.Marshal(&m) // of strings, bools and numbers: no error
	return out
}

// oneLine is text without control characters, at most mostLine octets of it.
func oneLine(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}, text)
	if len(text) <= mostLine {
		return text
	}
	n := mostLine - len("…")
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
