package generic

import (
	"embed"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/syslog-*.txtar
var syslogSamples embed.FS

// Syslog reads the header of a syslog message, RFC 5424, RFC 3164 or what devices make
// of it; the text behind it is the message. A record of a well-formed RFC 5424 message
// is rendered as RFC 5424 with the same header again.
var Syslog = kit.Vendor{
	Name:    "syslog",
	Product: "any syslog sender",
	Doc:     "syslog messages, RFC 5424 or RFC 3164: the header is read, the text is the message",
	Parse:   parseSyslog,
	Detect:  detectSyslog,
	Shape:   kit.Lines,
	Samples: syslogSamples,
}

// severities is the generic scale: emerg to debug on 0–10.
var severities = [8]int{10, 10, 9, 8, 5, 3, 1, 0}

var severityNames = [8]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// facilityNames are those of RFC 5424 table 1, by the names syslog.conf uses.
var facilityNames = [24]string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
	"authpriv", "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5",
	"local6", "local7"}

func detectSyslog(raw []byte) bool {
	return len(raw) > 2 && raw[0] == '<' && raw[1]-'0' <= 9
}

func parseSyslog(r *record.Record, raw []byte) error {
	h := kit.ReadHeader(raw, r.Received, r.Zone)
	readHeader(r, &h)
	r.Message = h.Body
	r.Vendor, r.Version = record.Bytes("Unknown"), record.Bytes("1.0")
	r.Product, r.Class, r.Name = record.Bytes("Syslog"), record.Bytes("syslog"), record.Bytes("Syslog message")
	if len(h.App) > 0 {
		r.Product, r.Class = h.App, h.App
	}
	if len(h.MsgID) > 0 {
		r.Class = h.MsgID
	}
	return nil
}

// readHeader puts what a syslog header says into the record: time, host, severity, the
// header values for rendering it again, and fields for each.
func readHeader(r *record.Record, h *kit.Header) {
	r.Time, r.Host, r.Syslog = h.Time, h.Host, h.Syslog
	r.Set(record.ProcessName, h.App)
	if number(h.ProcID) {
		r.Set(record.ProcessID, h.ProcID)
	}
	if h.Present {
		r.Severity = severities[h.Severity]
		r.AddPlain(record.Bytes("facility"), record.String, record.Bytes(facilityNames[h.Facility]))
		r.AddPlain(record.Bytes("severity"), record.String, record.Bytes(severityNames[h.Severity]))
	}
	addText(r, "host", h.Host)
	addText(r, "app", h.App)
	addText(r, "procid", h.ProcID)
	addText(r, "msgid", h.MsgID)
	sd := h.SD
	if len(h.LooseSD) > 0 {
		r.Warn("structured_data", nil)
		sd = h.LooseSD
		r.Syslog.SD = kit.RepairSD(r, sd)
	}
	if h.BadTime {
		r.Warn("time", nil)
	}
	addSD(r, sd)
}

func addText(r *record.Record, name string, text []byte) {
	if len(text) > 0 {
		kit.AddText(r, record.Bytes(name), text)
	}
}

// addSD adds structured data as a map of elements, each a map of its parameters.
func addSD(r *record.Record, data []byte) {
	if len(data) == 0 {
		return
	}
	r.Open(record.Bytes("structured_data"), record.Map)
	var elements, params kit.Names
	first := len(r.Fields)
	element := -1
	for sd := (kit.SD{Rest: data}); sd.Next(); {
		n := len(r.Fields)
		if sd.Param {
			kit.AddText(r, sd.Name, sd.Text(r))
			if params.Seen(r, element+1, n) >= 0 {
				params.Rename(r, element+1, n)
			}
			continue
		}
		if element >= 0 {
			r.Close()
		}
		r.Open(sd.Name, record.Map)
		if elements.Seen(r, first, n) >= 0 {
			elements.Rename(r, first, n)
		}
		element, params = n, kit.Names{}
	}
	if element >= 0 {
		r.Close()
	}
	r.Close()
}

func number(text []byte) bool {
	for _, c := range text {
		if c-'0' > 9 {
			return false
		}
	}
	return len(text) > 0 && len(text) < 10
}
