// Package checkpoint reads the security events of Check Point Harmony Email &
// Collaboration (now Check Point Email Security, once Avanan) and says how its API is
// asked for them, in both generations: Infinity Portal with a bearer token, and the
// older Smart API with signed requests.
//
// The vendor documents its events loosely. What stands here was learned from its pages
// and from what clients of the API see; names, types and enumerations are taken as they
// come, and nothing is dropped for being odd.
package checkpoint

import (
	"bytes"
	"embed"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/*.txtar
var samples embed.FS

//go:embed README.md
var readme string

// Vendor reads one event at a time: an object of responseData.
var Vendor = kit.Vendor{
	Name:    "checkpoint",
	Product: "Check Point Harmony Email & Collaboration",
	Doc:     "Check Point Harmony Email & Collaboration: security events, by its API",
	Parse:   parse,
	Detect:  detect,
	Shape:   kit.Values,
	Samples: samples,
	Poll:    &poll,
	Unpack:  unpack,
	Readme:  readme,
}

func parse(r *record.Record, raw []byte) error {
	var e event
	return e.read(r, raw)
}

// detect recognises an event by names that stand together in no other product's.
func detect(raw []byte) bool {
	if !bytes.Contains(raw, record.Bytes(`"eventId"`)) || !bytes.Contains(raw, record.Bytes(`"saas"`)) {
		return false
	}
	var id, saas, more bool
	m := kit.Members(raw)
	for m.Next() {
		switch string(m.Name) {
		case "eventId":
			id = true
		case "saas":
			saas = true
		case "confidenceIndicator", "eventCreated", "availableEventActions":
			more = true
		}
	}
	return m.Err() == nil && id && saas && more
}

// unpack takes an answer of the API apart.
func unpack(value []byte, add func(event []byte)) bool {
	a, err := readAnswer(value)
	if err != nil {
		return false
	}
	a.each(add)
	return true
}
