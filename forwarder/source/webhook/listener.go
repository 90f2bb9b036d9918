package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/certs"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/source/webhook/gate"
)

// listener is one address with the paths that are served on it.
type listener struct {
	addr     net.Addr
	limits   limits
	desks    *desks
	server   *http.Server
	conns    *boundListener
	identity *certs.Identity // nil: no TLS
	users    int             // guarded by the hub
	unwatch  func()          // ends the watch over certificate files

	failed chan struct{} // closed when it takes no more connections though it should
	err    error         // why, set before

	mu     sync.RWMutex
	routes map[string]*route
	tokens map[string]*tokenPath
	gone   map[string]time.Time // paths that ended, and when
}

// tokenPath is a path where tokens are issued.
type tokenPath struct {
	*gate.Endpoint
	routes []*route // whose tokens they are; replaced, never changed
}

func listen(address string, files certs.Files, lim limits, env component.Env) (*listener, error) {
	var identity *certs.Identity
	if files.Given() {
		var err error
		if identity, err = certs.Open(files, env.Log, "http/1.1"); err != nil {
			return nil, err
		}
	}
	ln, err := bind(address, env.Sockets)
	if err != nil {
		return nil, err
	}
	l := &listener{addr: ln.Addr(), limits: lim, desks: newDesks(lim.bodies), identity: identity, unwatch: func() {}, failed: make(chan struct{}),
		routes: map[string]*route{}, tokens: map[string]*tokenPath{}, gone: map[string]time.Time{}}
	l.server = &http.Server{
		Handler:           l,
		ReadHeaderTimeout: lim.header,
		ReadTimeout:       lim.request,
		WriteTimeout:      lim.request + lim.emit,
		IdleTimeout:       lim.idle,
		MaxHeaderBytes:    lim.headerBytes,
		ErrorLog:          slog.NewLogLogger(handshakes{l}, slog.LevelWarn),
		ConnContext:       l.mark,
		// The asterisk form is no path of ours.
		DisableGeneralOptionsHandler: true,
	}
	l.conns = bound(ln, lim.connections, lim.perPeer, l.tellFull)
	var in net.Listener = l.conns
	if identity != nil {
		in = tls.NewListener(in, identity.Config())
		ctx, cancel := context.WithCancel(context.Background())
		var watching sync.WaitGroup
		watching.Go(func() { identity.Watch(ctx, l.tellEnd) })
		l.unwatch = func() { cancel(); watching.Wait() }
	}
	go l.serve(in)
	return l, nil
}

// bind takes the socket of the service manager, where it has one of that address.
func bind(address string, passed component.Sockets) (net.Listener, error) {
	if passed != nil {
		if l, err := passed.Listen("tcp", address); l != nil || err != nil {
			return l, err
		}
	}
	return net.Listen("tcp", address)
}

func (l *listener) serve(in net.Listener) {
	if err := l.server.Serve(in); !errors.Is(err, http.ErrServerClosed) {
		l.err = fmt.Errorf("listener: %w", err)
		close(l.failed)
	}
}

// url is where it listens.
func (l *listener) url() string {
	if l.identity != nil {
		return "https://" + l.addr.String()
	}
	return "http://" + l.addr.String()
}

// generation is the key under which a connection has that of its certificate.
type generation struct{}

// mark is http.Server.ConnContext.
func (l *listener) mark(ctx context.Context, _ net.Conn) context.Context {
	if l.identity == nil {
		return ctx
	}
	return context.WithValue(ctx, generation{}, l.identity.Generation())
}

// old reports whether a request came over a connection that was made under another
// certificate than the one in force.
func (l *listener) old(req *http.Request) bool {
	if l.identity == nil {
		return false
	}
	g, _ := req.Context().Value(generation{}).(uint64)
	return g != l.identity.Generation()
}

// tellEnd says in the metrics of all sources when the certificate ends.
func (l *listener) tellEnd() {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, r := range l.routes {
		l.tellEndOf(r)
	}
}

func (l *listener) tellEndOf(r *route) {
	if l.identity != nil {
		r.env.Meter.Set("tls_not_after_seconds", float64(l.identity.NotAfter().Unix()))
	}
}

// tellFull says in the log of one of the sources that senders wait for a connection, or
// that one sender has too many.
func (l *listener) tellFull(reason string, peer netip.Addr) {
	l.say(nil, 0, reason, l.addr.String(), peer)
}

// say logs a refusal in the words of a route, or of any.
func (l *listener) say(r *route, status int, reason, detail string, peer netip.Addr) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, any := range l.routes {
		if r == nil {
			r = any
		}
	}
	if r != nil {
		r.quiet.say(r.env.Log, time.Now(), status, reason, detail, peer)
	}
}

// handshakes is the log of the HTTP server, of which only failed handshakes matter.
type handshakes struct{ *listener }

// Enabled implements slog.Handler.
func (handshakes) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h handshakes) Handle(_ context.Context, r slog.Record) error {
	rest, ok := strings.CutPrefix(r.Message, "http: TLS handshake error from ")
	if !ok {
		return nil
	}
	peer, why, _ := strings.Cut(rest, ": ")
	at, _ := netip.ParseAddrPort(peer)
	if !strings.HasSuffix(why, "EOF") && !strings.HasSuffix(why, "connection reset by peer") { // probes of ports
		h.say(nil, 0, "no TLS handshake", why, at.Addr().Unmap())
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h handshakes) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h handshakes) WithGroup(string) slog.Handler { return h }

func (l *listener) broken() bool {
	select {
	case <-l.failed:
		return true
	default:
		return false
	}
}

// add adds all paths of a route or none.
func (l *listener) add(r *route) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, path := range r.paths {
		if old := l.routes[path]; old != nil {
			return fmt.Errorf("%w by %s: no two webhooks can have the same", errTaken, old.env.Name)
		}
		if t := l.tokens[path]; t != nil {
			return fmt.Errorf("%w by the token endpoint of %s", errTaken, t.routes[0].env.Name)
		}
	}
	if err := l.addIssuer(r); err != nil {
		return err
	}
	for _, path := range r.paths {
		delete(l.gone, path)
		l.routes[path] = r
	}
	l.tellEndOf(r)
	return nil
}

func (l *listener) addIssuer(r *route) error {
	i := r.gate.Issuer()
	if i == nil {
		return nil
	}
	if old := l.routes[r.tokenPath]; old != nil {
		return fmt.Errorf("token endpoint: %w by %s: say another token_path", errTaken, old.env.Name)
	}
	t := l.tokens[r.tokenPath]
	if t == nil {
		t = &tokenPath{Endpoint: gate.NewEndpoint()}
	}
	if by := t.Add(i); by != "" {
		return fmt.Errorf("client_id is that of %s, too: give each its own, or its own token_path", by)
	}
	l.tokens[r.tokenPath] = &tokenPath{t.Endpoint, append(slices.Clone(t.routes), r)}
	delete(l.gone, r.tokenPath)
	return nil
}

// end takes the paths of a route out; for a while they are answered with 503, because
// they are probably coming back.
func (l *listener) end(r *route) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, path := range r.paths {
		if l.routes[path] == r {
			delete(l.routes, path)
			l.gone[path] = now
		}
	}
	t := l.tokens[r.tokenPath]
	if t == nil || !slices.Contains(t.routes, r) {
		return
	}
	if t.Remove(r.gate.Issuer()) {
		delete(l.tokens, r.tokenPath)
		l.gone[r.tokenPath] = now
		return
	}
	l.tokens[r.tokenPath] = &tokenPath{t.Endpoint, slices.DeleteFunc(slices.Clone(t.routes), func(o *route) bool { return o == r })}
}

// route finds the route of a path and enters it, or the token endpoint; ended says that
// there was one until now.
func (l *listener) route(path string, k *desk, w http.ResponseWriter) (r *route, t *tokenPath, ended bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if r = l.routes[path]; r != nil && r.enter(k, w) {
		return r, nil, false
	}
	at, ok := l.gone[path]
	return nil, l.tokens[path], r != nil || ok && time.Since(at) < l.limits.gone
}

// close ends the server: idle connections at once, those with a request when it is
// answered, or after a while.
func (l *listener) close(wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := l.server.Shutdown(ctx); err != nil {
		_ = l.server.Close()
	}
	l.unwatch()
}
