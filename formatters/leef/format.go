package leef

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Formatter renders records. Attributes stand in one order for every vendor: what QRadar
// normalises first, then the facts, custom values under their labels, and what can be
// long last, so that little is lost where there is no room. Values that were cut, or left
// out for want of room, are counted in the record's Shortened and announced by the
// attribute truncated=true. It may be used by any number of goroutines.
type Formatter struct {
	Encoder
	// TextTime writes devTime as text with its devTimeFormat, for readers that do not
	// know milliseconds since 1970.
	TextTime bool
	leads    [len(record.Keys)]string
}

// New checks o and returns a Formatter.
func New(o Options) (*Formatter, error) {
	e, err := NewEncoder(o)
	if err != nil {
		return nil, err
	}
	f := &Formatter{Encoder: *e}
	for k := range record.Keys {
		f.leads[k] = record.Keys[k].LEEF + "="
	}
	return f, nil
}

// Append appends r. It never fails.
func (f *Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	return f.AppendMax(dst, r, text.NoLimit)
}

const truncated = "truncated=true"

var errNoRoom = errors.New("leef: message: the header alone is longer than the largest message")

// AppendMax appends r in at most limit octets: attributes that do not fit are left out,
// the message is cut. It fails when the header alone does not fit.
func (f *Formatter) AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error) {
	base := len(dst)
	dst = f.appendHeader(dst, r.Vendor, r.Product, r.Version, r.Class)
	header := len(dst)
	l := line{Formatter: f, begin: header, end: text.NoLimit}
	dst = l.attributes(dst, r)
	if l.cut > 0 {
		dst = append(append(dst, truncated...), f.between...)
	}
	if dst = f.Encoder.end(dst, header); len(dst)-base > limit {
		room := base + limit - len(truncated)
		if room < header {
			r.Shortened = 0
			return dst[:base], errNoRoom
		}
		l = line{Formatter: f, begin: header, end: room}
		dst = append(l.attributes(dst[:header], r), truncated...)
	}
	r.Shortened = l.cut
	return dst, nil
}

// line is one event while it is written.
type line struct {
	*Formatter
	begin int // of the attributes
	end   int // no attribute with its delimiter goes beyond
	count int // of attributes
	cut   int // values that were cut or left out
}

// Facts in the order of the output, split where other values stand between them.
var (
	parties = []record.Key{
		record.SrcIP, record.SrcHost, record.SrcPort, record.SrcMAC, record.UserName, record.UserID, record.UserDomain,
		record.SrcUserPrivileges, record.DstIP, record.DstHost, record.DstPort, record.DstMAC, record.DstUser, record.DstUserID,
		record.Protocol, record.App, record.BytesIn, record.BytesOut, record.PolicyName, record.PolicyID,
	}
	devices = []record.Key{record.Service, record.DeviceID, record.DeviceFacility, record.DeviceIP}
	objects = []record.Key{
		record.FileName, record.FilePath, record.FileSize, record.FileHash, record.FileType, record.FileID,
		record.ProcessName, record.ProcessID, record.SrcProcessName, record.SrcProcessID, record.RuleName, record.RuleID,
		record.ObjectID, record.ObjectType, record.ObjectCreated, record.ThreatName, record.ThreatCategory,
		record.ThreatTactic, record.ThreatTechnique, record.Count, record.Start, record.End, record.Replay,
	}
	longs = []record.Key{
		record.RequestMethod, record.UserAgent, record.Reason, record.ObjectName, record.Referrer, record.URL,
	}
)

func (l *line) attributes(dst []byte, r *record.Record) []byte {
	dst = l.time(dst, r.When())
	mark := len(dst)
	dst = append(strconv.AppendInt(append(dst, "sev="...), int64(min(max(r.Severity, 1), 10)), 10), l.between...)
	dst = l.fit(dst, mark)
	dst = l.attribute(dst, "cat=", r.Category, text.NoLimit)
	dst = l.facts(dst, r, parties)
	dst = l.attribute(dst, "action=", r.Action, text.NoLimit)
	dst = l.attribute(dst, "outcome=", r.Outcome, text.NoLimit)
	dst = l.attribute(dst, "externalId=", r.ID, text.NoLimit)
	dst = l.attribute(dst, "eventName=", r.Name, text.NoLimit)
	dst = l.facts(dst, r, devices)
	if host := r.Get(record.DeviceHost); len(host) > 0 {
		dst = l.attribute(dst, "deviceHost=", host, text.NoLimit)
	} else {
		dst = l.attribute(dst, "deviceHost=", r.Host, text.NoLimit)
	}
	dst = l.facts(dst, r, objects)
	dst = l.slots(dst, r)
	for i := range r.Extras {
		dst = l.extra(dst, &r.Extras[i])
	}
	if l.version1 && l.count < 3 {
		// Some readers take a line with fewer than four for one without TABs.
		mark := len(dst)
		dst = append(r.AppendUID(append(dst, "uid="...)), l.between...)
		dst = l.fit(dst, mark)
		dst = l.stamp(dst, "received=", record.At(r.Received))
	}
	dst = l.facts(dst, r, longs)
	return l.message(dst, r.Message)
}

// time appends the event's time: in milliseconds since 1970, which QRadar knows by their
// thirteen digits, or as text.
func (l *line) time(dst []byte, t record.Time) []byte {
	if t.IsZero() {
		return dst
	}
	if ms := t.Millis(); !l.TextTime && ms >= 1e12 && ms < 1e13 {
		return l.stamp(dst, "devTime=", t)
	}
	const lead, format = "devTime=", "devTimeFormat=MMM dd yyyy HH:mm:ss.SSS z"
	mark := len(dst)
	dst = appendTextTime(append(dst, lead...), t)
	dst = append(append(append(dst, l.between...), format...), l.between...)
	return l.fit(dst, mark)
}

// appendTextTime appends a time as "Nov 14 2023 22:13:20.123 GMT".
func appendTextTime(dst []byte, t record.Time) []byte {
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	var b [30]byte
	s := t.Append(b[:0], 3) // 2023-11-14T22:13:20.123Z
	month := int(s[5]-'0')*10 + int(s[6]-'0')
	dst = append(dst, months[3*month-3:3*month]...)
	dst = append(append(append(dst, ' '), s[8:10]...), ' ')
	dst = append(append(append(dst, s[:4]...), ' '), s[11:23]...)
	return append(dst, " GMT"...)
}

// stamp appends a time in milliseconds since 1970.
func (l *line) stamp(dst []byte, lead string, t record.Time) []byte {
	if t.IsZero() {
		return dst
	}
	mark := len(dst)
	dst = append(strconv.AppendInt(append(dst, lead...), t.Millis(), 10), l.between...)
	return l.fit(dst, mark)
}

// fit counts what was appended since mark, or takes it back when it does not fit.
func (l *line) fit(dst []byte, mark int) []byte {
	if len(dst) > l.end {
		l.cut++
		return dst[:mark]
	}
	l.count++
	return dst
}

// attribute appends one attribute; lead is its key with "=".
func (l *line) attribute(dst []byte, lead string, v []byte, limit int) []byte {
	if len(v) == 0 {
		return dst
	}
	mark := len(dst)
	if len(v) <= limit && v[0] != ' ' && len(l.between) == 1 {
		var ok bool
		if dst, ok = text.AppendClean(dst, lead, v, l.stops, l.between[0]); ok {
			return l.fit(dst, mark)
		}
	}
	dst = append(dst, lead...)
	at := len(dst)
	dst, cut := l.appendValue(dst, v, limit)
	if len(dst) == at {
		return dst[:mark]
	}
	if cut {
		l.cut++
	}
	return l.fit(append(dst, l.between...), mark)
}

// extra appends what the sink's configuration adds, under a key that nothing else in the
// event has.
func (l *line) extra(dst []byte, x *record.Extra) []byte {
	mark := len(dst)
	dst = append(append(dst, x.Key...), '=')
	lead := dst[mark:]
	for at := l.begin; at < mark; {
		if bytes.HasPrefix(dst[at:mark], lead) {
			return dst[:mark]
		}
		next := bytes.Index(dst[at:mark], l.between)
		if next < 0 {
			break
		}
		at += next + len(l.between)
	}
	at := len(dst)
	dst, cut := l.appendValue(dst, x.Value, attributeOf(record.Bytes(x.Key)).limit())
	if len(dst) == at {
		return dst[:mark]
	}
	if cut {
		l.cut++
	}
	return l.fit(append(dst, l.between...), mark)
}

func (l *line) facts(dst []byte, r *record.Record, facts []record.Key) []byte {
	for _, k := range facts {
		if !r.Has(k) {
			continue
		}
		switch v := r.Get(k); {
		case record.Keys[k].Kind == record.FactTime:
			dst = l.stamp(dst, l.leads[k], r.GetTime(k))
		case record.Keys[k].Kind == record.FactIP:
			dst = l.attribute(dst, l.leads[k], address(v), text.NoLimit)
		case k == record.UserName:
			dst = l.attribute(dst, l.leads[k], v, 255)
		default:
			dst = l.attribute(dst, l.leads[k], v, text.NoLimit)
		}
	}
	return dst
}

// address is v without a zone; nil when it is no address.
func address(v []byte) []byte {
	if text.IPv4(v) {
		return v
	}
	if at := bytes.IndexByte(v, '%'); at >= 0 {
		v = v[:at]
	}
	if text.IPv6(v) {
		return v
	}
	return nil
}

// message appends the message, cut to the room there is.
func (l *line) message(dst, v []byte) []byte {
	const lead = "msg="
	mark := len(dst)
	dst = l.attribute(dst, lead, v, text.NoLimit)
	if len(dst) > mark || l.end == text.NoLimit {
		return dst
	}
	room := l.end - mark - len(lead) - len(l.between)
	at := mark + len(lead)
	dst, _ = l.appendValue(append(dst, lead...), v, text.NoLimit)
	value := bytes.TrimRight(text.Cut(dst[at:], room), " ")
	if len(value) == 0 {
		return dst[:mark]
	}
	return append(dst[:at+len(value)], l.between...)
}
