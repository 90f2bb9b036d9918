package kit

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestCheckBaseURL(t *testing.T) {
	for _, c := range []struct {
		text    string
		good    bool
		exposed bool
	}{
		{"https://api.example.net", true, false},
		{"https://api.example.net:8443/prefix/", true, false},
		{"http://127.0.0.1:9000", true, false},
		{"http://[::1]:9000", true, false},
		{"http://localhost:9000", true, false},
		{"http://api.example.net", true, true},
		{"http://192.0.2.7", true, true},
		{"api.example.net", false, false},
		{"ftp://api.example.net", false, false},
		{"https://", false, false},
		{"https://me:word@api.example.net", false, false},
		{"https://api.example.net/?a=b", false, false},
		{"https://api.example.net/#x", false, false},
		{"https://api.example.net/?", false, false},
		{"", false, false},
		{"https://[::1", false, false},
	} {
		problem, exposed := CheckBaseURL(c.text)
		assert.Equal(t, c.good, problem == "", "%s: %s", c.text, problem)
		assert.Equal(t, c.exposed, exposed, c.text)
	}
}

func TestCheckStatus(t *testing.T) {
	var denied *Denied
	var throttled *Throttled
	var bad *Bad
	assert.NoError(t, CheckStatus(200, []byte("x")))
	assert.NoError(t, CheckStatus(204, nil))
	assert.True(t, errors.As(CheckStatus(401, nil), &denied))
	assert.True(t, errors.As(CheckStatus(403, []byte("no")), &denied))
	assert.EqualError(t, denied, "denied: 403 Forbidden: no")
	assert.True(t, errors.As(CheckStatus(429, nil), &throttled))
	assert.True(t, errors.As(CheckStatus(404, nil), &bad))
	assert.EqualError(t, bad, "request was refused: 404 Not Found")
	assert.Error(t, CheckStatus(302, nil))
	assert.EqualError(t, &Throttled{}, "throttled")
	assert.EqualError(t, &Throttled{Reason: "slow down"}, "throttled: slow down")
	assert.EqualError(t, &Stale{Reason: "scroll"}, "cursor is stale: scroll")
}

func TestStatusText(t *testing.T) {
	assert.Equal(t, "422 Unprocessable Entity: a b c", StatusText(422, []byte("\r\n a\tb \x1b\u009bc")))
	assert.Equal(t, "799: x", StatusText(799, []byte("x")))
	long := StatusText(400, []byte(strings.Repeat("é", 10_000)))
	assert.Less(t, len(long), 300)
	assert.True(t, strings.HasSuffix(long, "…"))
	assert.True(t, utf8.ValidString(StatusText(400, []byte("\xff\xfe"))))
}
