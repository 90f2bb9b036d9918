package forwarder

import (
	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/config"
)

// formatOf returns what writes a sink's events, with everything its configuration says of
// how they look. One goroutine may use it at a time.
func formatOf(c *config.Sink, host string) (formatters.Formatter, error) {
	f, err := formatters.New(c.Format, formatOptions(c, host))
	if err != nil || !c.Mask.On() {
		return f, err
	}
	return newMasker(&c.Mask, f)
}
