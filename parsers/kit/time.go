package kit

import (
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Zone says where the zone of a parsed time came from.
type Zone uint8

// The zones.
const (
	ZoneGiven   Zone = iota // an offset, or a name that can only mean UTC
	ZoneNone                // none was given; the time was read as UTC
	ZoneUnknown             // a name that does not fix an offset (CEST); the time was read as UTC
)

// ParseTime reads the two forms in which machines write a full date:
//
//	2026-11-20T10:11:12[.fraction][zone]     RFC 3339, Python isoformat
//	Nov 20 2026 10:11:12[.fraction] [zone]   Java, Cisco, CEF
//
// T and Z may be lower case, T may be a space, the fraction may follow a comma and
// keeps its digits (9 at most, the rest is cut), second 60 becomes the last
// nanosecond of second 59. A zone is Z, UTC, GMT, ±hh, ±hhmm or ±hh:mm; without one,
// and for any other name, the time is UTC (ParseTimeZone tells). Impossible dates and
// years that do not fit (before 1678, after 2261) are not times. It allocates nothing.
func ParseTime(text []byte) (record.Time, bool) {
	t, _, ok := ParseTimeZone(text)
	return t, ok
}

// ParseTimeZone is ParseTime that also says how the zone was known, so that a caller
// can warn, or apply a zone of its own with InZone.
func ParseTimeZone(text []byte) (record.Time, Zone, bool) {
	t, z, rest, ok := cutTime(text)
	if !ok || len(rest) != 0 {
		return record.Time{}, ZoneNone, false
	}
	return t, z, true
}

// InZone reads the wall clock that t shows in UTC as one of zone; nil is UTC. An hour
// that the zone's clock shows twice is the one nearer to the instant near; an hour it
// skips is counted on from before the gap.
func InZone(t record.Time, zone *time.Location, near time.Time) record.Time {
	if zone == nil || zone == time.UTC || t.IsZero() {
		return t
	}
	const day = 24 * int64(time.Hour)
	before, after := offset(t.Nanos-day, zone), offset(t.Nanos+day, zone)
	first, second := t.Nanos-before, t.Nanos-after
	nanos := first
	if before != after && offset(second, zone) == after {
		if offset(first, zone) != before || abs(second-near.UnixNano()) < abs(first-near.UnixNano()) {
			nanos = second
		}
	}
	return record.Unix(nanos, t.Digits)
}

func offset(nanos int64, zone *time.Location) int64 {
	_, sec := time.Unix(0, nanos).In(zone).Zone()
	return int64(sec) * int64(time.Second)
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// ParseStamp3164 reads the time of RFC 3164, "Mmm dd hh:mm:ss", which has neither
// year nor zone; a fraction is tolerated. zone is the sender's (nil: UTC), the year is
// the one that brings the time closest to received, but never more than 24 hours
// beyond it. It allocates nothing.
func ParseStamp3164(text []byte, received time.Time, zone *time.Location) (record.Time, bool) {
	s, rest, ok := cutStamp(text)
	if !ok || len(rest) != 0 {
		return record.Time{}, false
	}
	return s.closest(received, zone)
}

// ParseAny reads a time in any of the forms above and of ParseEpoch, where it is not
// known which. What has no zone is in zone, what has no year takes it from received.
func ParseAny(text []byte, received time.Time, zone *time.Location) (record.Time, bool) {
	if t, ok := ParseEpoch(text); ok {
		return t, true
	}
	t, z, rest, ok := cutTime(text)
	if ok && len(rest) == 0 {
		if z == ZoneNone {
			t = InZone(t, zone, received)
		}
		return t, true
	}
	t, _, rest, ok = bsdStamp(text, &arrival{received: received, zone: zone})
	return t, ok && len(rest) == 0
}

// ParseEpoch reads a number of seconds, milliseconds or nanoseconds since 1970, told
// apart by magnitude: below 13569465600 seconds, below 253402300800000 milliseconds,
// else nanoseconds. A fraction and an exponent are allowed. Negative numbers, and
// what does not fit 64 bits of nanoseconds, are not times.
func ParseEpoch(text []byte) (record.Time, bool) {
	n, ok := readDecimal(text)
	if !ok {
		return record.Time{}, false
	}
	whole, ok := n.scaled(0)
	if !ok {
		return record.Time{}, false
	}
	shift, digits := 0, 9
	switch {
	case whole < 13569465600:
		shift, digits = 9, n.decimals()
	case whole < 253402300800000:
		shift, digits = 6, 3+n.decimals()
	}
	nanos, ok := n.scaled(shift)
	if !ok {
		return record.Time{}, false
	}
	return record.Unix(nanos, uint8(min(9, digits))), true
}

// AddTime adds t as a field of kind String that holds RFC 3339 in UTC with at least
// three digits of fraction.
func AddTime(r *record.Record, name []byte, t record.Time) {
	r.Append(name, record.String, TimeText(r, t), plainText(name))
}

// TimeText is the text AddTime gives t; it lives as long as the record's event.
func TimeText(r *record.Record, t record.Time) []byte {
	return r.End(t.AppendJSON(r.Begin(len("2006-01-02T15:04:05.999999999Z"))))
}
