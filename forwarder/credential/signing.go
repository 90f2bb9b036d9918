package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/netip"
	"net/textproto"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Scheme is how requests are signed with HMAC and SHA-256 (RFC 2104), as configurations
// say it on either side.
type Scheme struct {
	Name     string // of the header that holds the signature
	Prefix   string // before the signature, such as sha256=
	Encoding string // of the signature: hex, which "" is too, or base64
	// Timestamp is the name of the header with the time of the request, or, with = at
	// its end, of the member of the signature's own header that is the time: t= as
	// Stripe writes it, "t=1492774577,v1=5257…". "": there is no time.
	Timestamp string
	// Signed is what is signed, {body} and {NAME} standing for the body and a header, or
	// for the Timestamp. "": {body}, or {TIMESTAMP}.{body} with Timestamp.
	Signed string
}

// Signing is a Scheme that was understood. It is safe for concurrent use.
type Signing struct {
	Name      string // of the header, as http.Header has it
	Timestamp string // likewise; "": none
	Inside    bool   // the time stands in the signature's own header

	prefix string
	base64 bool
	signed []piece
}

// piece is a part of what is signed.
type piece struct {
	text string // as it stands
	name string // of a header, "body" or the Timestamp; "": it is text
}

// mostSignatures is how many a header may hold: senders that change their secret sign
// with both.
const mostSignatures = 4

// mostMembers is how many parts of a header are looked at.
const mostMembers = 32

var errSigned = errors.New("signed: cannot be read")

// Open understands a scheme.
func (s *Scheme) Open() (*Signing, error) {
	g := &Signing{Name: textproto.CanonicalMIMEHeaderKey(s.Name), prefix: s.Prefix, base64: s.Encoding == "base64"}
	text := s.Signed
	if s.Timestamp != "" {
		g.Timestamp = canonical(s.Timestamp)
		g.Inside = strings.HasSuffix(s.Timestamp, "=")
		if text == "" {
			text = "{" + s.Timestamp + "}.{body}"
		}
	}
	if text == "" {
		text = "{body}"
	}
	var ok bool
	if g.signed, ok = parse(text, s.Timestamp); !ok {
		return nil, errSigned
	}
	return g, nil
}

// canonical is a name as http.Header has it; the name of a member stays as it is.
func canonical(name string) string {
	if name == "body" || strings.HasSuffix(name, "=") {
		return name
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// parse takes a text with {body} and {NAME} apart.
func parse(text, timestamp string) (parts []piece, ok bool) {
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
		if !closed || !IsHeaderName(name) && (name != timestamp || name == "") {
			return nil, false
		}
		parts = append(parts, piece{name: canonical(name)})
		text = after
	}
	return parts, true
}

// Check reports what is wrong about a scheme, under the keys that both sides have.
func (s *Scheme) Check(r *component.Report) {
	unknown := func(text string) bool { return strings.Contains(text, "${") }
	member := strings.TrimSuffix(s.Timestamp, "=")
	if s.Name != "" && !unknown(s.Name) && !IsHeaderName(s.Name) {
		r.Error("name", "is not the name of a header", "such as X-Signature")
	}
	if s.Timestamp != "" && !unknown(s.Timestamp) && !IsHeaderName(member) {
		r.Error("timestamp", "is not the name of a header", "such as X-Timestamp; or t= where the time stands in the signature's own header")
		return
	}
	if s.Signed == "" || unknown(s.Signed) || unknown(s.Timestamp) {
		return
	}
	parts, ok := parse(s.Signed, s.Timestamp)
	count := func(name string) (n int) {
		for _, p := range parts {
			if p.name == canonical(name) {
				n++
			}
		}
		return n
	}
	switch {
	case !ok:
		r.Error("signed", "cannot be read", "such as {body} or v0:{X-Request-Timestamp}:{body}")
	case count("body") != 1:
		r.Error("signed", "does not hold {body} once", "")
	case s.Timestamp != "" && count(s.Timestamp) == 0:
		r.Error("signed", "does not hold {"+s.Timestamp+"}", "a time that is not signed can be changed on its way")
	}
}

// Headers are the names of the headers that are signed.
func (g *Signing) Headers() (names []string) {
	for _, p := range g.signed {
		if p.name != "" && p.name != "body" && p.name != g.Timestamp {
			names = append(names, p.name)
		}
	}
	if g.Timestamp != "" && !g.Inside {
		names = append(names, g.Timestamp)
	}
	return names
}

// Sum is the signature. value returns what stands for a name of Headers, or for the
// Timestamp.
func (g *Signing) Sum(secret, body []byte, value func(name string) string) []byte {
	mac := hmac.New(sha256.New, secret)
	for _, p := range g.signed {
		switch p.name {
		case "":
			mac.Write([]byte(p.text))
		case "body":
			mac.Write(body)
		default:
			mac.Write([]byte(value(p.name)))
		}
	}
	return mac.Sum(nil)
}

// Write is the header of a signature. at is the time, for a scheme that has it Inside.
func (g *Signing) Write(sum []byte, at string) string {
	text := g.prefix
	if g.base64 {
		text += base64.StdEncoding.EncodeToString(sum)
	} else {
		text += hex.EncodeToString(sum)
	}
	if g.Inside {
		return g.Timestamp + at + "," + text
	}
	return text
}

// Read reads the signatures of a header, which spaces or commas part, and the time that
// stands beside them; "" when there is none, or more than one.
func (g *Signing) Read(shown string) (sums [][]byte, at string) {
	times := 0
	members := 0
	for field := range strings.FieldsSeq(shown) {
		// A prefix may hold a comma itself.
		for field != "" && members < mostMembers {
			members++
			member, is := strings.CutPrefix(field, g.prefix)
			if !is {
				member = field
			}
			member, field, _ = strings.Cut(member, ",")
			if t, ok := strings.CutPrefix(member, g.Timestamp); ok && g.Inside {
				at = t
				times++
				continue
			}
			if sum, ok := g.decode(member); is && ok && len(sums) < mostSignatures {
				sums = append(sums, sum)
			}
		}
	}
	if times != 1 {
		at = ""
	}
	return sums, at
}

func (g *Signing) decode(text string) (sum []byte, ok bool) {
	var err error
	if g.base64 {
		sum, err = decodeBase64(text)
	} else {
		sum, err = hex.DecodeString(text)
	}
	return sum, err == nil && len(sum) == sha256.Size
}

// DecodeSecret undoes the encoding (text, hex or base64) a secret is written in. Of
// base64, "whsec_" before it (Standard Webhooks) and either alphabet are taken.
func DecodeSecret(text, encoding string) (plain []byte, ok bool) {
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

// IsHeaderName reports whether a text is a token of RFC 9110 section 5.6.2, as which
// headers are named.
func IsHeaderName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// IsLoopback reports whether a host is this machine.
func IsLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback() || host == "localhost"
}
