package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// vendorKeys is a vendor that a type goes with, and a struct of the keys it adds.
type vendorKeys struct {
	name   string
	config any
}

// vendors returns which of all vendors a type goes with, when its keys depend on that.
func (k Kind) vendors(all []string) []vendorKeys {
	if k.VendorConfig == nil {
		return nil
	}
	var out []vendorKeys
	for _, name := range all {
		if _, own := k.VendorConfig(name); own != nil {
			out = append(out, vendorKeys{name, own})
		}
	}
	return out
}

// vendorKeys returns the keys that the vendors of a type add.
func (l *loader) vendorKeys(k Kind) []string {
	var keys []string
	for _, v := range k.vendors(l.k.Vendors) {
		keys = append(keys, keysOf(l.fields(reflect.TypeOf(v.config).Elem()))...)
	}
	return keys
}

// goWith returns the vendors that a type goes with.
func (l *loader) goWith(k Kind) []string {
	if k.VendorConfig == nil {
		return l.k.Vendors
	}
	var names []string
	for _, v := range k.vendors(l.k.Vendors) {
		names = append(names, v.name)
	}
	return names
}

// vendorConfig makes the structs that a source's own keys go into. Where the vendor is
// not certain, the keys of every vendor are let pass: loose.
func (l *loader) vendorConfig(a at, name string, k Kind, loose []string) (cfg, own any, _ []string) {
	if k.VendorConfig == nil {
		return k.config(), nil, loose
	}
	vendor, m := k.Vendor, at{}
	if a.value() != nil && a.value().Kind == yaml.MappingNode {
		if given, ok := a.lookup("vendor"); ok && !given.null() && given.value().Kind == yaml.ScalarNode {
			m, vendor = given, ""
			if s, st := l.expand(given); st != failed && st != unresolved {
				vendor = s
			}
		}
	}
	if !slices.Contains(l.k.Vendors, vendor) {
		return k.config(), nil, append(loose, l.vendorKeys(k)...) // reported when the word is checked
	}
	if cfg, own = k.VendorConfig(vendor); own != nil {
		return cfg, own, loose
	}
	if m.t != nil {
		hint := "it goes with no vendor yet"
		if names := l.goWith(k); len(names) > 0 {
			hint = "it goes with " + strings.Join(names, ", ")
		}
		l.report(m, Error, "type "+strconv.Quote(name)+" does not go with vendor "+quote(vendor)+a.in(), hint)
		l.wrongAt(m.path)
	}
	return k.config(), nil, append(loose, l.vendorKeys(k)...)
}
