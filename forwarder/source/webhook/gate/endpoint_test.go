package gate

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var passwordConfig = Config{Type: "oauth_password", ClientID: "epm", ClientSecret: secretOf("s3cret"), Username: "bob", Password: secretOf("p+ss w%rd")}

// place is an endpoint with issuers.
type station struct {
	t testing.TB
	*Endpoint
	now *clock
}

func newStation(t testing.TB, configs ...Config) *station {
	s := &station{t: t, Endpoint: NewEndpoint(), now: newClock()}
	s.Endpoint.now = s.now.now
	for _, c := range configs {
		require.Empty(t, s.Add(opened(t, c, Options{Name: "source of " + c.ClientID, Now: s.now.now}).Issuer()))
	}
	return s
}

// answer is what a client gets.
type answer struct {
	status int
	header http.Header
	grant
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Outcome
}

func (s *station) ask(body string, headers ...string) answer {
	return s.from(peer, body, headers...)
}

func (s *station) from(p netip.Addr, body string, headers ...string) answer {
	r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.serve1(r, p, true)
}

func (s *station) serve1(r *http.Request, p netip.Addr, secure bool) (a answer) {
	w := httptest.NewRecorder()
	outcome := s.Serve(w, r, p, secure)
	require.NoError(s.t, json.Unmarshal(w.Body.Bytes(), &a), w.Body.String())
	a.status, a.header, a.Outcome = w.Code, w.Header(), outcome
	assert.Equal(s.t, w.Code, outcome.Status)
	assert.Equal(s.t, "no-store", a.header.Get("Cache-Control"))
	assert.Equal(s.t, "no-cache", a.header.Get("Pragma"))
	assert.Equal(s.t, "application/json", a.header.Get("Content-Type"))
	return a
}

func userPass(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func TestClientCredentials(t *testing.T) {
	odd := Config{Type: "oauth_client_credentials", ClientID: "a b", ClientSecret: secretOf("x:y+z%41"), TokenLife: 2 * time.Hour}
	s := newStation(t, oauthConfig, passwordConfigOf("user"), odd)
	const grant = "grant_type=client_credentials"
	basic := userPass("epm", "s3cret")
	for name, c := range map[string]struct {
		body    string
		headers []string
		status  int
		err     string
	}{
		"in the header":            {grant, []string{"Authorization", basic}, 200, ""},
		"in the body":              {grant + "&client_id=epm&client_secret=s3cret", nil, 200, ""},
		"in both":                  {grant + "&client_id=epm&client_secret=s3cret", []string{"Authorization", basic}, 200, ""},
		"id in both":               {grant + "&client_id=epm", []string{"Authorization", basic}, 200, ""},
		"scope":                    {grant + "&scope=a+b", []string{"Authorization", basic}, 200, ""},
		"unknown parameters":       {grant + "&resource=x&resource=y&audience=", []string{"Authorization", basic}, 200, ""},
		"encoded":                  {grant, []string{"Authorization", userPass(url.QueryEscape("a b"), url.QueryEscape("x:y+z%41"))}, 200, ""},
		"not encoded":              {grant, []string{"Authorization", userPass("a b", "x:y+z%41")}, 200, ""},
		"JSON":                     {`{"grant_type":"client_credentials","client_id":"epm","client_secret":"s3cret","extra":{"a":[]},"scope":null}`, []string{"Content-Type", "application/json; charset=utf-8"}, 200, ""},
		"JSON called a text":       {` {"grant_type":"client_credentials","client_id":"epm","client_secret":"s3cret"}`, []string{"Content-Type", "text/plain"}, 200, ""},
		"form without a type":      {grant, []string{"Content-Type", "", "Authorization", basic}, 200, ""},
		"no client":                {grant, nil, 401, "invalid_client"},
		"no secret":                {grant + "&client_id=epm", nil, 401, "invalid_client"},
		"empty secret":             {grant + "&client_id=epm&client_secret=", nil, 401, "invalid_client"},
		"wrong secret":             {grant + "&client_id=epm&client_secret=s3cre", nil, 401, "invalid_client"},
		"wrong client":             {grant + "&client_id=emp&client_secret=s3cret", nil, 401, "invalid_client"},
		"another's secret":         {grant + "&client_id=user&client_secret=x", nil, 401, "invalid_client"},
		"oversized secret":         {grant + "&client_id=epm&client_secret=" + strings.Repeat("s", 15<<10), nil, 401, "invalid_client"},
		"ids differ":               {grant + "&client_id=x", []string{"Authorization", basic}, 401, "invalid_client"},
		"secrets differ":           {grant + "&client_id=epm&client_secret=x", []string{"Authorization", basic}, 401, "invalid_client"},
		"no Basic":                 {grant, []string{"Authorization", "Bearer x"}, 401, "invalid_client"},
		"Basic cut":                {grant, []string{"Authorization", basic[:11]}, 401, "invalid_client"},
		"no grant":                 {"client_id=epm&client_secret=s3cret", nil, 400, "invalid_request"},
		"empty grant":              {"grant_type=&client_id=epm&client_secret=s3cret", nil, 400, "invalid_request"},
		"twice":                    {grant + "&" + grant + "&client_id=epm&client_secret=s3cret", nil, 400, "invalid_request"},
		"no form":                  {"%zz", []string{"Authorization", basic}, 400, "invalid_request"},
		"no JSON":                  {`{"grant_type":`, []string{"Content-Type", "application/json"}, 400, "invalid_request"},
		"JSON list":                {`["client_credentials"]`, []string{"Content-Type", "application/json"}, 400, "invalid_request"},
		"JSON twice":               {`{"grant_type":"a","grant_type":"b"}`, []string{"Content-Type", "application/json"}, 400, "invalid_request"},
		"JSON nested":              {`{"grant_type":{"a":1}}`, []string{"Content-Type", "application/json"}, 400, "invalid_request"},
		"JSON and more":            {`{"grant_type":"a"} x`, []string{"Content-Type", "application/json"}, 400, "invalid_request"},
		"packed":                   {grant, []string{"Authorization", basic, "Content-Encoding", "gzip"}, 415, "invalid_request"},
		"too long":                 {grant + "&x=" + strings.Repeat("x", 16<<10), []string{"Authorization", basic}, 413, "invalid_request"},
		"password":                 {"grant_type=password&username=bob&password=x", []string{"Authorization", basic}, 400, "unsupported_grant_type"},
		"refresh":                  {"grant_type=refresh_token&refresh_token=x", []string{"Authorization", basic}, 400, "unsupported_grant_type"},
		"code":                     {"grant_type=authorization_code&code=x", []string{"Authorization", basic}, 400, "unsupported_grant_type"},
		"scope with quotes":        {grant + "&scope=%22", []string{"Authorization", basic}, 400, "invalid_scope"},
		"scope of control":         {grant + "&scope=a%0Ab", []string{"Authorization", basic}, 400, "invalid_scope"},
		"of a client by passwords": {grant + "&client_id=user&client_secret=s3cret", nil, 400, "unsupported_grant_type"},
	} {
		t.Run(name, func(t *testing.T) {
			s.now.pass(10 * time.Minute) // nobody guesses here
			a := s.ask(c.body, c.headers...)
			assert.Equal(t, c.status, a.status)
			assert.Equal(t, c.err, a.Error)
			assert.Equal(t, c.status == 401, a.header.Get("WWW-Authenticate") != "")
			if c.status != 200 {
				assert.NotEmpty(t, a.Reason)
				assert.NotContains(t, a.Description, "s3cret")
				assert.Empty(t, a.AccessToken)
				return
			}
			assert.Empty(t, a.Reason)
			assert.Equal(t, "Bearer", a.TokenType)
			assert.Empty(t, a.RefreshToken)
			assert.Contains(t, a.Source, "source of ")
			life := int64(3600)
			if strings.Contains(name, "ncoded") {
				life = 7200
			}
			assert.Equal(t, life, a.ExpiresIn)
			assert.Equal(t, strings.Contains(c.body, "scope=a"), a.Scope == "a b")
			by := s.issuer("epm")
			if life == 7200 {
				by = s.issuer("a b")
			}
			assert.Equal(t, Admitted, by.check(a.AccessToken, accessToken))
			s.now.pass(time.Duration(life) * time.Second)
			assert.Equal(t, Outdated, by.check(a.AccessToken, accessToken))
		})
	}
}

func passwordConfigOf(client string) Config {
	c := passwordConfig
	c.ClientID = client
	return c
}

func TestPasswords(t *testing.T) {
	s := newStation(t, passwordConfig)
	basic := userPass("epm", "s3cret")
	form := func(pairs ...string) string {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	good := s.ask(form("grant_type", "password", "username", "bob", "password", "p+ss w%rd", "client_id", "epm", "client_secret", "s3cret"))
	require.Equal(t, 200, good.status, good.Description)
	require.NotEmpty(t, good.RefreshToken)
	for _, c := range []struct {
		status int
		err    string
		pairs  []string
	}{
		{200, "", []string{"grant_type", "password", "username", "bob", "password", "p+ss w%rd"}},
		{200, "", []string{"grant_type", "refresh_token", "refresh_token", good.RefreshToken}},
		{400, "invalid_grant", []string{"grant_type", "password", "username", "bob", "password", "p+ss"}},
		{400, "invalid_grant", []string{"grant_type", "password", "username", "alice", "password", "p+ss w%rd"}},
		{400, "invalid_grant", []string{"grant_type", "password", "username", "bob", "password", strings.Repeat("p", 10000)}},
		{400, "invalid_request", []string{"grant_type", "password", "username", "bob"}},
		{400, "invalid_request", []string{"grant_type", "password", "password", "x"}},
		{400, "invalid_request", []string{"grant_type", "refresh_token"}},
		{400, "invalid_grant", []string{"grant_type", "refresh_token", "refresh_token", good.AccessToken}},
		{400, "invalid_grant", []string{"grant_type", "refresh_token", "refresh_token", good.RefreshToken[1:]}},
		{400, "unsupported_grant_type", []string{"grant_type", "client_credentials"}},
	} {
		a := s.ask(form(c.pairs...), "Authorization", basic)
		assert.Equal(t, c.status, a.status, c.pairs)
		assert.Equal(t, c.err, a.Error, c.pairs)
	}
	assert.Equal(t, "invalid_client", s.ask(form("grant_type", "password", "username", "bob", "password", "p+ss w%rd"), "Authorization", userPass("epm", "x")).Error, "the client is looked at first")

	s.now.pass(refreshLife - time.Second)
	again := s.ask(form("grant_type", "refresh_token", "refresh_token", good.RefreshToken), "Authorization", basic)
	require.Equal(t, 200, again.status)
	s.now.pass(time.Minute)
	assert.Equal(t, "invalid_grant", s.ask(form("grant_type", "refresh_token", "refresh_token", good.RefreshToken), "Authorization", basic).Error)
	assert.Equal(t, 200, s.ask(form("grant_type", "refresh_token", "refresh_token", again.RefreshToken), "Authorization", basic).status)
}

func TestEndpointIsClosed(t *testing.T) {
	s := newStation(t, oauthConfig)
	body := "grant_type=client_credentials&client_id=epm&client_secret=s3cret"
	for _, method := range []string{"GET", "HEAD", "PUT"} {
		r := httptest.NewRequest(method, "/oauth/token?"+body, nil)
		a := s.serve1(r, peer, true)
		assert.Equal(t, 405, a.status)
		assert.Equal(t, "POST", a.header.Get("Allow"))
	}
	r := httptest.NewRequest(http.MethodPost, "/oauth/token?"+body, nil)
	assert.Equal(t, "invalid_client", s.serve1(r, peer, true).Error, "an address stands in logs: nothing of it counts")
	r = httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(body))
	a := s.serve1(r, peer, false)
	assert.Equal(t, 400, a.status)
	assert.Contains(t, a.Description, "TLS")
}

// Wrong secrets are borne for a while only, by place and by client; a sender that was
// right before is not shut out by those who guess at its client.
func TestGuessingAtClients(t *testing.T) {
	s := newStation(t, oauthConfig, passwordConfigOf("user"))
	from := func(n byte, id, secret string) answer {
		return s.from(netip.AddrFrom4([4]byte{198, 51, 100, n}), "grant_type=client_credentials&client_id="+id+"&client_secret="+secret)
	}
	require.Equal(t, 200, from(1, "epm", "s3cret").status)
	for range strangersPerMinute {
		require.Equal(t, 401, from(2, "epm", "x").status)
	}
	a := from(2, "epm", "s3cret")
	assert.Equal(t, 429, a.status)
	assert.Equal(t, "6", a.header.Get("Retry-After"))
	assert.Equal(t, 429, from(3, "epm", "s3cret").status, "strangers share what they may guess at a client")
	assert.Equal(t, 200, from(1, "epm", "s3cret").status)
	assert.NotEqual(t, 429, from(2, "user", "s3cret").status, "another client is another client")
	s.now.pass(RetryAfter)
	assert.Equal(t, 200, from(3, "epm", "s3cret").status)

	for i := range 2 * strangersPerMinute {
		want := 401
		if i >= strangersPerMinute {
			want = 429
		}
		require.Equal(t, want, from(4, "nobody", "x").status)
	}
	assert.Equal(t, 200, from(1, "epm", "s3cret").status)

	p := newStation(t, passwordConfig)
	for range strangersPerMinute {
		require.Equal(t, "invalid_grant", p.ask("grant_type=password&username=bob&password=x", "Authorization", userPass("epm", "s3cret")).Error)
	}
	assert.Equal(t, 429, p.ask("grant_type=password&username=bob&password=x", "Authorization", userPass("epm", "s3cret")).status)
}

func TestClientsAreToldApart(t *testing.T) {
	s := newStation(t, oauthConfig)
	other := opened(t, oauthConfig, Options{Name: "other"}).Issuer()
	assert.Equal(t, "source of epm", s.Add(other))
	assert.False(t, s.Remove(other))
	mine := s.issuer("epm")
	assert.Empty(t, s.Add(mine), "again")
	assert.True(t, s.Remove(mine))
	assert.Empty(t, s.Add(other))
	assert.Equal(t, "epm", other.ClientID())
}

// Every answer is one of RFC 6749's, and there is no token without the secret.
func FuzzTokenRequest(f *testing.F) {
	f.Add("grant_type=client_credentials&client_id=epm&client_secret=s3cret", "application/x-www-form-urlencoded", "")
	f.Add(`{"grant_type":"client_credentials","client_id":"epm","client_secret":1}`, "application/json", "")
	f.Add("grant_type=client_credentials", "", userPass("epm", "%zz"))
	f.Add("grant_type=client_credentials", "a/b;", "Basic")
	g, err := New(&oauthConfig, Options{Name: "x", Log: slog.New(slog.DiscardHandler)})
	require.NoError(f, err)
	require.NoError(f, g.Open())
	f.Fuzz(func(t *testing.T, body, media, authorization string) {
		s := &station{t: t, Endpoint: NewEndpoint(), now: newClock()}
		i := g.Issuer()
		i.failures, i.clientFailed = newFailures(), newFailures()
		s.Add(i)
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header["Content-Type"], r.Header["Authorization"] = []string{media}, []string{authorization}
		a := s.serve1(r, peer, true)
		require.Contains(t, []int{200, 400, 401, 413}, a.status)
		if a.status == 200 {
			require.Equal(t, Admitted, i.check(a.AccessToken, accessToken))
			_, pass, _ := userpass(authorization)
			unescaped, _ := url.QueryUnescape(body)
			require.True(t, strings.Contains(unescaped, "s3cret") || unescape(pass) == "s3cret" || strings.Contains(body, `\u`))
		} else {
			require.Empty(t, a.AccessToken)
			require.NotEmpty(t, a.Error)
		}
	})
}
