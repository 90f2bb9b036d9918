package gate

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keyring holds the public keys of an issuer. One goroutine fetches them: from time to
// time, and, not too often, when a token names one that is not there. While they cannot
// be fetched those that are known stay good.
type keyring struct {
	url, issuer string // url: "" until the issuer has told
	provider    *provider
	log         *slog.Logger
	every       time.Duration // between two fetches
	least       time.Duration // between two fetches that unknown keys cause
	retry       time.Duration // after one that failed
	wait        time.Duration // of a request for keys that are being fetched

	ask chan struct{} // wants a fetch

	mu     sync.Mutex
	keys   []jose.JSONWebKey
	since  time.Time     // of keys; zero: never
	failed bool          // the last fetch
	began  time.Time     // the last fetch that an unknown key caused
	next   chan struct{} // closed when the fetch that runs, or comes next, is done
	busy   bool          // a fetch runs or was asked for
}

func newKeyring(c *Config, p *provider, log *slog.Logger) *keyring {
	return &keyring{url: c.JWKSURL, issuer: c.Issuer, provider: p, log: log, every: 10 * time.Minute, least: time.Minute, retry: 5 * time.Second,
		wait: askFor, ask: make(chan struct{}, 1), next: make(chan struct{})}
}

// run fetches keys until ctx ends.
func (k *keyring) run(ctx context.Context) {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-k.ask:
		}
		k.mu.Lock()
		k.busy = true
		k.mu.Unlock()
		keys, err := k.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		t.Reset(k.settle(keys, err))
	}
}

// settle puts fetched keys in force, lets go those who wait and returns when to fetch
// again.
func (k *keyring) settle(keys []jose.JSONWebKey, err error) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.failed
	k.failed, k.busy = err != nil, false
	close(k.next)
	k.next = make(chan struct{})
	if err != nil {
		if !was {
			k.log.Warn("keys of the identity provider cannot be fetched", "err", err, "known", len(k.keys))
		}
		return k.retry
	}
	if was {
		k.log.Info("keys of the identity provider are fetched again", "keys", len(keys))
	}
	k.keys, k.since = keys, time.Now()
	return k.every
}

// stale is how long keys stay good that cannot be fetched again.
const stale = 24 * time.Hour

// find returns the key for a token of an algorithm that names one, or names none.
func (k *keyring) find(ctx context.Context, kid string, alg jose.SignatureAlgorithm) (any, Verdict) {
	for first := true; ; first = false {
		k.mu.Lock()
		key, found := choose(k.keys, kid, alg)
		never, failed, next := time.Since(k.since) > stale, k.failed, k.next
		fetching := k.busy || first && !found && k.request(never)
		k.mu.Unlock()
		switch {
		case found && !never:
			return key, Admitted
		case first && fetching:
			t := time.NewTimer(k.wait)
			select {
			case <-next:
			case <-t.C:
			case <-ctx.Done():
			}
			t.Stop()
		case never || failed || fetching:
			return nil, Unavailable
		default:
			return nil, Wrong
		}
	}
}

// request asks for a fetch, unless there was one a moment ago. The first fetch comes by
// itself.
func (k *keyring) request(never bool) bool {
	if never {
		return !k.failed
	}
	now := time.Now()
	if now.Sub(k.began) < k.least {
		return false
	}
	k.began, k.busy = now, true
	select {
	case k.ask <- struct{}{}:
	default:
	}
	return true
}

// choose finds the key. Without a name there must be one only that fits.
func choose(keys []jose.JSONWebKey, kid string, alg jose.SignatureAlgorithm) (key any, found bool) {
	fits := 0
	for i := range keys {
		j := &keys[i]
		if !suits(j, alg) || kid != "" && j.KeyID != kid {
			continue
		}
		fits++
		key = j.Key
	}
	if kid == "" && len(keys) > 1 {
		return nil, false
	}
	return key, fits == 1
}

// suits reports whether a key is one for the algorithm.
func suits(j *jose.JSONWebKey, alg jose.SignatureAlgorithm) bool {
	if j.Algorithm != "" && j.Algorithm != string(alg) {
		return false
	}
	switch key := j.Key.(type) {
	case *rsa.PublicKey:
		return alg == jose.RS256 || alg == jose.PS256
	case *ecdsa.PublicKey:
		return alg == jose.ES256 && key.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return alg == jose.EdDSA
	}
	return false
}

// leastRSA is the shortest RSA key that is used (RFC 7518 section 3.3).
const leastRSA = 2048

func (k *keyring) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	url := k.url
	if url == "" {
		var err error
		if url, err = k.discover(ctx); err != nil {
			return nil, err
		}
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := k.provider.get(ctx, url, &set); err != nil {
		return nil, err
	}
	keys := []jose.JSONWebKey{}
	for _, text := range set.Keys {
		var j jose.JSONWebKey
		// Keys of kinds that are not known here are for others.
		if j.UnmarshalJSON(text) != nil || !j.IsPublic() || j.Use != "" && j.Use != "sig" {
			continue
		}
		if r, ok := j.Key.(*rsa.PublicKey); ok && r.N.BitLen() < leastRSA {
			continue
		}
		keys = append(keys, j)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: no key in it that signatures can be checked with", url)
	}
	return keys, nil
}

var errIssuer = errors.New("calls itself by another name: issuer must be written the same to the letter")

// discover asks the issuer where its keys are (OpenID Connect Discovery 1.0 section 4).
func (k *keyring) discover(ctx context.Context) (string, error) {
	var said struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	err := k.provider.get(ctx, strings.TrimSuffix(k.issuer, "/")+"/.well-known/openid-configuration", &said)
	switch {
	case err != nil:
		return "", err
	case said.Issuer != k.issuer:
		return "", fmt.Errorf("%s %w: %q", k.issuer, errIssuer, said.Issuer)
	case said.JWKSURI == "":
		return "", fmt.Errorf("%s: %w: it names no jwks_uri", k.issuer, errAnswer)
	}
	return said.JWKSURI, nil
}
