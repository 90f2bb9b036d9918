// Package gate decides who may send to a webhook. It reads the credentials of requests
// and, where senders have to fetch a token first, hands those out.
package gate

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// Verdict is what a gate says of a request.
type Verdict uint8

// The verdicts. All but Admitted are refusals; of them only Malformed and Wrong count
// as a guess at a credential.
const (
	Admitted     Verdict = iota
	Missing              // no credential
	Malformed            // one that cannot be read
	Wrong                // one that is not right
	Outdated             // one that was right before
	Insufficient         // one that is right, but gives no right to send here
	Unavailable          // one that cannot be judged now
	Limited              // too many wrong ones came from there
)

// Reason says it for the log and the sender.
func (v Verdict) Reason() string {
	return [...]string{"", "credential is missing", "credential cannot be read", "credential is wrong", "credential has expired",
		"credential gives no right to send here", "credential cannot be checked now", "too many wrong credentials"}[v]
}

// Options are what a gate is made with besides its configuration.
type Options struct {
	Name  string       // of the source
	State string       // folder for the key of tokens, see component.Env
	Log   *slog.Logger // must be there
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Gate judges the requests of one webhook. It is safe for concurrent use.
type Gate struct {
	judge    judge
	headers  []named
	failures *failures
	realm    string
	scopes   string // that a token must have
	now      func() time.Time
}

// judge is one way of showing that one may send. admit looks at a request before its
// body is read.
type judge interface {
	admit(r *http.Request) Verdict
}

// bodyJudge is a judge that has to see the body, as it was sent, too.
type bodyJudge interface {
	judge
	admitBody(h http.Header, body []byte) Verdict
}

// opener is a judge that needs something of the disk.
type opener interface{ open() error }

// runner is a judge that does something besides.
type runner interface{ run(ctx context.Context) }

// named is a header that must be there.
type named struct {
	name  string
	value secret
}

// New makes a gate of a configuration that was checked. It does no I/O.
func New(c *Config, o Options) (*Gate, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Gate{failures: newFailures(), realm: realm(o.Name), scopes: strings.Join(c.Scopes, " "), now: o.Now}
	for name, value := range c.Headers {
		g.headers = append(g.headers, named{textproto.CanonicalMIMEHeaderKey(name), digest(value.Reveal())})
	}
	slices.SortFunc(g.headers, func(a, b named) int { return strings.Compare(a.name, b.name) })
	var err error
	g.judge, err = newJudge(c, o)
	return g, err
}

func newJudge(c *Config, o Options) (judge, error) {
	switch c.Type {
	case "bearer":
		return newBearer(c.Token.Reveal(), c.Query), nil
	case "basic":
		return basic{digest(c.Username), digest(c.Password.Reveal())}, nil
	case "header":
		return newHeader(c.Name, c.Value.Reveal()), nil
	case "oauth_client_credentials", "oauth_password":
		return newIssuer(c, o), nil
	case "jwt":
		return newJWT(c, o), nil
	case "introspection":
		return newIntrospection(c, o), nil
	case "hmac":
		return newSignature(c, o.Now)
	}
	return open{}, nil
}

// Open reads, or makes, what the gate keeps on disk. Call it before Admit, again and
// again if need be.
func (g *Gate) Open() error {
	if o, ok := g.judge.(opener); ok {
		return o.open()
	}
	return nil
}

// Run does what the gate has to do besides judging, such as fetching keys, until ctx
// ends.
func (g *Gate) Run(ctx context.Context) {
	if r, ok := g.judge.(runner); ok {
		r.run(ctx)
	}
	<-ctx.Done()
}

// Issuer hands out the tokens of this gate; nil when senders do not fetch theirs here.
func (g *Gate) Issuer() *Issuer {
	i, _ := g.judge.(*Issuer)
	return i
}

// Admit judges a request of a peer by its header.
func (g *Gate) Admit(r *http.Request, peer netip.Addr) Verdict {
	if g.failures.blocked(peer, g.now()) {
		return Limited
	}
	v := g.admitHeaders(r.Header)
	if v == Admitted {
		v = g.judge.admit(r)
	}
	if _, later := g.judge.(bodyJudge); later && v == Admitted {
		return v // AdmitBody has the last word
	}
	return g.note(v, peer)
}

// AdmitBody judges a request that Admit admitted by its body, as it was sent.
func (g *Gate) AdmitBody(h http.Header, body []byte, peer netip.Addr) Verdict {
	if j, ok := g.judge.(bodyJudge); ok {
		return g.note(j.admitBody(h, body), peer)
	}
	return Admitted
}

func (g *Gate) note(v Verdict, peer netip.Addr) Verdict {
	switch v {
	case Admitted:
		g.failures.good(peer, g.now())
	case Malformed, Wrong:
		g.failures.failed(peer, g.now())
	}
	return v
}

// admitHeaders looks at the headers that must be there whatever the type; all of them
// are compared.
func (g *Gate) admitHeaders(h http.Header) Verdict {
	worst := Admitted
	for i := range g.headers {
		shown, v := single(h, g.headers[i].name)
		if !g.headers[i].value.equals(shown) && v == Admitted {
			v = Wrong
		}
		worst = max(worst, v)
	}
	return worst
}

// Challenge is the WWW-Authenticate of a refusal (RFC 9110 section 11.6.1, RFC 6750
// section 3); "" where none belongs.
func (g *Gate) Challenge(v Verdict) string {
	switch v {
	case Missing, Malformed, Wrong, Outdated, Insufficient:
	default:
		return ""
	}
	switch g.judge.(type) {
	case basic:
		return `Basic realm="` + g.realm + `", charset="UTF-8"`
	case *signature:
		return `HMAC-SHA256 realm="` + g.realm + `"`
	case header:
		return `Bearer realm="` + g.realm + `"`
	}
	c := `Bearer realm="` + g.realm + `"`
	switch v {
	case Malformed, Wrong, Outdated:
		c += `, error="invalid_token"`
	case Insufficient:
		c += `, error="insufficient_scope"`
		if g.scopes != "" {
			c += `, scope="` + g.scopes + `"`
		}
	}
	return c
}

// realm is a name as it may stand between quotes.
func realm(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, name)
}

// secret is the hash of what a sender has to show. Comparing hashes takes the same time
// whatever is shown, its length included.
type secret [sha256.Size]byte

func digest(s string) secret { return sha256.Sum256([]byte(s)) }

func (s *secret) equals(shown string) bool {
	d := digest(shown)
	return subtle.ConstantTimeCompare(d[:], s[:]) == 1
}

// single returns the value of a header that must be there once: of several, two
// programs may believe different ones.
func single(h http.Header, name string) (string, Verdict) {
	switch v := h[name]; {
	case len(v) > 1:
		return "", Wrong
	case len(v) == 0 || v[0] == "":
		return "", Missing
	default:
		return v[0], Admitted
	}
}
