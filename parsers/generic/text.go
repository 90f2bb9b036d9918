package generic

import (
	"embed"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/text-*.txtar
var textSamples embed.FS

// Text takes an event as it is: the whole of it is the message. A syslog header is part
// of the message; `vendor: syslog` reads it.
var Text = kit.Vendor{
	Name:    "text",
	Product: "any text",
	Doc:     "any text: the whole event is the message",
	Parse:   parseText,
	Shape:   kit.Lines,
	Samples: textSamples,
}

func parseText(r *record.Record, raw []byte) error {
	r.Vendor, r.Product, r.Version = record.Bytes("Unknown"), record.Bytes("Text"), record.Bytes("1.0")
	r.Class, r.Name = record.Bytes("text"), record.Bytes("Text")
	r.Message = raw
	return nil
}
