package cef

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Formatter renders records. Keys stand in one order for every vendor: times and
// identity, source, destination, device, file, process, what happened, custom slots
// each followed by its label, and the long ones last, so that a receiver that cuts
// loses least.
type Formatter struct{}

// Append appends r. It never fails.
func (f Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	return f.AppendMax(dst, r, text.NoLimit)
}

// errNoRoom is the answer for a header over the largest message.
var errNoRoom = errors.New("cef: message: the header alone is longer than the largest message")

// places are facts that stand together, in their order.
type places struct {
	any record.FactSet // of all
	all []place
}

// place is one fact and the key it is written under.
type place struct {
	fact record.Key
	key  *Key
}

// The facts, in the order of the output, split where other values stand between them.
var (
	sourceFacts = placesOf(record.SrcIP, record.SrcHost, record.SrcPort, record.SrcMAC)
	userFacts   = placesOf(record.UserName, record.UserID, record.UserDomain, record.SrcUserPrivileges)
	targetFacts = placesOf(record.DstIP, record.DstHost, record.DstPort, record.DstMAC,
		record.DstUser, record.DstUserID)
	deviceFacts   = placesOf(record.Service, record.DeviceID, record.DeviceFacility, record.DeviceIP)
	protocolFacts = placesOf(record.Protocol, record.App)
	fileFacts     = placesOf(record.FileName, record.FilePath, record.FileSize, record.FileHash,
		record.FileType, record.FileID)
	processFacts = placesOf(record.SrcProcessName, record.SrcProcessID, record.ProcessName, record.ProcessID)
	countFacts   = placesOf(record.Count, record.BytesIn, record.BytesOut)
	requestFacts = placesOf(record.URL, record.Referrer, record.RequestMethod, record.UserAgent, record.Reason)
)

func placesOf(facts ...record.Key) *places {
	p := &places{all: make([]place, len(facts))}
	for i, k := range facts {
		p.any[k/64] |= 1 << (k % 64)
		p.all[i] = place{k, key(record.Keys[k].CEF)}
	}
	return p
}

// key is the dictionary's entry for a name that stands in this program.
func key(name string) *Key { return &dictionary[index(name)] }

var (
	keyStart, keyEnd, keyRt = key("start"), key("end"), key("rt")
	keyID, keyHost          = key("externalId"), key("dvchost")
	keyAct, keyOutcome      = key("act"), key("outcome")
	keyCat, keyMsg          = key("cat"), key("msg")
)

// customKeys holds, for each of the record's slots, its key and its label's.
var customKeys = func() (t [len(record.Slots)]struct{ value, label *Key }) {
	for i := range record.Slots {
		t[i].value, t[i].label = key(record.Slots[i].CEF), key(record.Slots[i].Label)
	}
	return t
}()

// line is one event while it is written: what stands past end is taken back, pair by
// pair, and what waits for a slot is kept.
type line struct {
	end    int
	device []byte // IPv6 address of the device
	wide   [3]wide
	wides  int
}

// wide is an integer that its key is too narrow for.
type wide struct {
	key   *Key
	value []byte
}

// AppendMax appends r in at most limit octets: pairs that do not fit are left out, the
// message is cut. It fails when the header alone does not fit.
func (f Formatter) AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error) {
	base := len(dst)
	l := line{end: text.NoLimit}
	if limit < text.NoLimit-base {
		l.end = base + limit
	}
	dst = appendHeader(dst, &Event{
		Vendor: r.Vendor, Product: r.Product, Version: r.Version,
		Class: r.Class, Name: r.Name, Severity: r.Severity,
	})
	if len(dst) > l.end {
		return dst[:base], errNoRoom
	}
	start := len(dst)
	dst = l.times(dst, r)
	dst = l.pair(dst, keyID, r.ID)
	dst = l.facts(dst, r, sourceFacts)
	dst = l.facts(dst, r, userFacts)
	dst = l.facts(dst, r, targetFacts)
	dst = l.facts(dst, r, deviceFacts)
	if host := r.Get(record.DeviceHost); len(host) > 0 {
		dst = l.pair(dst, keyHost, host)
	} else {
		dst = l.pair(dst, keyHost, r.Host)
	}
	dst = l.facts(dst, r, protocolFacts)
	dst = l.facts(dst, r, fileFacts)
	dst = l.facts(dst, r, processFacts)
	dst = l.pair(dst, keyAct, r.Action)
	dst = l.pair(dst, keyOutcome, r.Outcome)
	dst = l.pair(dst, keyCat, r.Category)
	dst = l.facts(dst, r, countFacts)
	dst = l.slots(dst, r)
	dst = l.facts(dst, r, requestFacts)
	dst = l.message(dst, r.Message)
	if len(dst) > start {
		dst = dst[:len(dst)-1] // the SP behind the last pair
	}
	return dst, nil
}

func (l *line) times(dst []byte, r *record.Record) []byte {
	start := r.GetTime(record.Start)
	if start.IsZero() {
		start = r.GetTime(record.ObjectCreated)
	}
	dst = l.time(dst, keyRt, r.When())
	dst = l.time(dst, keyStart, start)
	return l.time(dst, keyEnd, r.GetTime(record.End))
}

func (l *line) time(dst []byte, k *Key, t record.Time) []byte {
	if t.IsZero() {
		return dst
	}
	mark := len(dst)
	return l.fit(appendMillis(dst, k, t), mark)
}

func appendMillis(dst []byte, k *Key, t record.Time) []byte {
	dst = append(dst, k.lead...)
	return append(appendInt(dst, t.Millis()), ' ')
}

// appendInt is strconv.AppendInt for the numbers that every event has several of: times
// between 2001 and 2286, which have 13 digits.
func appendInt(dst []byte, n int64) []byte {
	if n < 1e12 || n >= 1e13 {
		return strconv.AppendInt(dst, n, 10)
	}
	high, low := uint32(n/1e6), uint32(n%1e6)
	var b [13]byte
	for i := 6; i >= 0; i-- {
		b[i] = byte('0' + high%10)
		high /= 10
	}
	for i := 12; i > 6; i-- {
		b[i] = byte('0' + low%10)
		low /= 10
	}
	return append(dst, b[:]...)
}

// fit takes back what was appended since mark when it does not fit. The last SP does
// not count.
func (l *line) fit(dst []byte, mark int) []byte {
	if len(dst)-1 > l.end {
		return dst[:mark]
	}
	return dst
}

func (l *line) pair(dst []byte, k *Key, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	mark := len(dst)
	return l.fit(appendPair(dst, k, v), mark)
}

// known reports whether set has one of the facts.
func (p *places) known(set record.FactSet) bool {
	for i := range set {
		if set[i]&p.any[i] != 0 {
			return true
		}
	}
	return false
}

func (l *line) facts(dst []byte, r *record.Record, group *places) []byte {
	if !group.known(r.Facts()) {
		return dst
	}
	for i := range group.all {
		p := &group.all[i]
		if !r.Has(p.fact) {
			continue
		}
		v := r.Get(p.fact)
		switch p.key.Type {
		case IPv4:
			dst = l.address(dst, p, v)
		case Integer:
			if len(v) > 9 && tooWide(v) {
				if l.wides < len(l.wide) {
					l.wide[l.wides] = wide{p.key, v}
					l.wides++
				}
				continue
			}
			dst = l.pair(dst, p.key, v)
		default:
			dst = l.pair(dst, p.key, v)
		}
	}
	return dst
}

// address appends an IPv4 address under its key, an IPv6 address in the slot for it
// with its label; the device's slot stands among the others and has to wait.
func (l *line) address(dst []byte, p *place, v []byte) []byte {
	v4, v6 := address(trim(v))
	if len(v4) > 0 {
		mark := len(dst)
		dst = append(dst, p.key.lead...)
		return l.fit(append(append(dst, v4...), ' '), mark)
	}
	if len(v6) == 0 {
		return dst
	}
	slot := &ipv6Slots[0]
	switch p.fact {
	case record.DeviceIP:
		l.device = v6
		return dst
	case record.DstIP:
		slot = &ipv6Slots[1]
	}
	return l.labelled(dst, &dictionary[slot.value], v6, &dictionary[slot.label], slot.says)
}

// labelled appends a slot with its label, or neither.
func (l *line) labelled(dst []byte, k *Key, v []byte, label *Key, says string) []byte {
	mark := len(dst)
	if dst = appendPair(dst, k, v); len(dst) == mark {
		return dst
	}
	return l.fit(appendPair(dst, label, record.Bytes(says)), mark)
}

// slots appends the custom slots in their order: the record's own, and in free ones
// what waits for one.
func (l *line) slots(dst []byte, r *record.Record) []byte {
	if l.wides == 0 && l.device == nil {
		for s, ok := r.NextSlot(0); ok; s, ok = r.NextSlot(s + 1) {
			dst = l.slot(dst, r, s)
		}
		return dst
	}
	waiting := l.wide[:l.wides]
	for s := range record.Slot(len(record.Slots)) {
		k := &customKeys[s]
		switch {
		case r.HasSlot(s):
			dst = l.slot(dst, r, s)
		case s <= record.CN3 && len(waiting) > 0:
			dst = l.labelled(dst, k.value, waiting[0].value, k.label, waiting[0].key.Full)
			waiting = waiting[1:]
		case s == record.C6A1 && l.device != nil:
			dst = l.labelled(dst, k.value, l.device, k.label, ipv6Slots[2].says)
		}
	}
	return dst
}

func (l *line) slot(dst []byte, r *record.Record, s record.Slot) []byte {
	k := &customKeys[s]
	label, v, t := r.GetSlot(s)
	if t.IsZero() {
		return l.labelled(dst, k.value, v, k.label, label)
	}
	mark := len(dst)
	dst = appendPair(appendMillis(dst, k.value, t), k.label, record.Bytes(label))
	return l.fit(dst, mark)
}

// message appends the message, cut to the room there is: never inside a rune or an
// escape pair.
func (l *line) message(dst, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	mark := len(dst)
	dst = appendPair(dst, keyMsg, v)
	if len(dst)-1 <= l.end {
		return dst
	}
	at := mark + len("msg=")
	value := text.Cut(dst[at:len(dst)-1], l.end-at)
	if pairs := len(value) - len(bytes.TrimRight(value, `\`)); pairs%2 == 1 {
		value = value[:len(value)-1]
	}
	if value = bytes.TrimRight(value, " "); len(value) == 0 {
		return dst[:mark]
	}
	return append(dst[:at+len(value)], ' ')
}
