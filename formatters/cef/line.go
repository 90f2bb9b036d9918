package cef

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// line is one event while it is written: what stands past end is taken back, pair by
// pair, and what waits for a slot is kept.
type line struct {
	Formatter
	begin  int // of the extension
	end    int
	cut    int    // values that were cut or left out
	device []byte // IPv6 address of the device
	wide   [3]wide
	wides  int
}

// wide is an integer that its key is too narrow for.
type wide struct {
	key   *Key
	value []byte
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
	return l.fit(l.stamp(dst, k, t), mark)
}

// stamp appends a time and a SP.
func (l *line) stamp(dst []byte, k *Key, t record.Time) []byte {
	dst = append(dst, k.lead...)
	if l.TextTime {
		return appendTextTime(dst, t)
	}
	return append(appendInt(dst, t.Millis()), ' ')
}

// appendTextTime appends a time as "Nov 14 2023 22:13:20.123 UTC" and a SP.
func appendTextTime(dst []byte, t record.Time) []byte {
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	var b [32]byte
	s := t.Append(b[:0], 3) // 2023-11-14T22:13:20.123Z
	month := int(s[5]-'0')*10 + int(s[6]-'0')
	dst = append(dst, months[3*month-3:3*month]...)
	dst = append(append(append(dst, ' '), s[8:10]...), ' ')
	dst = append(append(append(dst, s[:4]...), ' '), s[11:23]...)
	return append(dst, " UTC "...)
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
		l.cut++
		return dst[:mark]
	}
	return dst
}

// longer reports whether a value has more characters than its key may have.
func longer(v []byte, limit int) bool {
	return utf8.RuneCount(trim(text.TrimBOM(v))) > limit
}

func (l *line) pair(dst []byte, k *Key, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	if k.Max > 0 && len(v) > k.Max && longer(v, k.Max) {
		l.cut++
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
				if l.wides == len(l.wide) {
					l.cut++
					continue
				}
				l.wide[l.wides] = wide{p.key, v}
				l.wides++
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
	if l.PlainIPv6 {
		mark := len(dst)
		dst = append(dst, p.key.lead...)
		return l.fit(append(append(dst, v6...), ' '), mark)
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
	if k.Max > 0 && len(v) > k.Max && longer(v, k.Max) {
		l.cut++
	}
	return l.fit(l.label(dst, label, says), mark)
}

// label appends the label of a slot and a SP.
func (l *line) label(dst []byte, k *Key, says string) []byte {
	if !l.SnakeLabels {
		return appendPair(dst, k, record.Bytes(says))
	}
	dst = append(dst, k.lead...)
	at := len(dst)
	if dst = appendSnake(dst, says, limitOf(k)); len(dst) == at {
		dst = appendSnake(dst, strings.TrimSuffix(k.Name, "Label"), limitOf(k))
	}
	return append(dst, ' ')
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
	l.cut += len(waiting)
	if l.device != nil && r.HasSlot(record.C6A1) {
		l.cut++
	}
	return dst
}

// extras appends what the sink's configuration adds, under keys that nothing else in the
// event has.
func (l *line) extras(dst []byte, r *record.Record) []byte {
	for i := range r.Extras {
		x := &r.Extras[i]
		if l.taken(dst, x.Key) {
			continue
		}
		if at := index(x.Key); at >= 0 {
			dst = l.pair(dst, &dictionary[at], x.Value)
			continue
		}
		mark := len(dst)
		dst = append(append(dst, x.Key...), '=')
		at := len(dst)
		if dst = appendValue(dst, x.Value, text.NoLimit); len(dst) == at {
			dst = dst[:mark]
			continue
		}
		dst = l.fit(append(dst, ' '), mark)
	}
	return dst
}

// taken reports whether the extension has a key: a "=" that is not escaped stands behind
// keys only.
func (l *line) taken(dst []byte, key string) bool {
	for rest := dst[l.begin:]; ; {
		at := bytes.Index(rest, record.Bytes(key))
		if at < 0 {
			return false
		}
		behind := at + len(key)
		if behind < len(rest) && rest[behind] == '=' && (at == 0 || rest[at-1] == ' ') {
			return true
		}
		rest = rest[at+1:]
	}
}

func (l *line) slot(dst []byte, r *record.Record, s record.Slot) []byte {
	k := &customKeys[s]
	label, v, t := r.GetSlot(s)
	if t.IsZero() {
		return l.labelled(dst, k.value, v, k.label, label)
	}
	mark := len(dst)
	return l.fit(l.label(l.stamp(dst, k.value, t), k.label, label), mark)
}

// message appends the message, cut to the room there is: never inside a rune or an
// escape pair.
func (l *line) message(dst, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	if len(v) > keyMsg.Max && longer(v, keyMsg.Max) {
		l.cut++
	}
	mark := len(dst)
	dst = appendPair(dst, keyMsg, v)
	if len(dst)-1 <= l.end {
		return dst
	}
	l.cut++
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
