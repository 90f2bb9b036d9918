package leef

import "github.com/siemfwd/siemfwd/formatters/text"

// maxEventID is the longest event id, in characters.
const maxEventID = 255

// Attribute is one of the format's predefined keys.
type Attribute struct {
	Name string // as it stands on the wire
	Max  int    // longest value in characters; 0: not bounded
	// Reserved keys have a name and no meaning yet; a sender does not write them.
	Reserved bool

	kind kind
}

// kind is what the value of an attribute has to be.
type kind uint8

const (
	anything kind = iota
	severity      // 1 to 10
)

// attributes are the predefined keys of the LEEF guide, sorted by name.
var attributes = [...]Attribute{
	{Name: "accountName", Max: 255},
	{Name: "calCountryOrRegion", Reserved: true},
	{Name: "calLanguage", Reserved: true},
	{Name: "cat"},
	{Name: "devTime"},
	{Name: "devTimeFormat"},
	{Name: "domain"},
	{Name: "dst"},
	{Name: "dstBytes"},
	{Name: "dstMAC"},
	{Name: "dstPackets"},
	{Name: "dstPort"},
	{Name: "dstPostNAT"},
	{Name: "dstPostNATPort"},
	{Name: "dstPreNAT"},
	{Name: "dstPreNATPort"},
	{Name: "groupID"},
	{Name: "identGrpName", Max: 255},
	{Name: "identHostName", Max: 255},
	{Name: "identMAC", Reserved: true},
	{Name: "identNetBios", Max: 255},
	{Name: "identSecondlp", Reserved: true},
	{Name: "identSrc"},
	{Name: "isLoginEvent", Reserved: true},
	{Name: "isLogoutEvent", Reserved: true},
	{Name: "policy"},
	{Name: "proto"},
	{Name: "realm"},
	{Name: "resource"},
	{Name: "role"},
	{Name: "sev", kind: severity},
	{Name: "src"},
	{Name: "srcBytes"},
	{Name: "srcMAC"},
	{Name: "srcPackets"},
	{Name: "srcPort"},
	{Name: "srcPostNAT"},
	{Name: "srcPostNATPort"},
	{Name: "srcPreNAT"},
	{Name: "srcPreNATPort"},
	{Name: "totalPackets"},
	{Name: "url"},
	{Name: "usrName", Max: 255},
	{Name: "vSrc"},
	{Name: "vSrcName", Max: 255},
}

// Lookup returns the predefined attribute of that name.
func Lookup(name string) (Attribute, bool) {
	if i := index(name); i >= 0 {
		return attributes[i], true
	}
	return Attribute{}, false
}

// Attributes returns the predefined attributes, sorted by name.
func Attributes() []Attribute { return attributes[:] }

// index is the position of name among the predefined attributes, or -1.
func index[T string | []byte](name T) int {
	lo, hi := 0, len(attributes)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch at := attributes[mid].Name; {
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

func attributeOf(key []byte) Attribute {
	if i := index(key); i >= 0 {
		return attributes[i]
	}
	return Attribute{}
}

func (a Attribute) limit() int {
	if a.Max == 0 {
		return text.NoLimit
	}
	return a.Max
}
