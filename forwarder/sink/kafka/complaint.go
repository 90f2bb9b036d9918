package kafka

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// complaint is a logger of the client that keeps what went wrong last. The client tries
// again by itself, and at the end of the time knows only that there is no more.
type complaint struct {
	mu   sync.Mutex
	text string
}

// Level implements kgo.Logger.
func (c *complaint) Level() kgo.LogLevel { return kgo.LogLevelDebug }

// Log implements kgo.Logger.
func (c *complaint) Log(_ kgo.LogLevel, msg string, pairs ...any) {
	wrong := false
	for i := 0; i+1 < len(pairs); i += 2 {
		err, ok := pairs[i+1].(error)
		if ok && pairs[i] == "err" && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			msg += ": " + err.Error()
			wrong = true
		}
	}
	if !wrong {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = msg
}

// take returns what was said last, without the secret, and forgets it.
func (c *complaint) take(secret string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := c.text
	c.text = ""
	if secret != "" {
		text = strings.ReplaceAll(text, secret, "<secret>")
	}
	return text
}
