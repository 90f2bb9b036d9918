package checkpoint

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// The hash is over the base64 of the texts, which for the first vector is
//
//	MTExMTExMTEtMjIyMi00MzMzLTg0NDQtNTU1NTU1NTU1NTU1VVM6c2llbXRlc3QyMDI1LTAzLTAzVDA5OjAwOjAwLjEyMzQ1NnMzY3IzdC1LZXk=
func TestSignature(t *testing.T) {
	for request, want := range map[string]string{
		"":                                      "103de695627177cc1192035a30c26138a04eb347998dcb98e5cccc4d6bd12bad",
		"/v1.0/event/query":                     "84a31e2a24e091a74eefc2324ba718a844caeae18b7f4186bdd5f2b8a116e75e",
		"/v1.0/event/query?scope=farm%3Atenant": "ea3bb449a3d28569b221367ca2338bcd0c9c79d064e25dd7ca29e127311ab48b",
	} {
		assert.Equal(t, want, signature("11111111-2222-4333-8444-555555555555", "US:siemtest", "2025-03-03T09:00:00.123456", request, "s3cr3t-Key"), request)
	}
}

// The vectors again, through what the poller calls.
func TestSignedRequests(t *testing.T) {
	api, err := poll.Open(&Config{BaseURL: "https://smart-api-production-1-us.avanan.net", ClientID: "US:siemtest", AccessKey: component.NewSecret("s3cr3t-Key")})
	require.NoError(t, err)
	call := kit.Call{
		ID: "11111111-2222-4333-8444-555555555555", Tokens: []string{"the token"},
		At: time.Date(2025, 3, 3, 11, 0, 0, 123456789, time.FixedZone("", 2*3600)),
	}
	login, err := api.Auth[0].Request(call)
	require.NoError(t, err)
	assert.Equal(t, "GET /v1.0/auth", login.Method+" "+login.Path)
	assert.Equal(t, "11111111-2222-4333-8444-555555555555", login.Header.Get("x-av-req-id"))
	assert.Equal(t, "US:siemtest", login.Header.Get("x-av-app-id"))
	assert.Equal(t, "2025-03-03T09:00:00.123456", login.Header.Get("x-av-date"), "UTC, without zone")
	assert.Equal(t, "103de695627177cc1192035a30c26138a04eb347998dcb98e5cccc4d6bd12bad", login.Header.Get("x-av-sig"))
	assert.NotContains(t, login.Header, "X-Av-Token")

	for path, want := range map[string]string{
		"/v1.0/event/query":                     "84a31e2a24e091a74eefc2324ba718a844caeae18b7f4186bdd5f2b8a116e75e",
		"/v1.0/event/query?scope=farm%3Atenant": "ea3bb449a3d28569b221367ca2338bcd0c9c79d064e25dd7ca29e127311ab48b",
	} {
		req, err := http.NewRequest(http.MethodPost, api.BaseURL+path, http.NoBody)
		require.NoError(t, err)
		api.Sign(req, []byte("the body is not signed"), call)
		assert.Equal(t, want, req.Header.Get("x-av-sig"))
		assert.Equal(t, "the token", req.Header.Get("x-av-token"))
		assert.Empty(t, req.Header.Get("Authorization"))
	}
}

func TestBearerLogin(t *testing.T) {
	m := newMock(t, 0)
	c := newClient(t, mockConfig(m, "bearer"))
	require.NoError(t, c.login())
	assert.Equal(t, []string{mockToken}, c.tokens)
	config := mockConfig(m, "bearer")
	config.AccessKey = component.NewSecret(`wrong "key"`)
	err := newClient(t, config).login()
	assert.IsType(t, &kit.Denied{}, err)
	assert.ErrorContains(t, err, "Authentication failed")
	assert.NotContains(t, err.Error(), "wrong")
}

func TestBearerAnswers(t *testing.T) {
	at := time.Date(2025, 3, 3, 9, 0, 0, 0, time.UTC)
	for body, want := range map[string]time.Duration{
		`{"success":true,"data":{"token":"T","csrf":"c","expires":"Mon, 03 Mar 2025 09:30:00 GMT","expiresIn":1800}}`: 29 * time.Minute,
		`{"success":true,"data":{"token":"T","expires":"Mon, 03 Mar 2025 10:00:00 GMT","expiresIn":"1800"}}`:          29 * time.Minute,
		`{"success":true,"data":{"token":"T","expires":"Mon, 03 Mar 2025 10:00:00 GMT"}}`:                             59 * time.Minute,
		`{"success":true,"data":{"token":"T","expires":"Mon, 03 Mar 2025 10:00:00 GMT","expiresIn":null}}`:            59 * time.Minute,
		`{"success":true,"data":{"access_token":"T"}}`:                                                                25 * time.Minute,
		`{"success":true,"data":{"token":"T","expires":"Mon, 03 Mar 2025 08:00:00 GMT","expiresIn":0}}`:               25 * time.Minute,
		`{"token":"T","expiresIn":3600}`:           59 * time.Minute,
		`{"access_token":"T","expiresIn":10}`:      5 * time.Second,
		`{"data":{},"token":"T","expiresIn":90.5}`: 45250 * time.Millisecond,
	} {
		token, life, err := readBearer(200, nil, []byte(body), at)
		require.NoError(t, err, body)
		assert.Equal(t, "T", token, body)
		assert.Equal(t, want, life, body)
	}
	for body, want := range map[string]string{
		`{"success":false,"message":"Invalid\nkey"}`: "denied: 200 OK: Invalid key",
		`{"success":true,"data":{}}`:                 "no token",
		`{"success":true,"data":{"token":"a b"}}`:    "no token",
		`{"success":true,"data":{"token":"a\r\nb"}}`: "no token",
		`<html>`: "no token",
		``:       "no token",
	} {
		_, _, err := readBearer(200, nil, []byte(body), at)
		assert.ErrorContains(t, err, want, body)
	}
	for status, want := range map[int]error{401: &kit.Denied{}, 403: &kit.Denied{}, 400: &kit.Bad{}} {
		_, _, err := readBearer(status, nil, []byte(`{"success":false,"message":"x"}`), at)
		assert.IsType(t, want, err)
	}
}

func TestHandshakeAnswers(t *testing.T) {
	for _, body := range []string{
		"T", "T\n", `"T"`, " 'T'\r\n", `{"token":"T"}`, `{"data":{"token":"T"}}`, `{"responseData":"T"}`, `{"responseData":{"token":"T"}}`,
		`{"responseEnvelope":{"responseCode":200},"responseData":{"token":"T"}}`,
	} {
		token, life, err := readHandshake(200, nil, []byte(body), time.Time{})
		require.NoError(t, err, body)
		assert.Equal(t, "T", token, body)
		assert.Equal(t, time.Hour, life)
	}
	for body, want := range map[string]string{
		"": "no token", `""`: "no token", `{}`: "no token", `{"token":null}`: "no token", "<html>a b</html>": "no token", `{"tok`: "no token",
		`{"responseEnvelope":{"responseCode":403,"responseText":"no"},"responseData":null}`: "denied: responseCode 403: no",
	} {
		_, _, err := readHandshake(200, nil, []byte(body), time.Time{})
		assert.ErrorContains(t, err, want, body)
	}
	_, _, err := readHandshake(401, nil, []byte("no"), time.Time{})
	assert.IsType(t, &kit.Denied{}, err)
}

func TestTokensAreNeverPartOfAnError(t *testing.T) {
	_, _, err := readBearer(200, nil, []byte(`{"success":true,"data":{"token":"se cret"}}`), time.Time{})
	require.Error(t, err)
	assert.False(t, strings.Contains(err.Error(), "cret"))
}
