package cef

import "strings"

//go:generate go run keys_gen.go

// Key is one entry of the format's dictionary.
type Key struct {
	Name string // as it stands on the wire
	Full string // the spelled-out name
	Type Type
	Max  int // longest value in characters before escaping; 0: not bounded
	// Consumer keys belong to whoever collects events; a sender never writes them.
	Consumer bool
	V1       bool // came with specification 1.2: known to those who read CEF:1

	lead string // Name and "="
}

// Type is what a key's value has to be.
type Type uint8

// The types. A value that does not fit its type makes receivers drop the field or
// the whole event, so it is not written.
const (
	String    Type = iota
	Integer        // 32 bits, signed
	Long           // 64 bits, signed
	Double         // decimal
	IPv4           // an IPv6 address goes to a custom slot where one is reserved for it
	IPv6           // without zone
	IP             // either
	MAC            // six pairs of hexadecimal digits with colons
	Timestamp      // milliseconds since 1970
)

// Lookup returns the dictionary's entry for a key.
func Lookup(name string) (Key, bool) {
	if i := index(name); i >= 0 {
		return dictionary[i], true
	}
	return Key{}, false
}

// Keys returns the dictionary, sorted by name.
func Keys() []Key { return dictionary[:] }

// index is the position of name in the dictionary, or -1.
func index[T string | []byte](name T) int {
	lo, hi := 0, len(dictionary)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch at := dictionary[mid].Name; {
		case at == string(name):
			return mid
		case at < string(name):
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return -1
}

// labels holds, for each key that is the label of a slot, the slot's index plus one.
var labels = func() (t [len(dictionary)]int) {
	for i := range dictionary {
		if slot, ok := strings.CutSuffix(dictionary[i].Name, "Label"); ok {
			t[i] = index(slot) + 1
		}
	}
	return t
}()

// slot is a custom place and its label.
type slot struct {
	of           int // the key whose values it takes
	value, label int
	says         string
}

// wideSlots take integers that do not fit 32 bits.
var wideSlots = [...]slot{
	{value: index("cn1"), label: index("cn1Label")},
	{value: index("cn2"), label: index("cn2Label")},
	{value: index("cn3"), label: index("cn3Label")},
}

// ipv6Slots are reserved for the IPv6 addresses of source, destination and device.
var ipv6Slots = [...]slot{
	{index("src"), index("c6a2"), index("c6a2Label"), "Source IPv6 Address"},
	{index("dst"), index("c6a3"), index("c6a3Label"), "Destination IPv6 Address"},
	{index("dvc"), index("c6a1"), index("c6a1Label"), "Device IPv6 Address"},
}
