package gate

import (
	"encoding/base64"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// open asks nothing.
type open struct{}

func (open) admit(*http.Request) Verdict { return Admitted }

// bearer wants a token: by itself, as Bearer (RFC 6750), or as Splunk senders write it,
// with their own word or as the password of any user.
type bearer struct {
	token secret
	query bool // it may stand in the URL
}

func newBearer(token string, query bool) bearer { return bearer{digest(token), query} }

// InQuery reports whether a URL holds ?token=….
func InQuery(u *url.URL) bool { return u.RawQuery != "" && u.Query().Has("token") }

func (g bearer) admit(r *http.Request) Verdict {
	if g.query && InQuery(r.URL) {
		switch shown := r.URL.Query()["token"]; {
		case len(shown) > 1:
			return Wrong
		case shown[0] == "":
			return Missing
		case !g.token.equals(shown[0]):
			return Wrong
		}
		return Admitted
	}
	shown, v := single(r.Header, "Authorization")
	if v != Admitted {
		return v
	}
	token, ok := credentials(shown, "bearer ")
	if !ok {
		token, ok = credentials(shown, "splunk ")
	}
	if !ok {
		_, token, ok = userpass(shown)
	}
	// Whoever configured the sender may have been asked for the whole header.
	t, s := g.token.equals(token), g.token.equals(shown)
	switch {
	case t || s:
		return Admitted
	case !ok:
		return Malformed
	}
	return Wrong
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

// userpass reads user name and password of Basic (RFC 7617), which the first colon
// parts. White space and padding around the base64 are taken as they come.
func userpass(value string) (username, password string, ok bool) {
	text, ok := credentials(value, "basic ")
	if !ok {
		return "", "", false
	}
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimRight(text, " "), "="))
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(plain), ":")
}

// basic wants a user name and a password.
type basic struct{ username, password secret }

func (g basic) admit(r *http.Request) Verdict {
	shown, v := single(r.Header, "Authorization")
	if v != Admitted {
		return v
	}
	username, password, ok := userpass(shown)
	// Both are compared, whatever the first comparison says.
	u, p := g.username.equals(username), g.password.equals(password)
	switch {
	case !ok:
		return Malformed
	case u && p:
		return Admitted
	}
	return Wrong
}

// header wants a header with one value. Of Authorization the scheme may be left out, or
// stand there without being asked for: products differ in whether they add one.
type header struct {
	name        string
	value, bare secret
}

func newHeader(name, value string) header {
	g := header{name: textproto.CanonicalMIMEHeaderKey(name), value: digest(value), bare: digest(value)}
	if g.name == "Authorization" {
		g.bare = digest(withoutScheme(value))
	}
	return g
}

func (g header) admit(r *http.Request) Verdict {
	shown, v := single(r.Header, g.name)
	if v != Admitted {
		return v
	}
	whole := g.value.equals(shown)
	if g.name == "Authorization" {
		bare := g.bare.equals(withoutScheme(shown))
		whole = whole || bare
	}
	if !whole {
		return Wrong
	}
	return Admitted
}

// schemes are the words that products put before a token.
var schemes = []string{"bearer ", "token ", "splunk ", "apikey ", "api-key ", "key ", "basic "}

// withoutScheme is a value of Authorization without the word before it.
func withoutScheme(value string) string {
	for _, s := range schemes {
		if rest, ok := credentials(value, s); ok && rest != "" {
			return rest
		}
	}
	return value
}
