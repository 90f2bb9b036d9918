// Package parsers holds the table of vendors.
package parsers

import (
	"github.com/siemfwd/siemfwd/parsers/beyondtrust"
	"github.com/siemfwd/siemfwd/parsers/checkpoint"
	"github.com/siemfwd/siemfwd/parsers/datatheorem"
	"github.com/siemfwd/siemfwd/parsers/generic"
	"github.com/siemfwd/siemfwd/parsers/kit"
	"github.com/siemfwd/siemfwd/parsers/scanner"
	"github.com/siemfwd/siemfwd/parsers/skyhigh"
)

// products are the vendors with a format of their own, one line each.
func products() []kit.Vendor {
	return []kit.Vendor{
		skyhigh.Vendor,
		checkpoint.Vendor,
		datatheorem.Vendor,
		scanner.Vendor,
		beyondtrust.Vendor,
	}
}

// Products lists the vendors with a format of their own.
func Products() []kit.Vendor { return products() }

// All lists every vendor: the products, then the generic readers.
func All() []kit.Vendor {
	all := products()
	hec := generic.HEC(all...)
	known := append(products(), generic.CEF, generic.LEEF, hec, generic.JSON, generic.KV)
	return append(all, generic.CEF, generic.LEEF, generic.JSON, generic.KV, hec, generic.Syslog, generic.Text,
		generic.Auto(known...))
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
