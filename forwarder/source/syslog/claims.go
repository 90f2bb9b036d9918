package syslog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Claims implements component.Claimer. tls:// and tcp:// on one port are the same port.
func (c *Config) Claims() []component.Claim {
	var all []component.Claim
	for i, address := range c.Listen {
		if strings.HasSuffix(address, ":0") || slices.Contains(c.Listen[:i], address) {
			continue // any free port; Check tells of what is listed twice
		}
		what := address
		if rest, ok := strings.CutPrefix(address, "tls://"); ok {
			what = "tcp://" + rest
		}
		all = append(all, component.Claim{Path: fmt.Sprintf("listen[%d]", i), What: what})
	}
	return all
}
