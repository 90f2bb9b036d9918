package formatters

import (
	"fmt"

	"github.com/siemfwd/siemfwd/formatters/mapping"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// MapProblem is what is wrong with a key of a map, or with its value.
type MapProblem = mapping.Problem

// mapFormats are the formats whose keys a map may change.
var mapFormats = map[string]mapping.Format{"cef": mapping.CEF, "leef": mapping.LEEF}

// CheckMap tells what is wrong with a sink's map, for its format and that format's
// version: keys that the format does not have, values that a key does not take, labels of
// slots that have no value, paths that lead nowhere.
func CheckMap(format, version string, keys map[string]string) []MapProblem {
	if len(keys) == 0 {
		return nil
	}
	f, ok := mapFormats[format]
	if !ok {
		return []MapProblem{{Text: fmt.Sprintf("format %s has no keys to map", format), Hint: "map is for cef and leef; other formats show every value under its own name"}}
	}
	if f == mapping.LEEF {
		return mapping.Check(f, keys, leefKeys(), version)
	}
	return mapping.Check(f, keys, cefKeys(), version)
}

func withMap(format string, b body, keys map[string]string) (body, error) {
	for _, p := range CheckMap(format, "", keys) {
		if !p.Warning {
			return nil, fmt.Errorf("map: %s: %s", p.Key, p.Text)
		}
	}
	plan, err := mapping.New(mapFormats[format], keys)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	return mapped{b, plan}, nil
}

// leefTypes are the predefined attributes that take no text.
var leefTypes = map[string]when.Type{
	"devTime": when.Time, "src": when.IP, "dst": when.IP, "srcPort": when.Number, "dstPort": when.Number, "identSrc": when.IP, "vSrc": when.IP,
	"srcPreNAT": when.IP, "dstPreNAT": when.IP, "srcPostNAT": when.IP, "dstPostNAT": when.IP, "srcBytes": when.Number, "dstBytes": when.Number,
	"srcPackets": when.Number, "dstPackets": when.Number, "totalPackets": when.Number,
	"srcPreNATPort": when.Number, "dstPreNATPort": when.Number, "srcPostNATPort": when.Number, "dstPostNATPort": when.Number,
}
