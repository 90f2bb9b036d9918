package webhook

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/siemfwd/siemfwd/parsers/scanner"
)

// A vendor's answer may repeat what was taken; the answers to alerts, over HTTP.
func TestAcceptedAnswersWithTheIDs(t *testing.T) {
	r := start(t, NewHub(), scanner.Vendor.Hook, nil)
	const alert = `{"id":"a-1","name":"x","severity_id":4}`
	for _, c := range []struct {
		name, body string
		headers    []string
		status     int
		answer     string
		events     int
		refused    bool
	}{
		{"good", alert, nil, 200, `{"status":"accepted","id":"a-1"}`, 1, false},
		{"again", alert, nil, 200, `{"status":"accepted","id":"a-1"}`, 0, false},
		{"no id", `{"Title":"x"}`, nil, 200, `{"status":"accepted"}`, 1, false},
		{"list", `[{"id":"a-2"},{"id":3},{"x":1}]`, nil, 200, `{"status":"accepted","ids":["a-2",3,null]}`, 3, false},
		{"envelope", `{"event":{"id":"a-4"},"time":1}`, nil, 200, `{"status":"accepted","id":"a-4"}`, 1, false},
		{"wrong secret", alert, []string{"Authorization", "Bearer nope"}, 401, `{"error":"unauthorized"}`, 0, false},
		{"no JSON", "hello", nil, 400, `{"error":"body is not JSON"}`, 0, true},
		{"scalars", "[1,2]", nil, 400, `{"error":"alert is not an object"}`, 0, true},
		{"too long", strings.Repeat(" ", 5<<20+1), nil, 413, `{"error":"body is too long"}`, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, refused := len(r.texts()), len(r.refused)
			got := r.post(c.body, c.headers...)
			assert.Equal(t, c.status, got.status)
			assert.Equal(t, c.answer, got.body)
			assert.Equal(t, "application/json", got.header.Get("Content-Type"))
			assert.Len(t, r.texts(), before+c.events)
			assert.Len(t, r.refused, refused+map[bool]int{true: 1}[c.refused])
		})
	}
}
