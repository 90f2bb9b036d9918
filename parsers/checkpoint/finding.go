package checkpoint

import (
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// finding is what the sentence about an event says: of data, whose tokens tell what
// their words mean, or else of the plain description.
type finding struct {
	text              []byte // of data, tokens replaced by their labels; nil when it has none
	actor             []byte
	sender, recipient []byte
	subject           []byte
	engine, verdict   []byte
	country           []byte
	ips               [mostIPs][]byte
	n                 int // of ips
}

// mostIPs bounds how many addresses are taken out of a sentence.
const mostIPs = 16

// find reads data and description.
func (e *event) find() {
	f := &e.found
	f.template(e.r, e.data)
	text := e.description
	if len(text) == 0 {
		text = f.text
	}
	f.sentence(text)
	if len(f.text) > 0 {
		// Where the two differ, as with emoji, data has more.
		text = f.text
	}
	f.country = country(text)
	if string(e.kind) == "anomaly" {
		f.addresses(text)
	}
}

// addFields adds what was found as the field "decoded".
func (f *finding) addFields(r *record.Record) {
	parts := [...]struct {
		name string
		text []byte
	}{
		{"text", f.text}, {"actor", f.actor}, {"sender", f.sender}, {"recipient", f.recipient}, {"subject", f.subject},
		{"engine", f.engine}, {"verdict", f.verdict}, {"country", f.country},
	}
	n := f.n
	for i := range parts {
		n += len(parts[i].text)
	}
	if n == 0 {
		return
	}
	r.Open(record.Bytes("decoded"), record.Map)
	for i := range parts {
		if p := &parts[i]; len(p.text) > 0 {
			kit.AddText(r, record.Bytes(p.name), p.text)
		}
	}
	if f.n > 0 {
		r.Open(record.Bytes("sourceIps"), record.List)
		for _, ip := range f.ips[:f.n] {
			r.AddPlain(nil, record.String, ip)
		}
		r.Close()
	}
	r.Close()
}

// public is the first address that can be one of the internet.
func (f *finding) public() []byte {
	for _, ip := range f.ips[:f.n] {
		if isPublic(ip) {
			return ip
		}
	}
	return nil
}
