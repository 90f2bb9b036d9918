package gate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// signature wants a signature of the body (RFC 2104 with SHA-256).
type signature struct {
	name, prefix string
	base64       bool
	secrets      [][]byte // one, or two while it is changed
	signed       []piece
	timestamp    string // canonical name of the header; "": none
	tolerance    time.Duration
	now          func() time.Time
}

// piece is a part of what is signed.
type piece struct {
	text string // as it stands
	name string // of a header, or "body"; "": it is text
}

// mostSignatures is how many a header may hold: senders that change their secret sign
// with both.
const mostSignatures = 4

var errSecret = errors.New("secret: cannot be decoded")

func newSignature(c *Config, now func() time.Time) (*signature, error) {
	g := &signature{name: textproto.CanonicalMIMEHeaderKey(c.Name), prefix: c.Prefix, base64: c.Encoding == "base64", tolerance: c.Tolerance, now: now}
	for _, s := range []string{c.Secret.Reveal(), c.FormerSecret.Reveal()} {
		if s == "" {
			continue
		}
		plain, ok := decodeSecret(s, c.SecretEncoding)
		if !ok {
			return nil, errSecret
		}
		g.secrets = append(g.secrets, plain)
	}
	if g.tolerance == 0 {
		g.tolerance = defaultTolerance
	}
	text := c.Signed
	if c.Timestamp != "" {
		g.timestamp = textproto.CanonicalMIMEHeaderKey(c.Timestamp)
		if text == "" {
			text = "{" + c.Timestamp + "}.{body}"
		}
	}
	if text == "" {
		text = "{body}"
	}
	g.signed, _ = parseSigned(text)
	return g, nil
}

// decodeSecret undoes the encoding a secret is written in. Of base64, "whsec_" before
// it (Standard Webhooks) and either alphabet are taken.
func decodeSecret(text, encoding string) (plain []byte, ok bool) {
	var err error
	switch encoding {
	case "hex":
		plain, err = hex.DecodeString(text)
	case "base64":
		plain, err = decodeBase64(strings.TrimPrefix(text, "whsec_"))
	default:
		plain = []byte(text)
	}
	return plain, err == nil && len(plain) > 0
}

func decodeBase64(text string) ([]byte, error) {
	text = strings.TrimRight(text, "=")
	if strings.ContainsAny(text, "-_") {
		return base64.RawURLEncoding.DecodeString(text)
	}
	return base64.RawStdEncoding.DecodeString(text)
}

// parseSigned takes a text with {body} and {Header-Name} apart.
func parseSigned(text string) (parts []piece, ok bool) {
	for text != "" {
		before, rest, found := strings.Cut(text, "{")
		if strings.Contains(before, "}") {
			return nil, false
		}
		if before != "" {
			parts = append(parts, piece{text: before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || !token(name) {
			return nil, false
		}
		if name != "body" {
			name = textproto.CanonicalMIMEHeaderKey(name)
		}
		parts = append(parts, piece{name: name})
		text = after
	}
	return parts, true
}

// count is how often a header, or the body, is signed.
func count(parts []piece, name string) (n int) {
	if name != "body" {
		name = textproto.CanonicalMIMEHeaderKey(name)
	}
	for _, p := range parts {
		if p.name == name {
			n++
		}
	}
	return n
}

func (g *signature) admit(r *http.Request) Verdict {
	shown, v := single(r.Header, g.name)
	if v != Admitted {
		return v
	}
	if len(g.read(shown)) == 0 {
		return Malformed
	}
	if g.timestamp != "" {
		if shown, v = single(r.Header, g.timestamp); v != Admitted {
			return v
		}
		if _, ok := readTime(shown); !ok {
			return Malformed
		}
	}
	return Admitted
}

// read decodes the signatures of a header, which spaces part.
func (g *signature) read(shown string) (sums [][]byte) {
	for _, s := range strings.Fields(shown) {
		s, ok := strings.CutPrefix(s, g.prefix)
		if !ok {
			continue
		}
		var sum []byte
		var err error
		if g.base64 {
			sum, err = decodeBase64(s)
		} else {
			sum, err = hex.DecodeString(s)
		}
		if err == nil && len(sum) == sha256.Size && len(sums) < mostSignatures {
			sums = append(sums, sum)
		}
	}
	return sums
}

func (g *signature) admitBody(h http.Header, body []byte) Verdict {
	shown, _ := single(h, g.name)
	sums := g.read(shown)
	good := false
	for _, s := range g.secrets {
		mac := hmac.New(sha256.New, s)
		for _, p := range g.signed {
			switch p.name {
			case "":
				mac.Write([]byte(p.text))
			case "body":
				mac.Write(body)
			default:
				value, v := single(h, p.name)
				if v != Admitted {
					return v
				}
				mac.Write([]byte(value))
			}
		}
		own := mac.Sum(nil)
		for _, sum := range sums {
			good = hmac.Equal(sum, own) || good
		}
	}
	if !good {
		return Wrong
	}
	if g.timestamp != "" {
		shown, _ := single(h, g.timestamp)
		at, ok := readTime(shown)
		if !ok || g.now().Sub(at).Abs() > g.tolerance {
			return Outdated
		}
	}
	return Admitted
}

// readTime reads Unix time in seconds or milliseconds, or RFC 3339.
func readTime(text string) (time.Time, bool) {
	const year10000 = 253402300800
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		t, err := time.Parse(time.RFC3339Nano, text)
		return t, err == nil
	case n < 0:
		return time.Time{}, false
	case n < year10000:
		return time.Unix(n, 0), true
	}
	return time.UnixMilli(n), true
}
