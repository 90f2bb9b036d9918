package sinksapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What a Wanted says when nobody says more, whoever asks.
const (
	DefaultName        = "siemfwd"
	DefaultDescription = "Alerts for siemfwd."
)

// InstanceOf is the Instance that stands for an owner, such as HOST/SOURCE.
func InstanceOf(owner string) string {
	return strings.Map(func(c rune) rune {
		if c <= ' ' || c == ';' || c == 0x7f {
			return '_'
		}
		return c
	}, owner)
}

// Wanted is the webhook sink that there shall be.
type Wanted struct {
	TenantID, Name, Description string
	URL                         string
	// Instance tells this owner's sinks from those of others that use the same tenant:
	// it stands at the end of the description, "managed-by=siemfwd;id=INSTANCE".
	Instance string
	// Adopt takes over a sink of the name that is nobody's and points elsewhere.
	Adopt bool
	// Recreate deletes a sink of the name that is of another type.
	Recreate bool
}

// State is what is kept from one Ensure to the next. The zero State will do: the sink is
// then found by its marker or URL.
type State struct {
	TenantID string `json:"tenant_id"`
	SinkID   string `json:"sink_id"`
	URLHash  string `json:"url_sha256"` // the URL may be a secret
}

// Outcome is what Ensure found and did.
type Outcome struct {
	Sink Sink
	// Did is "" when nothing had to be done, else created, updated or recreated.
	Did string
	// Duplicates are other sinks that could be meant: of the name, the URL or this owner.
	Duplicates []Sink
	// Headers says that the URL was changed, with which the API may have dropped headers
	// that were set by hand.
	Headers bool
	State   State
}

// Ensure makes sure that the webhook sink exists and points to its URL. When that is so
// it makes one request, a list, and changes nothing. It may be called again after any
// error, and by several at once: of two that make the sink at the same time, the later
// takes its own back.
func (c *Client) Ensure(ctx context.Context, w Wanted, st State) (Outcome, error) {
	if err := w.check(); err != nil {
		return Outcome{}, err
	}
	if st.TenantID != w.TenantID {
		st = State{}
	}
	all, err := c.List(ctx, w.TenantID)
	if err != nil {
		return Outcome{}, err
	}
	found, rest := w.choose(all, st)
	if found == nil {
		return c.ensureNew(ctx, &w, all, rest)
	}
	ch, headers := w.change(found)
	out := Outcome{Sink: *found, Duplicates: rest}
	if ch != (Change{}) {
		if out.Sink, err = c.Update(ctx, found.ID, ch); err != nil {
			return Outcome{}, err
		}
		out.Did, out.Headers = "updated", headers
		if out, err = c.verify(ctx, &w, out, false); err != nil {
			return Outcome{}, err
		}
	}
	out.State = w.state(&out.Sink)
	return out, nil
}

// Remove deletes a sink; one that is not there is removed already.
func (c *Client) Remove(ctx context.Context, id string) error {
	if err := c.Delete(ctx, id); err != nil && !Is(err, NotFound) {
		return err
	}
	return nil
}

func (w *Wanted) check() error {
	u, err := url.Parse(w.URL)
	switch {
	case w.TenantID == "":
		return errors.New("tenant is missing")
	case w.Name == "":
		return errors.New("name is missing")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("url is not an address such as https://hooks.example.com/hooks/scanner")
	case w.Instance == "" || strings.ContainsFunc(w.Instance, func(c rune) bool { return c <= ' ' || c == ';' }):
		return errors.New("instance is missing or holds a space or semicolon")
	}
	return nil
}

func (w *Wanted) marker() string { return "managed-by=siemfwd;id=" + w.Instance }

// description is the wanted one with the marker behind it.
func (w *Wanted) description() string { return strings.TrimSpace(w.Description + " " + w.marker()) }

// owns reports whether the sink carries the marker.
func (w *Wanted) owns(s *Sink) bool {
	return slices.Contains(strings.Fields(s.Description), w.marker())
}

func (w *Wanted) pointsHere(s *Sink) bool {
	return s.Configuration.Webhook != nil && normal(s.Configuration.Webhook.URL) == normal(w.URL)
}

func (w *Wanted) state(s *Sink) State {
	sum := sha256.Sum256([]byte(normal(w.URL)))
	return State{TenantID: w.TenantID, SinkID: s.ID, URLHash: hex.EncodeToString(sum[:])}
}

// choose returns the sink that is the wanted one, or nil, and the others that might be.
func (w *Wanted) choose(all []Sink, st State) (found *Sink, rest []Sink) {
	var candidates []*Sink
	for i := range all {
		s := &all[i]
		if s.Type == Webhook && (s.ID == st.SinkID || w.pointsHere(s) || s.Name == w.Name || w.owns(s)) {
			candidates = append(candidates, s)
		}
	}
	slices.SortStableFunc(candidates, older)
	for _, is := range []func(s *Sink) bool{
		func(s *Sink) bool { return s.ID == st.SinkID },
		func(s *Sink) bool { return w.pointsHere(s) && w.owns(s) },
		w.owns,
		w.pointsHere,
		func(s *Sink) bool { return w.Adopt && s.Name == w.Name },
	} {
		if i := slices.IndexFunc(candidates, is); i >= 0 {
			found = candidates[i]
			break
		}
	}
	for _, s := range candidates {
		if s != found {
			rest = append(rest, *s)
		}
	}
	return found, rest
}

// older orders sinks by when they were made; of the same second by id, so that everyone
// sees the same order.
func older(a, b *Sink) int {
	if n := a.CreatedAt.Compare(b.CreatedAt.Time); n != 0 {
		return n
	}
	return strings.Compare(a.ID, b.ID)
}

// change is what has to be different about a sink. Its args are left out unless the URL
// is another: sending them may drop headers that were set by hand.
func (w *Wanted) change(s *Sink) (ch Change, url bool) {
	if description := w.description(); s.Description != description {
		ch.Description = &description
	}
	if s.Name != w.Name {
		ch.Name = &w.Name
	}
	if url = !w.pointsHere(s); url {
		ch.Args = w.args()
	}
	return ch, url
}

func (w *Wanted) args() *Args { return &Args{Webhook: &WebhookArgs{URL: w.URL}} }

// ensureNew makes the sink.
func (c *Client) ensureNew(ctx context.Context, w *Wanted, all, rest []Sink) (Outcome, error) {
	out := Outcome{Did: "created", Duplicates: rest}
	for i := range all {
		s := &all[i]
		if s.Name != w.Name || s.Type == Webhook {
			continue
		}
		if !w.Recreate {
			return Outcome{}, errors.New("name is taken by a sink of type " + string(s.Type) + ": choose another, or have it replaced")
		}
		if err := c.Remove(ctx, s.ID); err != nil {
			return Outcome{}, err
		}
		out.Did = "recreated"
	}
	made, ours, err := c.createOnce(ctx, w, all)
	if err != nil {
		return Outcome{}, err
	}
	out.Sink = made
	if out, err = c.verify(ctx, w, out, ours); err != nil {
		return Outcome{}, err
	}
	out.State = w.state(&out.Sink)
	return out, nil
}

// createOnce makes the sink once: when it is not known whether the API did, it looks
// before it tries again. ours says that the answer to this very call named the sink.
func (c *Client) createOnce(ctx context.Context, w *Wanted, before []Sink) (s Sink, ours bool, err error) {
	n := New{TenantID: w.TenantID, Name: w.Name, Description: w.description(), Args: *w.args()}
	if s, err = c.Create(ctx, n); err == nil {
		return s, true, nil
	}
	for _, d := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second} {
		if !lost(err) {
			return Sink{}, false, err
		}
		if c.wait(ctx, d) != nil {
			return Sink{}, false, err
		}
		now, listErr := c.List(ctx, w.TenantID)
		if listErr != nil {
			return Sink{}, false, listErr
		}
		var appeared []*Sink
		for i := range now {
			known := slices.ContainsFunc(before, func(b Sink) bool { return b.ID == now[i].ID })
			if !known && now[i].Type == Webhook && w.owns(&now[i]) && w.pointsHere(&now[i]) {
				appeared = append(appeared, &now[i])
			}
		}
		if len(appeared) > 0 {
			return *slices.MinFunc(appeared, older), false, nil
		}
		if s, err = c.Create(ctx, n); err == nil {
			return s, true, nil
		}
	}
	return Sink{}, false, err
}

// verify looks at what was written, and whether somebody else made the sink meanwhile:
// then the oldest stays and the newer one goes, if it is ours.
func (c *Client) verify(ctx context.Context, w *Wanted, out Outcome, ours bool) (Outcome, error) {
	s, err := c.Get(ctx, out.Sink.ID)
	if err != nil {
		return out, err
	}
	if !w.pointsHere(&s) {
		return out, errors.New("sink " + s.ID + " does not point to the url after it was written: somebody else changes it")
	}
	all, err := c.List(ctx, w.TenantID)
	if err != nil {
		return out, err
	}
	oldest := &s
	for i := range all {
		if other := &all[i]; other.ID != s.ID && other.Type == Webhook && w.owns(other) && older(other, oldest) < 0 {
			oldest = other
		}
	}
	if ours && oldest.ID != s.ID {
		if err := c.Remove(ctx, s.ID); err != nil {
			return out, err
		}
		all = slices.DeleteFunc(all, func(o Sink) bool { return o.ID == s.ID })
		out.Did, s = "", *oldest
	}
	out.Sink = s
	_, out.Duplicates = w.choose(all, State{SinkID: s.ID})
	return out, nil
}

// normal is a URL as two of them are compared: scheme and host in lower case, without
// the scheme's own port. Path, a slash at its end and query stay as they are.
func normal(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	scheme, host := strings.ToLower(scheme), rest[:end]
	user := ""
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		user, host = host[:at+1], host[at+1:]
	}
	host = strings.ToLower(host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + user + host + rest[end:]
}
