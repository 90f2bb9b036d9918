package kit_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/siemfwd/siemfwd/parsers/kit"
)

// End tells where a value stops in text that goes on.
func TestIterEnd(t *testing.T) {
	for text, want := range map[string]int{
		`{}`: 2, ` { } x`: 4, `{"a":1}'s mailbox`: 7, `{"a":"}","b":[{}]} #{`: 18, `{"a":1 } `: 8,
		``: 0, `{`: 0, `{"a"`: 0, `{"a":1`: 0, `{"a":1,}`: 0, `{a:1}`: 0, `[]`: 0,
	} {
		m := kit.Members([]byte(text))
		for m.Next() {
			if m.End() != 0 {
				assert.Equal(t, want, m.End(), "%q: known with the last member", text)
			}
		}
		assert.Equal(t, want, m.End(), text)
	}
	for text, want := range map[string]int{`[]`: 2, `[1, 2] 3`: 6, `[[],{}]`: 7, `[1`: 0, `{}`: 0} {
		i := kit.Items([]byte(text))
		for i.Next() {
		}
		assert.Equal(t, want, i.End(), text)
	}
}
