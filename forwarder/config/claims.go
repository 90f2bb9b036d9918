package config

import "github.com/siemfwd/siemfwd/forwarder/component"

// claims checks that no two sources want the same thing.
func (l *loader) claims(c *Config, sources []at) {
	taken := map[string]at{}
	as := map[string]string{}
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
			other, known := taken[claim.What]
			switch {
			case !known:
				taken[claim.What], as[claim.What] = a, claim.As
			case claim.As == "" || as[claim.What] == "":
				l.report(place, Error, place.path+": "+other.path+" has the same already", "choose another, or remove one of the two")
			case claim.As != as[claim.What]:
				l.report(place, Error, place.path+": "+other.path+", which shares this, says something else", "say the same in both, or leave it out in one")
			}
		}
	}
}
