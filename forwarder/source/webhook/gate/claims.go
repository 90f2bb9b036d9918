package gate

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
)

// leeway is how far the clocks of an identity provider and of this host may be apart.
const leeway = time.Minute

// mostToken is the longest token that is looked at.
const mostToken = 8 << 10

// claims is what is said of a token, by itself (RFC 7519) or by the identity provider
// (RFC 7662).
type claims struct {
	active             *bool // said by the identity provider
	issuer             string
	audience           words
	expires, notBefore *seconds
	scopes             [2]spaced
	roles              words
	clients            [4]string // whom the token was issued to
}

// UnmarshalJSON implements json.Unmarshaler. Names count to the letter: some providers
// let users choose claims, and Roles is not roles.
func (c *claims) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, m := range []struct {
		name string
		into any
		must bool // be of the right type
	}{
		{"active", &c.active, true},
		{"iss", &c.issuer, true},
		{"aud", &c.audience, true},
		{"exp", &c.expires, true},
		{"nbf", &c.notBefore, true},
		{"scope", &c.scopes[0], false},
		{"scp", &c.scopes[1], false}, // of Entra ID and Okta
		{"roles", &c.roles, false},
		{"client_id", &c.clients[0], false},
		{"azp", &c.clients[1], false},
		{"appid", &c.clients[2], false}, // of Entra ID
		{"cid", &c.clients[3], false},   // of Okta
	} {
		text, ok := all[m.name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(text, m.into); err != nil && m.must {
			return err
		}
	}
	return nil
}

// words is a string or a list of them.
type words []string

// UnmarshalJSON implements json.Unmarshaler.
func (w *words) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(w))
	}
	var one *string
	if err := json.Unmarshal(b, &one); err != nil || one == nil {
		return err
	}
	*w = words{*one}
	return nil
}

// spaced is a list of strings, or one string with spaces between them.
type spaced []string

// UnmarshalJSON implements json.Unmarshaler.
func (s *spaced) UnmarshalJSON(b []byte) error {
	var w words
	if err := w.UnmarshalJSON(b); err != nil {
		return err
	}
	*s = nil
	for _, v := range w {
		*s = append(*s, strings.Fields(v)...)
	}
	return nil
}

// seconds is a NumericDate of RFC 7519 section 2.
type seconds struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (s *seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	// Ends that are further than any calendar, such as "never" as a number.
	whole := math.Trunc(min(max(f, -1e11), 1e11))
	s.Time = time.Unix(int64(whole), 0)
	return nil
}

// wanted is what a token has to say.
type wanted struct {
	issuer, audience       string // "": anything
	scopes, roles, clients []string
}

func newWanted(c *Config) wanted {
	return wanted{issuer: c.Issuer, audience: c.Audience, scopes: c.Scopes, roles: c.Roles, clients: c.Clients}
}

// judge holds claims against what is wanted.
func (w *wanted) judge(c *claims, now time.Time) Verdict {
	switch {
	case w.issuer != "" && c.issuer != w.issuer,
		w.audience != "" && !slices.Contains(c.audience, w.audience),
		c.notBefore != nil && now.Add(leeway).Before(c.notBefore.Time):
		return Wrong
	case c.expires != nil && !now.Add(-leeway).Before(c.expires.Time):
		return Outdated
	case len(w.clients) > 0 && !slices.ContainsFunc(c.clients[:], func(id string) bool { return id != "" && slices.Contains(w.clients, id) }):
		return Insufficient
	}
	for _, s := range w.scopes {
		if !slices.Contains(c.scopes[0], s) && !slices.Contains(c.scopes[1], s) {
			return Insufficient
		}
	}
	for _, r := range w.roles {
		if !slices.Contains(c.roles, r) {
			return Insufficient
		}
	}
	return Admitted
}
