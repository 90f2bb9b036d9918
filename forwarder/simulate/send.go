package simulate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// Sender posts the deliveries of a vendor to a webhook.
type Sender struct {
	// URL is where to. User and password in it become basic authentication.
	URL    string
	Header http.Header // of every request, such as Authorization
	// Bodies are posted one after the other, and then again with other UUIDs, so that
	// they are other events. There is at least one.
	Bodies [][]byte
	Every  time.Duration // from one delivery to the next
	Seed   uint64
	Faults Faults // Duplicates: a delivery is repeated; Cut: half of one is sent first
}

// Run posts until ctx ends, and tells done of every answer, or of the error in place
// of one. cut says that the body was not whole.
func (s *Sender) Run(ctx context.Context, done func(status int, cut bool, err error)) error {
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
			times := 1
			if draw.Float64() < s.Faults.Duplicates {
				times = 2
			}
			if draw.Float64() < s.Faults.Cut {
				status, err := s.post(ctx, target, body[:len(body)/2])
				done(status, true, err)
			}
			for range times {
				select {
				case <-ctx.Done():
					return nil
				case <-pace.C:
				}
				status, err := s.post(ctx, target, body)
				if ctx.Err() != nil {
					return nil
				}
				done(status, false, err)
			}
		}
	}
}

func (s *Sender) post(ctx context.Context, target *url.URL, body []byte) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range s.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, resp.Body.Close()
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
