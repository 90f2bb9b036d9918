package simulate

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/credential"
)

// Sender posts the deliveries of a vendor to a webhook.
type Sender struct {
	// URL is where to. User and password in it become basic authentication.
	URL    string
	Header http.Header // of every request, such as X-GitHub-Delivery
	// Credential is what is shown; nil: nothing.
	Credential *credential.Credential
	Client     *http.Client // nil: http.DefaultClient
	// Bodies are posted one after the other, and then again with other UUIDs, so that
	// they are other events. There is at least one.
	Bodies [][]byte
	// Fresh moves the times in a body, all by the same, so that the newest is now.
	Fresh bool
	Every time.Duration // from one delivery to the next
	Seed  uint64
	// Faults are heeded as far as they concern a sender. Duplicates: a delivery is
	// repeated; Cut: half of one is sent first; Impostors: one is sent first whose
	// credential is wrong.
	Faults Faults
}

// Delivery is what became of one.
type Delivery struct {
	Status int    // of the answer
	Fault  string // what was wrong about it: "cut" or "impostor"; "" for nothing
	Err    error  // why there was no answer
}

// Run posts until ctx ends, and tells done of every delivery.
func (s *Sender) Run(ctx context.Context, done func(Delivery)) error {
	target, err := url.Parse(s.URL)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return fmt.Errorf("%q is not an address such as http://127.0.0.1:9710/hooks/scanner", s.URL)
	}
	draw := rand.New(rand.NewPCG(s.Seed, 3))
	pace := time.NewTicker(max(s.Every, time.Microsecond))
	defer pace.Stop()
	for round := 0; ; round++ {
		for _, body := range s.Bodies {
			body = renamed(body, s.Seed, round)
			if s.Fresh {
				body = moved(body, time.Now())
			}
			times := 1
			if draw.Float64() < s.Faults.Duplicates {
				times = 2
			}
			var faults []string
			if draw.Float64() < s.Faults.Cut {
				faults = append(faults, "cut")
			}
			if s.Credential != nil && draw.Float64() < s.Faults.Impostors {
				faults = append(faults, "impostor")
			}
			for _, fault := range faults {
				sent := body
				if fault == "cut" {
					sent = body[:len(body)/2]
				}
				status, err := s.post(ctx, target, sent, fault == "impostor")
				if ctx.Err() != nil {
					return nil
				}
				done(Delivery{status, fault, err})
			}
			for range times {
				select {
				case <-ctx.Done():
					return nil
				case <-pace.C:
				}
				status, err := s.post(ctx, target, body, false)
				if ctx.Err() != nil {
					return nil
				}
				done(Delivery{Status: status, Err: err})
			}
		}
	}
}

// post sends a body, and once more where a token has ended.
func (s *Sender) post(ctx context.Context, target *url.URL, body []byte, impostor bool) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for try := range 2 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Content-Type", "application/json")
		for k, v := range s.Header {
			req.Header[http.CanonicalHeaderKey(k)] = v
		}
		if err := s.sign(ctx, req.Header, body, impostor); err != nil {
			return 0, err
		}
		resp, err := cmp.Or(s.Client, http.DefaultClient).Do(req)
		if err != nil {
			return 0, err
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
		_ = resp.Body.Close()
		status = resp.StatusCode
		if status != http.StatusUnauthorized || impostor || try > 0 || s.Credential == nil || !s.Credential.Refused(req.Header) {
			break
		}
	}
	return status, nil
}

// sign puts the credential on a request, or, for an impostor, what looks like it.
func (s *Sender) sign(ctx context.Context, h http.Header, body []byte, impostor bool) error {
	if s.Credential == nil {
		return nil
	}
	before := h.Clone()
	if err := s.Credential.Put(ctx, h, body); err != nil || !impostor {
		return err
	}
	for name, values := range h {
		if text := values[0]; before.Get(name) != text && text != "" {
			last := text[len(text)-1] ^ 1 // another digit or letter
			if last <= ' ' || last >= 0x7f {
				last = 'x'
			}
			h[name] = []string{text[:len(text)-1] + string(rune(last))}
		}
	}
	return nil
}

var uuid = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)

// renamed replaces the UUIDs of a body by others, the same by the same in one round.
// The first round is as it is.
func renamed(body []byte, seed uint64, round int) []byte {
	if round == 0 {
		return body
	}
	return uuid.ReplaceAllFunc(body, func(old []byte) []byte {
		h := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", old, seed, round))
		h[6], h[8] = h[6]&0x0F|0x40, h[8]&0x3F|0x80
		return fmt.Appendf(nil, "%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
	})
}

// moments are times as the samples have them: RFC 3339 up to the seconds, the same
// without signs, and seconds since 1970 with whatever digits behind.
var moments = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|\b\d{8}T\d{6}Z|"(?:time|timestamp)"\s*:\s*"?\d{10}`)

// layouts are how times without an epoch are written.
var layouts = [...]string{"2006-01-02T15:04:05", "20060102T150405Z"}

// moved returns a body with its times moved so that the newest is now.
func moved(body []byte, now time.Time) []byte {
	var newest time.Time
	for _, m := range moments.FindAll(body, -1) {
		if t, _, ok := moment(m); ok && t.After(newest) {
			newest = t
		}
	}
	by := now.Sub(newest).Truncate(time.Second)
	return moments.ReplaceAllFunc(body, func(m []byte) []byte {
		t, layout, ok := moment(m)
		switch t = t.Add(by); {
		case !ok:
			return m
		case layout == "":
			return strconv.AppendInt(bytes.Clone(m[:len(m)-10]), t.Unix(), 10)
		}
		return t.AppendFormat(nil, layout)
	})
}

// moment reads a match of moments; its layout is "" for seconds since 1970.
func moment(m []byte) (t time.Time, layout string, ok bool) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, string(m)); err == nil {
			return t, layout, true
		}
	}
	if len(m) < 10 {
		return t, "", false
	}
	n, err := strconv.ParseInt(string(m[len(m)-10:]), 10, 64)
	return time.Unix(n, 0).UTC(), "", err == nil
}
