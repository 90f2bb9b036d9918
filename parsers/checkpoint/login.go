package checkpoint

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// How long tokens are good.
const (
	unknownLife = 25 * time.Minute // of a bearer token whose answer does not say
	signedLife  = time.Hour        // of a token of the Smart API, whose answers never say
)

// credentials sign requests.
type credentials struct{ id, key string }

// bearer is the login of Infinity Portal: one token for the two halves of an API key.
func (k credentials) bearer() kit.Step {
	return kit.Step{
		Request: func(kit.Call) (kit.Request, error) {
			body, err := json.Marshal(struct {
				ID  string `json:"clientId"`
				Key string `json:"accessKey"`
			}{k.id, k.key})
			return kit.Request{Method: http.MethodPost, Path: "/auth/external", Header: kit.JSONHeader(), Body: body}, err
		},
		Read: readBearer,
	}
}

// signBearer signs a data request with the token.
func (k credentials) signBearer(req *http.Request, _ []byte, c kit.Call) {
	req.Header.Set("x-av-req-id", c.ID)
	req.Header.Set("Authorization", "Bearer "+c.Tokens[0])
}

// readBearer finds the token, in data or beside it.
func readBearer(status int, _ http.Header, body []byte, at time.Time) (token string, life time.Duration, err error) {
	if err := kit.CheckStatus(status, body); err != nil {
		return "", 0, err
	}
	if ok, found := kit.Find(body, "success"); found && string(ok) == "false" {
		said, _ := kit.Find(body, "message")
		return "", 0, &kit.Denied{Reason: kit.StatusText(status, textOf(said))}
	}
	holder := body
	if data, ok := kit.Find(body, "data"); ok && kit.KindOf(data) == record.Map {
		holder = data
	}
	for _, in := range [...][]byte{holder, body} {
		for _, name := range [...]string{"token", "access_token"} {
			if value, ok := kit.Find(in, name); ok && token == "" {
				token, holder = string(textOf(value)), in
			}
		}
	}
	if !kit.Sendable(token) {
		return "", 0, errors.New("login: the answer has no token that could be sent")
	}
	return token, lifeOf(holder, at), nil
}

// lifeOf is how long a token is to be used.
func lifeOf(data []byte, at time.Time) time.Duration {
	var life time.Duration
	if value, ok := kit.Find(data, "expiresIn"); ok {
		life, _ = time.ParseDuration(string(textOf(value)) + "s")
	}
	if value, ok := kit.Find(data, "expires"); ok && life <= 0 {
		if end, err := http.ParseTime(string(textOf(value))); err == nil {
			life = end.Sub(at)
		}
	}
	if life <= 0 {
		return unknownLife
	}
	return kit.UsableLife(life)
}

// handshake is the login of the Smart API.
func (k credentials) handshake() kit.Step {
	return kit.Step{
		Request: func(c kit.Call) (kit.Request, error) {
			h := http.Header{"Accept": {"application/json"}}
			k.sign(h, c, "")
			return kit.Request{Method: http.MethodGet, Path: "/v1.0/auth", Header: h}, nil
		},
		Read: readHandshake,
	}
}

// readHandshake finds the token: the text of the answer, or in one of several wrappings.
func readHandshake(status int, _ http.Header, body []byte, _ time.Time) (token string, life time.Duration, err error) {
	if err := kit.CheckStatus(status, body); err != nil {
		return "", 0, err
	}
	token = strings.Trim(string(body), " \t\r\n\"'")
	if strings.HasPrefix(token, "{") {
		if a, err := readAnswer(body); err == nil {
			if err := a.failure(false); err != nil {
				return "", 0, err
			}
		}
		token = ""
		for _, path := range [...][]string{{"token"}, {"data", "token"}, {"responseData"}, {"responseData", "token"}} {
			if value, ok := kit.Find(body, path...); ok && token == "" {
				token = string(textOf(value))
			}
		}
	}
	if !kit.Sendable(token) {
		return "", 0, errors.New("login: the answer has no token that could be sent")
	}
	return token, signedLife, nil
}

// signRequest signs a data request of the Smart API.
func (k credentials) signRequest(req *http.Request, _ []byte, c kit.Call) {
	k.sign(req.Header, c, req.URL.RequestURI())
	req.Header.Set("x-av-token", c.Tokens[0])
}

// sign puts the headers of a signed request into h. request is the path as sent, with
// the query behind a "?"; of the handshake it is empty. The body is not signed.
func (k credentials) sign(h http.Header, c kit.Call, request string) {
	// Behind the time there is no zone: the API fails on one.
	date := c.At.UTC().Format("2006-01-02T15:04:05.000000")
	h.Set("x-av-req-id", c.ID)
	h.Set("x-av-app-id", k.id)
	h.Set("x-av-date", date)
	h.Set("x-av-sig", signature(c.ID, k.id, date, request, k.key))
}

// signature is the hash of the texts, which hold the secret: not an HMAC.
func signature(id, app, date, request, secret string) string {
	sum := sha256.Sum256([]byte(base64.StdEncoding.EncodeToString([]byte(id + app + date + request + secret))))
	return hex.EncodeToString(sum[:])
}
