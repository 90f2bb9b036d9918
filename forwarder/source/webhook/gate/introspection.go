package gate

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// How long the identity provider's word is good.
const (
	goodFor    = time.Minute
	badFor     = 10 * time.Second
	downFor    = time.Second // after it failed to answer
	mostTokens = 4096        // that are remembered
)

// introspection asks the identity provider about every token (RFC 7662).
type introspection struct {
	wanted     wanted
	url        string
	id, secret string
	provider   *provider
	ca         string
	log        *slog.Logger
	now        func() time.Time

	calls singleflight.Group

	mu   sync.Mutex
	ctx  context.Context // ends when asking does
	told map[secret]told
	down time.Time // until when it is not asked
	lost bool      // it did not answer the last time
}

// told is what is known of a token.
type told struct {
	verdict Verdict
	until   time.Time
}

func newIntrospection(c *Config, o Options) *introspection {
	return &introspection{wanted: newWanted(c), url: c.IntrospectionURL, id: c.ClientID, secret: c.ClientSecret.Reveal(), provider: newProvider(), ca: c.CA,
		log: o.Log, now: o.Now, ctx: context.Background(), told: map[secret]told{}}
}

func (g *introspection) open() error { return g.provider.open(g.ca) }

func (g *introspection) run(ctx context.Context) {
	g.mu.Lock()
	g.ctx = ctx
	g.mu.Unlock()
	<-ctx.Done()
	g.provider.close()
}

func (g *introspection) admit(r *http.Request) Verdict {
	token, v := bearerToken(r)
	if v != Admitted {
		return v
	}
	if len(token) > mostToken {
		return Wrong
	}
	id := digest(token)
	g.mu.Lock()
	now := g.now()
	t, known := g.told[id]
	down := now.Before(g.down)
	ctx := g.ctx
	g.mu.Unlock()
	switch {
	case known && now.Before(t.until):
		return t.verdict
	case down:
		return Unavailable
	}
	// Those who show the same token meanwhile wait for the one answer.
	answer := g.calls.DoChan(string(id[:]), func() (any, error) { return g.ask(ctx, token, id), nil })
	select {
	case a := <-answer:
		return a.Val.(Verdict)
	case <-r.Context().Done():
		return Unavailable
	}
}

func (g *introspection) ask(ctx context.Context, token string, id secret) Verdict {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, strings.NewReader(form.Encode()))
	if err != nil {
		return g.failed(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(g.id), url.QueryEscape(g.secret))
	var answer claims
	err = g.provider.do(req, &answer)
	if err == nil && answer.active == nil {
		err = errAnswer
	}
	if err != nil {
		return g.failed(err)
	}
	t := told{verdict: Wrong, until: g.now().Add(badFor)}
	if *answer.active {
		t.verdict = g.wanted.judge(&answer, g.now())
	}
	if t.verdict == Admitted {
		t.until = g.now().Add(goodFor)
		if e := answer.expires; e != nil && e.Before(t.until) {
			t.until = e.Time
		}
	}
	g.keep(id, t)
	return t.verdict
}

func (g *introspection) failed(err error) Verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx.Err() != nil {
		return Unavailable
	}
	if g.down = g.now().Add(downFor); !g.lost {
		g.lost = true
		g.log.Warn("identity provider cannot be asked: senders are told to come back", "err", err)
	}
	return Unavailable
}

func (g *introspection) keep(id secret, t told) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost {
		g.lost = false
		g.log.Info("identity provider answers again")
	}
	if len(g.told) >= mostTokens {
		now := g.now()
		maps.DeleteFunc(g.told, func(_ secret, t told) bool { return now.After(t.until) })
		for old := range g.told {
			if len(g.told) < mostTokens*3/4 {
				break
			}
			delete(g.told, old)
		}
	}
	g.told[id] = t
}
