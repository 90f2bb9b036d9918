package gate

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Issuer hands out the tokens of one webhook and knows them again. A token holds its
// end and is signed, so that nothing is stored for it; the signature also covers the
// source and the sender's credentials, so that a token is good for one source only, and
// no more once the credentials are changed.
type Issuer struct {
	name         string
	clientID     string
	id, secret   secret
	passwords    bool // the sender shows a user name and a password, too
	username     secret
	password     secret
	life         time.Duration
	state        string
	log          *slog.Logger
	now          func() time.Time
	binding      [sha256.Size]byte // of everything that a token is bound to
	key          atomic.Pointer[[sha256.Size]byte]
	failures     *failures // where wrong secrets of this client came from
	clientFailed *failures // how many there were from strangers, whoever they are
}

// Kinds of tokens.
const (
	accessToken  byte = 'a'
	refreshToken byte = 'r'
)

// refreshLife is how long a sender may be silent before it has to show its user name
// and password again.
const refreshLife = 30 * 24 * time.Hour

// A token is version, kind, end in Unix time, nonce and signature.
const (
	tokenVersion = 1
	nonceSize    = 16
	signedSize   = 1 + 1 + 8 + nonceSize
	tokenSize    = signedSize + sha256.Size
	keyFile      = "token.key"
)

var encoding = base64.RawURLEncoding.Strict()

func newIssuer(c *Config, o Options) *Issuer {
	i := &Issuer{name: o.Name, clientID: c.ClientID, id: digest(c.ClientID), secret: digest(c.ClientSecret.Reveal()),
		passwords: c.Type == "oauth_password", username: digest(c.Username), password: digest(c.Password.Reveal()),
		life: c.TokenLife, state: o.State, log: o.Log, now: o.Now, failures: newFailures(), clientFailed: newFailures()}
	if i.life == 0 {
		i.life = defaultTokenLife
	}
	h := sha256.New()
	fmt.Fprintf(h, "siemfwd access token %d\n%d %s\n", tokenVersion, len(i.name), i.name)
	for _, s := range []secret{i.id, i.secret, i.username, i.password} {
		h.Write(s[:])
	}
	h.Sum(i.binding[:0])
	return i
}

// ClientID is the sender's.
func (i *Issuer) ClientID() string { return i.clientID }

// open reads the key that tokens are signed with, or makes one. Without a folder tokens
// are good until the source is made anew.
func (i *Issuer) open() error {
	if i.key.Load() != nil {
		return nil
	}
	key, err := i.readKey()
	if err != nil {
		return fmt.Errorf("key of tokens: %w", err)
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write(i.binding[:])
	var own [sha256.Size]byte
	mac.Sum(own[:0])
	i.key.Store(&own)
	return nil
}

func (i *Issuer) readKey() (key [sha256.Size]byte, err error) {
	if i.state == "" {
		_, err = rand.Read(key[:])
		return key, err
	}
	path := filepath.Join(i.state, keyFile)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return makeKey(path)
	case err != nil:
		return key, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return key, err
	}
	if len(text) != len(key) || info.Mode().Perm()&0o077 != 0 {
		i.log.Warn("key of tokens is damaged or can be read by others, and is made anew: senders have to fetch new tokens", "file", path)
		return makeKey(path)
	}
	copy(key[:], text)
	return key, nil
}

// makeKey writes a new key that is there as a whole or not at all.
func makeKey(path string) (key [sha256.Size]byte, err error) {
	if _, err = rand.Read(key[:]); err != nil {
		return key, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return key, err
	}
	f, err := os.CreateTemp(dir, keyFile+".*") // mode 0600
	if err != nil {
		return key, err
	}
	_, err = f.Write(key[:])
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return key, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return key, err
	}
	return key, errors.Join(d.Sync(), d.Close())
}

// issue makes a token. It must not be called before open.
func (i *Issuer) issue(kind byte, life time.Duration) string {
	var b [tokenSize]byte
	b[0], b[1] = tokenVersion, kind
	binary.BigEndian.PutUint64(b[2:], uint64(i.now().Add(life).Unix()))
	_, _ = rand.Read(b[10:signedSize]) // never fails
	i.sign(b[:signedSize], b[signedSize:signedSize])
	return encoding.EncodeToString(b[:])
}

func (i *Issuer) sign(text, into []byte) []byte {
	mac := hmac.New(sha256.New, i.key.Load()[:])
	mac.Write(text)
	return mac.Sum(into)
}

// check tells whether a token is one of this issuer, of a kind, and still good.
func (i *Issuer) check(token string, kind byte) Verdict {
	if len(token) != encoding.EncodedLen(tokenSize) {
		return Wrong
	}
	b, err := encoding.DecodeString(token)
	if err != nil || len(b) != tokenSize {
		return Wrong
	}
	var sum [sha256.Size]byte
	good := hmac.Equal(b[signedSize:], i.sign(b[:signedSize], sum[:0]))
	switch end := int64(binary.BigEndian.Uint64(b[2:])); {
	case !good || b[0] != tokenVersion || b[1] != kind:
		return Wrong
	case i.now().Unix() >= end:
		return Outdated
	}
	return Admitted
}

// admit implements judge: the sender shows a token it has fetched.
func (i *Issuer) admit(r *http.Request) Verdict {
	token, v := bearerToken(r)
	if v != Admitted {
		return v
	}
	if i.key.Load() == nil {
		return Unavailable
	}
	return i.check(token, accessToken)
}

// bearerToken is the token of Authorization: Bearer (RFC 6750 section 2.1).
func bearerToken(r *http.Request) (string, Verdict) {
	shown, v := single(r.Header, "Authorization")
	if v != Admitted {
		return "", v
	}
	token, ok := credentials(shown, "bearer ")
	if !ok || token == "" {
		return "", Malformed
	}
	return token, Admitted
}
