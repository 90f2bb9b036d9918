package webhook

import (
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Claims implements component.Claimer: a path on an address belongs to one source, and
// the address to webhooks.
func (c *Config) Claims() []component.Claim {
	if c.Listen == "" || strings.HasSuffix(c.Listen, ":0") {
		return nil
	}
	return []component.Claim{{Path: "path", What: "http://" + c.Listen + c.Path}}
}
