package config

import "github.com/siemfwd/siemfwd/forwarder/component"

// claims checks that no two sources want the same thing.
func (l *loader) claims(c *Config, sources []at) {
	taken := map[string]at{}
	for i, a := range sources {
		claimer, ok := c.Sources[i].Config.(component.Claimer)
		if !ok {
			continue
		}
		for _, claim := range claimer.Claims() {
			place := a.locate(claim.Path)
			if l.quiet(place.path) {
				continue
			}
			if other, known := taken[claim.What]; known {
				l.report(place, Error, place.path+": "+other.path+" has the same already", "choose another, or remove one of the two")
				continue
			}
			taken[claim.What] = a
		}
	}
}
