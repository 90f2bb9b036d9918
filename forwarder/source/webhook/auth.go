package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/textproto"
	"strings"
)

// verdict is what a gate says of a request.
type verdict uint8

const (
	admitted  verdict = iota
	missing           // no credential
	malformed         // one that cannot be read
	wrong             // one that is not right
)

// gate looks at a request before its body is read.
type gate interface {
	admit(r *http.Request) verdict
	// challenge is the WWW-Authenticate that has to stand in a refusal; "" where the
	// vendor's, or Bearer, will do.
	challenge() string
}

func newGate(a *Auth) gate {
	switch a.Type {
	case "bearer":
		return bearer{digest(a.Token.Reveal())}
	case "basic":
		return basic{digest(a.Username), digest(a.Password.Reveal())}
	case "header":
		return header{textproto.CanonicalMIMEHeaderKey(a.Name), digest(a.Value.Reveal())}
	}
	return open{}
}

// secret is the hash of what a sender has to show. Comparing hashes takes the same time
// whatever is shown, its length included.
type secret [sha256.Size]byte

func digest(s string) secret { return sha256.Sum256([]byte(s)) }

func (s *secret) equals(shown string) bool {
	d := digest(shown)
	return subtle.ConstantTimeCompare(d[:], s[:]) == 1
}

// open asks nothing.
type open struct{}

func (open) admit(*http.Request) verdict { return admitted }

func (open) challenge() string { return "" }

// bearer wants a token: by itself, as Bearer (RFC 6750) or as Splunk senders write it.
type bearer struct{ token secret }

func (bearer) challenge() string { return "" }

func (g bearer) admit(r *http.Request) verdict {
	shown, v := single(r.Header, "Authorization")
	if v != admitted {
		return v
	}
	token, ok := credentials(shown, "bearer ")
	if !ok {
		token, ok = credentials(shown, "splunk ")
	}
	// Whoever configured the sender may have been asked for the whole header.
	switch {
	case g.token.equals(token), g.token.equals(shown):
		return admitted
	case !ok:
		return malformed
	}
	return wrong
}

// credentials is what follows a scheme, which is compared without regard to case.
func credentials(value, scheme string) (string, bool) {
	if len(value) < len(scheme) {
		return "", false
	}
	for i := range len(scheme) {
		c := value[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != scheme[i] {
			return "", false
		}
	}
	return strings.TrimLeft(value[len(scheme):], " "), true
}

// basic wants a user name and a password (RFC 7617).
type basic struct{ username, password secret }

func (basic) challenge() string { return `Basic realm="siemfwd", charset="UTF-8"` }

func (g basic) admit(r *http.Request) verdict {
	if _, v := single(r.Header, "Authorization"); v != admitted {
		return v
	}
	username, password, ok := r.BasicAuth()
	// Both are compared, whatever the first comparison says.
	u, p := g.username.equals(username), g.password.equals(password)
	switch {
	case !ok:
		return malformed
	case u && p:
		return admitted
	}
	return wrong
}

// header wants a header with one value.
type header struct {
	name  string
	value secret
}

func (header) challenge() string { return "" }

func (g header) admit(r *http.Request) verdict {
	shown, v := single(r.Header, g.name)
	if v == admitted && !g.value.equals(shown) {
		return wrong
	}
	return v
}

// single returns the value of a header that must be there once: of several, two
// programs may believe different ones.
func single(h http.Header, name string) (string, verdict) {
	switch v := h[name]; {
	case len(v) > 1:
		return "", wrong
	case len(v) == 0 || v[0] == "":
		return "", missing
	default:
		return v[0], admitted
	}
}
