package gate

import (
	"crypto/hmac"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/credential"
)

// signature wants a signature of the body.
type signature struct {
	*credential.Signing
	secrets   [][]byte // one, or two while it is changed
	tolerance time.Duration
	now       func() time.Time
}

var errSecret = errors.New("secret: cannot be decoded")

func (c *Config) scheme() *credential.Scheme {
	return &credential.Scheme{Name: c.Name, Prefix: c.Prefix, Encoding: c.Encoding, Timestamp: c.Timestamp, Signed: c.Signed}
}

func newSignature(c *Config, now func() time.Time) (*signature, error) {
	signing, err := c.scheme().Open()
	if err != nil {
		return nil, err
	}
	g := &signature{Signing: signing, tolerance: c.Tolerance, now: now}
	for _, s := range []string{c.Secret.Reveal(), c.FormerSecret.Reveal()} {
		if s == "" {
			continue
		}
		plain, ok := credential.DecodeSecret(s, c.SecretEncoding)
		if !ok {
			return nil, errSecret
		}
		g.secrets = append(g.secrets, plain)
	}
	if g.tolerance == 0 {
		g.tolerance = defaultTolerance
	}
	return g, nil
}

func (g *signature) admit(r *http.Request) Verdict {
	sums, at, v := g.read(r.Header)
	switch {
	case v != Admitted:
		return v
	case len(sums) == 0:
		return Malformed
	case g.Timestamp == "":
		return Admitted
	}
	if _, ok := readTime(at); !ok {
		return Malformed
	}
	return Admitted
}

// read reads the signatures and, where the scheme has one, the time.
func (g *signature) read(h http.Header) (sums [][]byte, at string, v Verdict) {
	shown, v := single(h, g.Name)
	if v != Admitted {
		return nil, "", v
	}
	sums, at = g.Read(shown)
	if g.Timestamp != "" && !g.Inside {
		at, v = single(h, g.Timestamp)
	}
	return sums, at, v
}

func (g *signature) admitBody(h http.Header, body []byte) Verdict {
	sums, at, v := g.read(h)
	for _, name := range g.Headers() {
		if _, one := single(h, name); one != Admitted && v == Admitted {
			v = one
		}
	}
	if v != Admitted {
		return v
	}
	good := false
	for _, s := range g.secrets {
		own := g.Sum(s, body, func(name string) string {
			if name == g.Timestamp {
				return at
			}
			return h.Get(name)
		})
		for _, sum := range sums {
			good = hmac.Equal(sum, own) || good
		}
	}
	if !good {
		return Wrong
	}
	if g.Timestamp != "" {
		t, ok := readTime(at)
		if !ok || g.now().Sub(t).Abs() > g.tolerance {
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
