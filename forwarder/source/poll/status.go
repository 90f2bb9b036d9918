package poll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Position is up to when everything has been read, by the API's time; zero before the
// first Run.
func (s *Source) Position() time.Time { return s.at().Read }

// Remember is how long the keys of events must be remembered, so that none is taken
// for new when it is read again.
func (s *Source) Remember() time.Duration {
	c := &s.cfg
	again := c.Overlap + c.Settle + c.Span
	if c.Rescan > 0 {
		again = max(again, c.Rescan+c.RescanEvery)
	}
	return 2 * (again + c.Every)
}

// Since is from when on events must be remembered however old they are, by this
// machine's clock: those behind the position are read again, even after an outage of
// weeks.
func (s *Source) Since(mark func(key string) []byte) time.Time {
	p, _, err := readPosition(mark(markPosition))
	if err != nil {
		return time.Time{}
	}
	return p.Since
}

// Progress says for people how far the source is, in this machine's time zone; "" when
// there is nothing to say yet.
func (s *Source) Progress() string {
	p := s.at()
	if p.Read.IsZero() {
		return ""
	}
	text := ""
	switch behind := s.behind(p); {
	case behind > s.cfg.Every+2*time.Minute:
		text = fmt.Sprintf("at %s, %s behind", p.Read.Local().Format("01-02 15:04"), span(behind))
	default:
		text = "caught up to " + p.Read.Local().Format("15:04:05")
	}
	if left := s.client.gate.left(); left > time.Second {
		text += ", throttled until " + time.Now().Add(left).Local().Format("15:04:05")
	}
	return text
}

// span writes a duration with its largest unit.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d min", d/time.Minute)
}

// Lookup asks the API one of its vendor's Lookups and returns the values of the answer, each
// complete JSON. It needs no Run, and tries once, with a login.
func (s *Source) Lookup(ctx context.Context, name, arg string) ([][]byte, error) {
	defer s.client.http.CloseIdleConnections()
	for _, l := range s.lookups {
		if l.Name != name {
			continue
		}
		r, err := l.Request(s.own, arg)
		if err != nil {
			return nil, err
		}
		a, err := s.once(ctx, r)
		if err != nil {
			return nil, err
		}
		return l.Read(a.status, a.header, a.body)
	}
	return nil, fmt.Errorf("lookup %q: the API has no such question", name)
}

// once makes one request, and a second one with a new login when the first is denied.
func (s *Source) once(ctx context.Context, r kit.Request) (answer, error) {
	a, err := s.client.data(ctx, r)
	var denied *kit.Denied
	var login *errLogin
	if errors.As(err, &denied) && !errors.As(err, &login) && s.client.refused(ctx, a.gen) {
		return s.client.data(ctx, r)
	}
	return a, err
}

// Try logs in and asks for the first page of the last minute, to find out whether the
// API can be used. It changes nothing and needs no Run.
func (s *Source) Try(ctx context.Context) error {
	defer s.client.http.CloseIdleConnections()
	to := s.client.clock.now().Truncate(smallest)
	w := kit.Window{From: to.Add(-time.Minute), To: to}
	r, err := s.client.api.Page(w, nil)
	if err != nil {
		return err
	}
	a, err := s.once(ctx, r)
	if err != nil {
		return err
	}
	_, err = s.client.api.Read(w, nil, a.status, a.header, a.body, func(kit.Row) {})
	return err
}

// Probe implements component.Prober: Try, with the API's address.
func (s *Source) Probe(ctx context.Context) []component.Probe {
	p := component.Probe{What: s.client.api.BaseURL, Note: "logged in, and it answers"}
	if p.Err = s.Try(ctx); p.Err != nil {
		p.Note = ""
	}
	return []component.Probe{p}
}
