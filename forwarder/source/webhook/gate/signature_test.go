package gate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sign is HMAC-SHA-256, as a sender makes it.
func sign(secret, text string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// both judges header and body.
func both(g *Gate, body string, headers ...string) Verdict {
	r := request(headers...)
	if v := g.Admit(r, peer); v != Admitted {
		return v
	}
	return g.AdmitBody(r.Header, []byte(body), peer)
}

// Vectors that products publish for those who check their signatures.
func TestPublishedSignatures(t *testing.T) {
	for name, c := range map[string]struct {
		cfg     Config
		at      int64
		body    string
		headers []string
	}{
		"GitHub": {Config{Name: "X-Hub-Signature-256", Prefix: "sha256=", Secret: secretOf("It's a Secret to Everybody")}, 0, "Hello, World!",
			[]string{"X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}},
		"Slack": {Config{Name: "X-Slack-Signature", Prefix: "v0=", Secret: secretOf("8f742231b10e8888abcd99yyyzzz85a5"), Timestamp: "X-Slack-Request-Timestamp", Signed: "v0:{X-Slack-Request-Timestamp}:{body}"}, 1531420618,
			"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
			[]string{"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503", "X-Slack-Request-Timestamp", "1531420618"}},
		"Standard Webhooks": {Config{Name: "webhook-signature", Prefix: "v1,", Encoding: "base64", SecretEncoding: "base64", Secret: secretOf("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Timestamp: "webhook-timestamp", Signed: "{webhook-id}.{webhook-timestamp}.{body}"}, 1614265330,
			`{"test": 2432232314}`,
			[]string{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330", "webhook-signature", "v1,Zm9v v1a,xx v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Type = "hmac"
			at := time.Unix(c.at, 0)
			g := opened(t, c.cfg, Options{Now: func() time.Time { return at }})
			assert.Equal(t, Admitted, both(g, c.body, c.headers...))
			assert.Equal(t, Wrong, both(g, c.body+" ", c.headers...))
			if c.cfg.Timestamp != "" {
				at = at.Add(defaultTolerance)
				assert.Equal(t, Admitted, both(g, c.body, c.headers...))
				at = at.Add(time.Second)
				assert.Equal(t, Outdated, both(g, c.body, c.headers...))
				at = time.Unix(c.at, 0).Add(-defaultTolerance - time.Second)
				assert.Equal(t, Outdated, both(g, c.body, c.headers...), "a time to come, too")
			}
		})
	}
}

func TestSignatures(t *testing.T) {
	now := newClock()
	cfg := Config{Type: "hmac", Name: "x-signature", Prefix: "sha256=", Secret: secretOf("new"), FormerSecret: secretOf("old")}
	g := opened(t, cfg, Options{Now: now.now})
	const body = `{"a":1}`
	good := hex.EncodeToString(sign("new", body))
	for _, c := range []struct {
		shown string
		want  Verdict
	}{
		{"sha256=" + good, Admitted},
		{"sha256=" + strings.ToUpper(good), Admitted},
		{"sha256=" + hex.EncodeToString(sign("old", body)), Admitted},
		{"sha256=" + hex.EncodeToString(sign("older", body)), Wrong},
		{"", Missing},
		{good, Malformed},
		{"sha1=" + good, Malformed},
		{"sha256=" + good[:62], Malformed},
		{"sha256=" + good + "00", Malformed},
		{"sha256=" + strings.Repeat("0", 64), Wrong},
		{"sha256=" + base64.StdEncoding.EncodeToString(sign("new", body)), Malformed},
		{"sha256=" + strings.Repeat("f", 9000), Malformed},
		{strings.Repeat("sha256="+strings.Repeat("0", 64)+" ", 4) + "sha256=" + good, Wrong},
	} {
		g.failures = newFailures()
		assert.Equal(t, c.want, both(g, body, "X-Signature", c.shown), c.shown)
	}
	g.failures = newFailures()
	assert.Equal(t, Wrong, both(g, body, "X-Signature", "sha256="+good, "X-Signature", "sha256="+good))
	for range strangersPerMinute {
		both(g, body+"x", "X-Signature", "sha256="+good)
	}
	assert.Equal(t, Limited, both(g, body, "X-Signature", "sha256="+good))
}

func TestSignedTimes(t *testing.T) {
	now := newClock()
	g := opened(t, Config{Type: "hmac", Name: "S", Secret: secretOf("s"), Encoding: "base64", Timestamp: "T", Tolerance: time.Minute}, Options{Now: now.now})
	at := now.now()
	for _, c := range []struct {
		time string
		want Verdict
	}{
		{strconv.FormatInt(at.Unix(), 10), Admitted},
		{strconv.FormatInt(at.UnixMilli(), 10), Admitted},
		{at.UTC().Format(time.RFC3339), Admitted},
		{at.Add(-61 * time.Second).UTC().Format(time.RFC3339), Outdated},
		{strconv.FormatInt(at.Unix()+60, 10), Admitted},
		{strconv.FormatInt(at.Unix()+61, 10), Outdated},
		{"-1", Malformed},
		{"soon", Malformed},
		{"9223372036854775808", Malformed},
		{"", Missing},
	} {
		sum := sign("s", c.time+".body")
		for _, text := range []string{base64.StdEncoding.EncodeToString(sum), base64.RawURLEncoding.EncodeToString(sum)} {
			g.failures = newFailures()
			assert.Equal(t, c.want, both(g, "body", "S", text, "T", c.time), c.time)
		}
	}
	sum := base64.StdEncoding.EncodeToString(sign("s", "1.body"))
	assert.Equal(t, Wrong, both(g, "body", "S", sum, "T", strconv.FormatInt(at.Unix(), 10)), "the time is signed")
}

// The time may stand in the signature's own header, as Stripe writes it; other versions
// of a signature beside it are passed over.
func TestTimesInsideTheSignature(t *testing.T) {
	now := newClock()
	g := opened(t, Config{Type: "hmac", Name: "Stripe-Signature", Prefix: "v1=", Secret: secretOf("s"), Timestamp: "t="}, Options{Now: now.now})
	at := now.now().Unix()
	of := func(at int64) string {
		return hex.EncodeToString(sign("s", strconv.FormatInt(at, 10)+".body"))
	}
	none := strings.Repeat("0", 64)
	for shown, want := range map[string]Verdict{
		fmt.Sprintf("t=%d,v1=%s,v0=%s", at, of(at), none):             Admitted,
		fmt.Sprintf("t=%d,v0=%s,v1=%s,v1=%s", at, none, none, of(at)): Admitted,
		fmt.Sprintf("v1=%s,t=%d", of(at), at):                         Admitted,
		fmt.Sprintf("t=%d, v1=%s", at, of(at)):                        Admitted,
		fmt.Sprintf("t=%d,v0=%s", at, of(at)):                         Malformed,
		fmt.Sprintf("t=%d,v1=%s", at+1, of(at)):                       Wrong,
		fmt.Sprintf("t=%d,v1=%s", at-301, of(at-301)):                 Outdated,
		fmt.Sprintf("t=%d,t=%d,v1=%s", at-301, at, of(at)):            Malformed,
		"v1=" + of(at):                             Malformed,
		"t=soon,v1=" + of(at):                      Malformed,
		fmt.Sprintf("t=%d,v1=%s", at, of(at)[:62]): Malformed,
		fmt.Sprintf("t=%d", at) + strings.Repeat(",v1="+none, 500) + ",v1=" + of(at): Wrong,
		"": Missing,
	} {
		g.failures = newFailures()
		assert.Equal(t, want, both(g, "body", "Stripe-Signature", shown), shown)
	}
}

// Only who has the secret can sign, whatever the headers.
func FuzzSignature(f *testing.F) {
	f.Add("sha256="+strings.Repeat("0", 64), "1800000000", []byte("body"))
	f.Add("sha256="+hex.EncodeToString(sign("s", "1800000000.body")), "1800000000", []byte("body"))
	f.Add("sha256= sha256=zz", "2027-01-15T08:00:00Z", []byte(nil))
	c := Config{Type: "hmac", Name: "S", Secret: secretOf("s"), Prefix: "sha256=", Timestamp: "T"}
	g, err := New(&c, Options{Log: slog.New(slog.DiscardHandler), Now: newClock().now})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, shown, at string, body []byte) {
		g.failures = newFailures()
		v := both(g, string(body), "S", shown, "T", at)
		require.Contains(t, []Verdict{Admitted, Missing, Malformed, Wrong, Outdated}, v)
		want := "sha256=" + hex.EncodeToString(sign("s", at+"."+string(body)))
		if v == Admitted || v == Outdated {
			require.Contains(t, strings.ToLower(shown), want)
		}
	})
}
