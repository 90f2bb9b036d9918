package syslog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Claims implements component.Claimer. What is spoken over TCP on one port is the same
// port.
func (c *Config) Claims() []component.Claim {
	var all []component.Claim
	for i, address := range c.Listen {
		if strings.HasSuffix(address, ":0") || slices.Contains(c.Listen[:i], address) {
			continue // any free port; Check tells of what is listed twice
		}
		what := address
		for _, scheme := range []string{"tls://", "relp://", "relp+tls://"} {
			if rest, ok := strings.CutPrefix(address, scheme); ok {
				what = "tcp://" + rest
			}
		}
		all = append(all, component.Claim{Path: fmt.Sprintf("listen[%d]", i), What: what})
	}
	return all
}
