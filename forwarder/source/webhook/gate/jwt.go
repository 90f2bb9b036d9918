package gate

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are the signatures that are believed: none that is made with a shared
// secret, so that nobody can sign with what is public.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

// jwt wants a token that the issuer has signed (RFC 7519, RFC 9068).
type jwt struct {
	wanted   wanted
	keys     *keyring
	provider *provider
	ca       string
	now      func() time.Time
}

func newJWT(c *Config, o Options) *jwt {
	p := newProvider()
	return &jwt{wanted: newWanted(c), keys: newKeyring(c, p, o.Log), provider: p, ca: c.CA, now: o.Now}
}

func (g *jwt) open() error { return g.provider.open(g.ca) }

func (g *jwt) run(ctx context.Context) {
	defer g.provider.close()
	g.keys.run(ctx)
}

func (g *jwt) admit(r *http.Request) Verdict {
	token, v := bearerToken(r)
	if v != Admitted {
		return v
	}
	if len(token) > mostToken {
		return Wrong
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return Wrong
	}
	h := &signed.Signatures[0].Protected
	if !isAccessToken(h.ExtraHeaders[jose.HeaderType]) {
		return Wrong
	}
	key, v := g.keys.find(r.Context(), h.KeyID, jose.SignatureAlgorithm(h.Algorithm))
	if v != Admitted {
		return v
	}
	payload, err := signed.Verify(key)
	if err != nil {
		return Wrong
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil || c.expires == nil {
		return Wrong
	}
	return g.wanted.judge(&c, g.now())
}

// isAccessToken reports whether a token's type, if it names one, is that of tokens for
// sending: not of those that say that somebody has logged out, for instance.
func isAccessToken(typ any) bool {
	if typ == nil {
		return true
	}
	s, ok := typ.(string)
	s = strings.TrimPrefix(strings.ToLower(s), "application/")
	return ok && (s == "jwt" || s == "at+jwt")
}
