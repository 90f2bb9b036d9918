package gate

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Endpoint is a token endpoint (RFC 6749 section 3.2): it serves the issuers of one
// path, which it tells apart by the client's id. It is safe for concurrent use.
type Endpoint struct {
	now func() time.Time

	mu       sync.RWMutex
	issuers  map[string]*Issuer // by client id
	failures *failures          // of clients that nobody knows
}

// mostRequest is the longest body of a token request.
const mostRequest = 16 << 10

// NewEndpoint returns an endpoint without issuers.
func NewEndpoint() *Endpoint {
	return &Endpoint{now: time.Now, issuers: map[string]*Issuer{}, failures: newFailures()}
}

// Add adds an issuer, unless another has the same client id: then it returns the name
// of that one's source.
func (e *Endpoint) Add(i *Issuer) (by string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.issuers[i.clientID]; old != nil && old != i {
		return old.name
	}
	e.issuers[i.clientID] = i
	return ""
}

// Remove takes an issuer out and reports whether none is left.
func (e *Endpoint) Remove(i *Issuer) (empty bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.issuers[i.clientID] == i {
		delete(e.issuers, i.clientID)
	}
	return len(e.issuers) == 0
}

// Outcome is what became of a request for a token.
type Outcome struct {
	Source string // whose client it was; "" when that is not known
	Status int
	Reason string // why no token was issued; "" when one was
}

// refusal is an error of RFC 6749 section 5.2.
type refusal struct {
	status int
	code   string
	text   string // holds nothing of the request
	source string
}

func bad(code, text string) *refusal { return &refusal{http.StatusBadRequest, code, text, ""} }

var (
	errClient  = &refusal{http.StatusUnauthorized, "invalid_client", "client id or secret is wrong", ""}
	errLimited = &refusal{http.StatusTooManyRequests, "temporarily_unavailable", "too many wrong credentials; try again later", ""}
)

// Serve answers a request of a peer. secure says that nobody on the way can read it.
func (e *Endpoint) Serve(w http.ResponseWriter, r *http.Request, peer netip.Addr, secure bool) Outcome {
	h := w.Header()
	h["Cache-Control"], h["Pragma"], h["Content-Type"] = []string{"no-store"}, []string{"no-cache"}, []string{"application/json"}
	source, grant, no := e.serve(r, peer, secure)
	if no == nil {
		_ = json.NewEncoder(w).Encode(grant)
		return Outcome{Source: source, Status: http.StatusOK}
	}
	switch no.status {
	case http.StatusMethodNotAllowed:
		h["Allow"] = []string{http.MethodPost}
	case http.StatusUnauthorized:
		h["Www-Authenticate"] = []string{`Basic realm="` + DefaultTokenPath + `", charset="UTF-8"`}
	case http.StatusTooManyRequests:
		h["Retry-After"] = []string{strconv.Itoa(int(RetryAfter.Seconds()))}
	case http.StatusRequestEntityTooLarge:
		h["Connection"] = []string{"close"}
	}
	w.WriteHeader(no.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": no.code, "error_description": no.text})
	return Outcome{Source: source, Status: no.status, Reason: no.text}
}

// grant is a successful answer (RFC 6749 section 5.1).
type grant struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

func (e *Endpoint) serve(r *http.Request, peer netip.Addr, secure bool) (source string, g *grant, no *refusal) {
	switch {
	case r.Method != http.MethodPost:
		return "", nil, &refusal{http.StatusMethodNotAllowed, "invalid_request", "method is not POST", ""}
	case !secure:
		return "", nil, bad("invalid_request", "tokens are issued over TLS only")
	case e.failures.blocked(peer, e.now()):
		return "", nil, errLimited
	}
	form, no := readForm(r)
	if no != nil {
		return "", nil, no
	}
	i, no := e.client(r.Header, form, peer)
	if no != nil {
		if i != nil {
			source = i.name
		}
		return source, nil, no
	}
	if g, no = i.grant(form, peer); no == nil {
		e.failures.good(peer, e.now())
	}
	return i.name, g, no
}

// client authenticates the client (RFC 6749 section 2.3.1), in the header or the body.
// With a refusal it returns the issuer whose client was named, if there is one.
func (e *Endpoint) client(h http.Header, form map[string]string, peer netip.Addr) (*Issuer, *refusal) {
	id, secret := form["client_id"], form["client_secret"]
	also := "" // the secret as it stands: not every client encodes it
	switch shown, v := single(h, "Authorization"); v {
	case Missing:
	case Admitted:
		user, pass, ok := userpass(shown)
		if !ok {
			return nil, errClient
		}
		decodedID, decoded := unescape(user), unescape(pass)
		if id != "" && id != user && id != decodedID || secret != "" && secret != pass && secret != decoded {
			return nil, &refusal{http.StatusUnauthorized, "invalid_client", "credentials in header and body differ", ""}
		}
		id, secret, also = decodedID, decoded, pass
		if e.issuer(id) == nil {
			id = user
		}
	default:
		return nil, errClient
	}
	i := e.issuer(id)
	if i == nil {
		e.failures.failed(peer, e.now())
		return nil, errClient
	}
	// Strangers share what they may guess at one client; whoever was right before is
	// not shut out by them.
	now := e.now()
	if i.failures.blocked(peer, now) || !i.failures.known(peer, now) && i.clientFailed.blocked(anyone, now) {
		return i, errLimited
	}
	a, b := i.secret.equals(secret), i.secret.equals(also)
	if secret == "" && also == "" || !a && !b {
		i.wrong(peer)
		return i, errClient
	}
	return i, nil
}

// anyone is the place where all strangers are counted together.
var anyone = netip.IPv4Unspecified()

func (i *Issuer) wrong(peer netip.Addr) {
	now := i.now()
	if !i.failures.known(peer, now) {
		i.clientFailed.failed(anyone, now)
	}
	i.failures.failed(peer, now)
}

func (e *Endpoint) issuer(id string) *Issuer {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.issuers[id]
}

// grant decides on a request of the authenticated client.
func (i *Issuer) grant(form map[string]string, peer netip.Addr) (*grant, *refusal) {
	if i.key.Load() == nil {
		return nil, &refusal{http.StatusServiceUnavailable, "temporarily_unavailable", "stopped for a moment", ""}
	}
	if !scopes(form["scope"]) {
		return nil, bad("invalid_scope", "scope is not a list of words")
	}
	switch kind := form["grant_type"]; {
	case kind == "":
		return nil, bad("invalid_request", "grant_type is missing")
	case kind == "client_credentials" && !i.passwords:
	case kind == "password" && i.passwords:
		if form["username"] == "" || form["password"] == "" {
			return nil, bad("invalid_request", "username or password is missing")
		}
		u, p := i.username.equals(form["username"]), i.password.equals(form["password"])
		if !u || !p {
			i.wrong(peer)
			return nil, bad("invalid_grant", "user name or password is wrong")
		}
	case kind == "refresh_token" && i.passwords:
		if form["refresh_token"] == "" {
			return nil, bad("invalid_request", "refresh_token is missing")
		}
		if v := i.check(form["refresh_token"], refreshToken); v != Admitted {
			if v == Wrong {
				i.wrong(peer)
			}
			return nil, bad("invalid_grant", "refresh_token is not good, or no more")
		}
	default:
		return nil, bad("unsupported_grant_type", "grant_type is not one that this client may use")
	}
	i.failures.good(peer, i.now())
	g := &grant{AccessToken: i.issue(accessToken, i.life), TokenType: "Bearer", ExpiresIn: int64(i.life / time.Second), Scope: form["scope"]}
	if i.passwords {
		g.RefreshToken = i.issue(refreshToken, refreshLife)
	}
	return g, nil
}

// known are the parameters that are looked at.
var known = map[string]bool{"grant_type": true, "client_id": true, "client_secret": true, "username": true, "password": true, "refresh_token": true, "scope": true}

// readForm reads the parameters of a request: a form, or, from clients that do not
// know better, a JSON object of strings. A parameter without value counts as absent,
// one that is there twice as a mistake (RFC 6749 section 3.2).
func readForm(r *http.Request) (map[string]string, *refusal) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "invalid_request", "body is encoded", ""}
	}
	tooLong := &refusal{http.StatusRequestEntityTooLarge, "invalid_request", "body is too long", ""}
	if r.ContentLength > mostRequest {
		return nil, tooLong
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, mostRequest+1))
	switch {
	case err != nil:
		return nil, bad("invalid_request", "body could not be read")
	case len(body) > mostRequest:
		return nil, tooLong
	}
	form := map[string]string{}
	add := func(name, value string) bool {
		if !known[name] || value == "" {
			return true
		}
		_, twice := form[name]
		form[name] = value
		return !twice
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	text := strings.TrimSpace(string(body))
	if media == "application/json" || media != "application/x-www-form-urlencoded" && strings.HasPrefix(text, "{") {
		err = eachMember(text, add)
	} else {
		err = eachPair(text, add)
	}
	if err != nil {
		return nil, bad("invalid_request", "body "+err.Error())
	}
	return form, nil
}

var (
	errTwice = errors.New("has a parameter twice")
	errForm  = errors.New("is not a form")
	errJSON  = errors.New("is not a JSON object of strings")
)

func eachPair(text string, add func(name, value string) bool) error {
	values, err := url.ParseQuery(text)
	if err != nil {
		return errForm
	}
	for name, all := range values {
		for _, v := range all {
			if !add(name, v) {
				return errTwice
			}
		}
	}
	return nil
}

func eachMember(text string, add func(name, value string) bool) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errJSON
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return errJSON
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return errJSON
		}
		var ok bool
		switch v := value.(type) {
		case string:
			ok = add(name.(string), v)
		case json.Number:
			ok = add(name.(string), v.String())
		default:
			ok = !known[name.(string)] || v == nil
			if !ok {
				return errJSON
			}
		}
		if !ok {
			return errTwice
		}
	}
	if _, err := d.Token(); err != nil {
		return errJSON
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errJSON
	}
	return nil
}

// unescape undoes the form encoding of credentials in Basic (RFC 6749 section 2.3.1);
// what is not encoded stays.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// scopes reports whether a text is a scope of RFC 6749 section 3.3. No meaning is
// attached to any.
func scopes(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return len(text) <= 1024
}
