// Package parsers holds the table of vendors.
package parsers

import (
	"github.com/siemfwd/siemfwd/parsers/datatheorem"
	"github.com/siemfwd/siemfwd/parsers/generic"
	"github.com/siemfwd/siemfwd/parsers/kit"
	"github.com/siemfwd/siemfwd/parsers/skyhigh"
)

// All lists every vendor, one line each.
func All() []kit.Vendor {
	return []kit.Vendor{
		skyhigh.Vendor,
		datatheorem.Vendor,
		generic.JSON,
		generic.HEC(datatheorem.Vendor),
		generic.Syslog,
		generic.Text,
	}
}

// ByName finds a vendor by the word after `vendor:`.
func ByName(name string) (kit.Vendor, bool) {
	for _, v := range All() {
		if v.Name == name {
			return v, true
		}
	}
	return kit.Vendor{}, false
}
