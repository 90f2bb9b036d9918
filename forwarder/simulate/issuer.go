package simulate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Audience is whom the tokens of the simulated identity provider are for, unless a
// client asks for another.
const Audience = "siemfwd"

// identities is an identity provider: discovery (OpenID Connect), its keys, a token
// endpoint for client credentials, and introspection (RFC 7662).
type identities struct {
	key    *ecdsa.PrivateKey
	signer jose.Signer
}

func newIdentities() (*identities, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "simulated"))
	return &identities{key, signer}, err
}

func (*identities) kind(path string) string {
	if path == "/token" {
		return "login"
	}
	return "other"
}

func (v *identities) login(a *API, r *http.Request, body []byte) answer {
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Method != http.MethodPost {
		return text(http.StatusBadRequest, `{"error":"invalid_request"}`)
	}
	id, secret, ok := clientOf(r)
	if !ok {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	switch {
	case id == "" || secret != Secret:
		return text(http.StatusUnauthorized, `{"error":"invalid_client"}`)
	case form.Get("grant_type") != "client_credentials":
		return text(http.StatusBadRequest, `{"error":"unsupported_grant_type"}`)
	}
	now := a.now()
	a.issued++
	claims := object{"iss": a.URL, "sub": id, "client_id": id, "aud": Audience, "jti": fmt.Sprint(a.issued),
		"iat": now.Unix(), "exp": now.Add(a.o.TokenLife).Unix()}
	if aud := form.Get("audience"); aud != "" {
		claims["aud"] = aud
	}
	if scope := form.Get("scope"); scope != "" {
		claims["scope"] = scope
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return answer{status: http.StatusInternalServerError}
	}
	signed, err := v.signer.Sign(payload)
	if err != nil {
		return answer{status: http.StatusInternalServerError}
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return answer{status: http.StatusInternalServerError}
	}
	a.tokens[token] = time.Now().Add(a.o.TokenLife)
	return asJSON(http.StatusOK, object{"access_token": token, "token_type": "Bearer", "expires_in": int64(a.o.TokenLife / time.Second), "scope": form.Get("scope")})
}

// clientOf reads the client's credentials in Basic, which are form-encoded (RFC 6749
// section 2.3.1).
func clientOf(r *http.Request) (id, secret string, ok bool) {
	user, pass, ok := r.BasicAuth()
	if !ok {
		return "", "", false
	}
	id, err1 := url.QueryUnescape(user)
	secret, err2 := url.QueryUnescape(pass)
	return id, secret, err1 == nil && err2 == nil
}

func (*identities) allowed(_ *API, r *http.Request) bool {
	if r.URL.Path != "/introspect" {
		return true
	}
	_, secret, ok := clientOf(r)
	return ok && secret == Secret
}

func (*identities) denied() answer {
	return text(http.StatusUnauthorized, `{"error":"invalid_client"}`)
}

func (*identities) page(*API, *http.Request, []byte) answer { return answer{} }

func (*identities) failure() answer {
	return text(http.StatusOK, `{"error":"server_error"}`)
}

func (*identities) stale() {}

func (*identities) identity(*row) (id, version string) { return "", "" }

func (v *identities) other(a *API, r *http.Request, body []byte) answer {
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		return asJSON(http.StatusOK, object{"issuer": a.URL, "token_endpoint": a.URL + "/token", "jwks_uri": a.URL + "/keys", "introspection_endpoint": a.URL + "/introspect",
			"authorization_endpoint": a.URL + "/authorize", "response_types_supported": []string{"token"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"ES256"}, "grant_types_supported": []string{"client_credentials"}})
	case "/keys":
		return asJSON(http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: v.key.Public(), KeyID: "simulated", Algorithm: "ES256", Use: "sig"}}})
	case "/introspect":
		form, err := url.ParseQuery(string(body))
		token := form.Get("token")
		if err != nil || !a.good(token) {
			return text(http.StatusOK, `{"active":false}`)
		}
		return v.introspected(token)
	}
	return text(http.StatusNotFound, `{"error":"not_found"}`)
}

// introspected is what is known of a token that was issued here.
func (*identities) introspected(token string) answer {
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return text(http.StatusOK, `{"active":false}`)
	}
	claims := signed.UnsafePayloadWithoutVerification()
	return text(http.StatusOK, `{"active":true,`+strings.TrimPrefix(string(claims), "{"))
}
