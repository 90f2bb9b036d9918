package skyhigh

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/siemfwd/siemfwd/parsers/kit"
)

// The ways to log in.
const (
	authBasic = "basic"
	authIAM   = "iam"
	authToken = "token"
)

// login returns the steps of the configured way to log in, and what signs a request.
func (c *Config) login() ([]kit.Step, func(*http.Request, []byte, kit.Call)) {
	switch c.AuthMode {
	case authIAM:
		return []kit.Step{
			{Request: c.askIAM, Read: readToken},
			{Request: c.askWithIAM, Read: readToken},
		}, c.signToken
	case authToken:
		return []kit.Step{{Request: c.askPassword, Read: readToken}}, c.signToken
	}
	return nil, func(req *http.Request, _ []byte, _ kit.Call) {
		req.Header.Set("Authorization", c.basic())
		c.tenant(req.Header)
	}
}

func (c *Config) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password.Reveal()))
}

// tenant names the tenant of a user who has several.
func (c *Config) tenant(h http.Header) {
	if c.TenantID != "" {
		h.Set("bps-tenant-id", c.TenantID)
	}
}

// signToken puts the last step's token where the API looks for it.
func (c *Config) signToken(req *http.Request, _ []byte, call kit.Call) {
	token := call.Tokens[len(call.Tokens)-1]
	if http.CanonicalHeaderKey(c.TokenHeader) == "Authorization" {
		token = "Bearer " + token
	}
	req.Header.Set(c.TokenHeader, token)
	c.tenant(req.Header)
}

// askIAM asks for the token that stands for user and password.
func (c *Config) askIAM(kit.Call) (kit.Request, error) {
	h := kit.JSONHeader()
	h.Set("Authorization", c.basic())
	c.tenant(h)
	return kit.Request{Method: http.MethodPost, Path: operations + "token", Query: url.Values{"grant_type": {"password"}, "token_type": {"iam"}},
		Header: h, Body: []byte("{}")}, nil
}

// askWithIAM exchanges it for the token of the API.
func (c *Config) askWithIAM(call kit.Call) (kit.Request, error) {
	h := kit.JSONHeader()
	h.Set("x-iam-token", call.Tokens[0])
	c.tenant(h)
	return kit.Request{Method: http.MethodPost, Path: authService, Query: url.Values{"grant_type": {"iam_token"}, "skip_audit": {"true"}},
		Header: h, Body: []byte("{}")}, nil
}

// askPassword asks for the token of the API with user and password.
func (c *Config) askPassword(kit.Call) (kit.Request, error) {
	h := kit.JSONHeader()
	h.Set("x-auth-username", c.Username)
	h.Set("x-auth-password", c.Password.Reveal())
	c.tenant(h)
	return kit.Request{Method: http.MethodPost, Path: authService, Query: url.Values{"grant_type": {"password"}}, Header: h, Body: []byte("{}")}, nil
}

const authService = "/neo/neo-auth-service/oauth/token"

// readToken finds access_token, and in expires_in how long it is good.
func readToken(status int, _ http.Header, body []byte, _ time.Time) (token string, life time.Duration, err error) {
	if status == http.StatusBadRequest {
		status = http.StatusUnauthorized // invalid_grant
	}
	if err := kit.CheckStatus(status, body); err != nil {
		return "", 0, err
	}
	value, _ := kit.Find(body, "access_token")
	if token = string(kit.AppendUnquoted(nil, value)); !kit.Sendable(token) {
		return "", 0, errors.New("login: the answer has no access_token that could be sent")
	}
	if value, ok := kit.Find(body, "expires_in"); ok {
		if n, err := strconv.ParseFloat(string(kit.AppendUnquoted(nil, value)), 64); err == nil && n > 0 {
			life = kit.UsableLife(time.Duration(min(n, 1e6) * float64(time.Second)))
		}
	}
	return token, life, nil
}
