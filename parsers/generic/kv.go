package generic

import (
	"embed"
	"errors"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/kv-*.txtar
var kvSamples embed.FS

// KV reads key=value pairs (see kit.Pairs), with or without a syslog header or other text
// before them. The names that vendor json knows, and those of firewalls, become header
// values and facts; numbers, true and false that stand without quotes are typed.
var KV = kit.Vendor{
	Name:    "kv",
	Product: "any product that writes key=value",
	Doc:     "key=value pairs separated by spaces, commas, semicolons or pipes, values in quotes or not",
	Parse:   parseKV,
	Detect:  detectKV,
	Shape:   kit.Lines,
	Samples: kvSamples,
}

var errNoPair = errors.New("no key=value pair")

func parseKV(r *record.Record, raw []byte) error {
	h := kit.ReadHeader(raw, r.Received, r.Zone)
	pairs := kit.Pairs{Rest: h.Body}
	if !pairs.Next() {
		return errNoPair
	}
	r.Host = h.Host
	r.Syslog.Present, r.Syslog.Facility, r.Syslog.Severity = h.Present, h.Facility, h.Severity
	front := pairs.Loose
	p := places{r: r}
	for ok := true; ok; ok = pairs.Next() {
		n := len(r.Fields)
		text := pairs.Text(r)
		if kind := kit.BareKind(text); kind != record.String && !pairs.Quoted {
			r.AddPlain(pairs.Key, kind, text)
		} else {
			kit.AddText(r, pairs.Key, text)
		}
		p.added(n)
	}
	readMembers(r, 0)
	readFirewall(r)
	if r.Time.IsZero() {
		r.Time = h.Time
	}
	if len(r.Message) == 0 {
		r.Message = front
	}
	if len(r.Message) == 0 {
		r.Message = h.Body
	}
	if len(h.App) > 0 {
		r.Set(record.ProcessName, h.App)
	}
	if len(r.Vendor) == 0 {
		r.Vendor = record.Bytes("Unknown")
	}
	if len(r.Product) == 0 {
		r.Product = record.Bytes("Key-value")
	}
	r.Version = record.Bytes("1.0")
	if len(r.Class) == 0 {
		r.Class = record.Bytes("kv")
	}
	if len(r.Name) == 0 {
		r.Name = record.Bytes("Key-value event")
	}
	setIdentityText(r, "kv|", h.Body)
	return nil
}

// detectKV wants three pairs at the front of the text behind the header.
func detectKV(raw []byte) bool {
	h := kit.ReadHeader(raw, someDay, nil)
	p := kit.Pairs{Rest: h.Body}
	n := 0
	for n < 3 && p.Next() && len(p.Loose) == 0 {
		n++
	}
	return n == 3
}

// firewallFacts are names that several firewalls use in the same sense.
var firewallFacts = kit.NewWords(map[string]record.Key{
	"srcip": record.SrcIP, "dstip": record.DstIP, "srcport": record.SrcPort, "dstport": record.DstPort, "spt": record.SrcPort,
	"dpt": record.DstPort, "sport": record.SrcPort, "dport": record.DstPort, "srcmac": record.SrcMAC, "dstmac": record.DstMAC,
	"srcname": record.SrcHost, "dstname": record.DstHost, "dstuser": record.DstUser, "usr": record.UserName, "suser": record.UserName,
	"duser": record.DstUser, "proto": record.Protocol, "protocol": record.Protocol, "app": record.App, "service": record.Service,
	"sentbyte": record.BytesOut, "rcvdbyte": record.BytesIn, "bytes_sent": record.BytesOut, "bytes_received": record.BytesIn,
	"policyid": record.PolicyID, "policyname": record.PolicyName, "policy": record.PolicyName, "rule": record.RuleName,
	"devid": record.DeviceID, "devname": record.DeviceHost, "request": record.URL, "reason": record.Reason,
})

// readFirewall sets facts by the names of firewalls, and the time that some of them
// write in two fields, date and time.
func readFirewall(r *record.Record) {
	var date, clock, zone []byte
	for i := range r.Fields {
		f := &r.Fields[i]
		switch string(f.Name) {
		case "date":
			date = f.Text
		case "time":
			clock = f.Text
		case "tz":
			zone = f.Text
		}
		if k, ok := firewallFacts.Find(f.Name); ok {
			setFact(r, k, f)
		}
	}
	if r.Time.IsZero() && len(date) > 0 && len(clock) > 0 {
		if t, ok := kit.ParseAny(r.Join("", r.Join(" ", date, clock), zone), r.Received, r.Zone); ok {
			r.Time = t
		}
	}
	if len(r.Host) == 0 {
		r.Host = r.Get(record.DeviceHost)
	}
}
