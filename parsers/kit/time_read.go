package kit

import (
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// cutTime reads a full date in one of ParseTime's forms from the front of b and
// returns what follows it. Text that could still belong to the time (a digit behind
// the seconds, a sign that is no offset) makes it fail.
func cutTime(b []byte) (t record.Time, z Zone, rest []byte, ok bool) {
	switch {
	case len(b) < 19:
	case b[4] == '-' && b[7] == '-':
		return cutRFC3339(b)
	case b[3] == ' ':
		return cutMonthFirst(b)
	}
	return record.Time{}, ZoneNone, b, false
}

func cutRFC3339(b []byte) (t record.Time, z Zone, rest []byte, ok bool) {
	_ = b[18]
	y1, y2 := two(b[0], b[1]), two(b[2], b[3])
	mon, day := two(b[5], b[6]), two(b[8], b[9])
	if c := b[10]; y1|y2|mon|day < 0 || c != 'T' && c != 't' && c != ' ' {
		return t, ZoneNone, b, false
	}
	sec, ok := clock(b[11:19])
	if !ok || !date(y1*100+y2, mon, day) {
		return t, ZoneNone, b, false
	}
	frac, digits, rest, ok := cutFraction(b[19:])
	if !ok {
		return t, ZoneNone, b, false
	}
	off, z, rest, ok := cutZone(rest)
	if !ok {
		return t, ZoneNone, b, false
	}
	t, ok = instant(y1*100+y2, mon, day, sec-off, frac, digits, sec)
	return t, z, rest, ok
}

// cutMonthFirst reads "Mmm d[d] yyyy hh:mm:ss[.fraction][ zone]".
func cutMonthFirst(b []byte) (t record.Time, z Zone, rest []byte, ok bool) {
	y, s, rest, ok := cutDateStamp(b)
	if !ok {
		return t, ZoneNone, b, false
	}
	s.off, z, rest = cutZoneWord(rest)
	t, ok = s.in(y)
	return t, z, rest, ok
}

// cutDateStamp reads "Mmm d[d] yyyy hh:mm:ss[.fraction]".
func cutDateStamp(b []byte) (year int, s stamp, rest []byte, ok bool) {
	mon, day, rest, ok := cutMonthDay(b)
	if !ok || len(rest) < len("2006 15:04:05") || rest[4] != ' ' {
		return 0, s, b, false
	}
	y1, y2 := two(rest[0], rest[1]), two(rest[2], rest[3])
	sec, ok := clock(rest[5:13])
	if !ok || y1|y2 < 0 || !date(y1*100+y2, mon, day) {
		return 0, s, b, false
	}
	frac, digits, rest, ok := cutFraction(rest[13:])
	if !ok {
		return 0, s, b, false
	}
	return y1*100 + y2, stamp{mon, day, sec, frac, digits, 0}, rest, true
}

// instant puts a date and its seconds (offset taken off) together. clockSec is the
// second of day as read; 86400 is second 60 of a leap.
func instant(y, mon, day, sec, frac, digits, clockSec int) (record.Time, bool) {
	if y < 1678 || y > 2261 {
		return record.Time{}, false
	}
	if clockSec >= leap {
		sec, frac = sec-leap-1, 999999999
	}
	return record.Unix((days(y, mon, day)*86400+int64(sec))*1e9+int64(frac), uint8(digits)), true
}

var monthStart = [13]uint16{0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}

// days is record.Days for the years that instant takes.
func days(y, mon, day int) int64 {
	n := uint(y - 1600) // years of a 400-year cycle that began in a leap year
	d := n*365 + uint(monthStart[mon]) + uint(day)
	if n > 0 {
		// Leap days before this year, and this year's when it is past.
		d += (n-1)/4 - (n-1)/100 + (n-1)/400 + 1
	}
	if mon > 2 && leapYear(y) {
		d++
	}
	const from1600 = 135140 + 1 // days from 1600-01-01 to 1970-01-01, and days count from 1
	return int64(d) - from1600
}

func leapYear(y int) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

// stamp is the time of RFC 3164: a date without a year, the second of the day, and
// the offset of its zone.
type stamp struct{ mon, day, sec, frac, digits, off int }

func (s *stamp) in(year int) (record.Time, bool) {
	return instant(year, s.mon, s.day, s.sec-s.off, s.frac, s.digits, s.sec)
}

func cutStamp(b []byte) (s stamp, rest []byte, ok bool) {
	mon, day, rest, ok := cutMonthDay(b)
	if !ok || len(rest) < len("15:04:05") {
		return s, b, false
	}
	sec, ok := clock(rest[:8])
	if !ok {
		return s, b, false
	}
	frac, digits, rest, ok := cutFraction(rest[8:])
	return stamp{mon, day, sec, frac, digits, 0}, rest, ok
}

// closest finds the latest year in which s is at most 24 hours after received.
func (s *stamp) closest(received time.Time, zone *time.Location) (record.Time, bool) {
	const day = 24 * int64(time.Hour)
	now, year := received.UnixNano(), received.Year()
	y := year
	if date(y, s.mon, s.day) {
		t, ok := s.in(y)
		ago := now - t.Nanos
		switch {
		case !ok:
		case ago > 362*day:
			y++ // New Year is near
		case ago > widest:
			return InZone(t, zone, received), true
		}
	}
	// A 29 February may be eight years back.
	for ; y > year-9; y-- {
		if !date(y, s.mon, s.day) {
			continue
		}
		t, ok := s.in(y)
		if !ok || t.Nanos-now > day+widest {
			continue
		}
		if t = InZone(t, zone, received); t.Nanos-now <= day {
			return t, true
		}
	}
	return record.Time{}, false
}

// widest is more than any zone's clock is ahead of UTC.
const widest = 27 * int64(time.Hour)

// cutMonthDay reads "Mmm d[d] " with the day padded by a space, a zero or nothing.
func cutMonthDay(b []byte) (mon, day int, rest []byte, ok bool) {
	if len(b) < len("Jan 2 15:04:05") || b[3] != ' ' {
		return 0, 0, b, false
	}
	if mon = month(b[0], b[1], b[2]); mon == 0 {
		return 0, 0, b, false
	}
	i := 4
	if b[i] == ' ' {
		i++
	}
	if day = int(b[i] - '0'); day > 9 {
		return 0, 0, b, false
	}
	i++
	if d := int(b[i]) - '0'; d >= 0 && d <= 9 {
		day = day*10 + d
		i++
	}
	if b[i] != ' ' || day < 1 || day > 31 {
		return 0, 0, b, false
	}
	return mon, day, b[i+1:], true
}

// month is 1 to 12 for the English abbreviation in any case, else 0.
func month(a, b, c byte) int {
	switch uint32(a|0x20)<<16 | uint32(b|0x20)<<8 | uint32(c|0x20) {
	case 'j'<<16 | 'a'<<8 | 'n':
		return 1
	case 'f'<<16 | 'e'<<8 | 'b':
		return 2
	case 'm'<<16 | 'a'<<8 | 'r':
		return 3
	case 'a'<<16 | 'p'<<8 | 'r':
		return 4
	case 'm'<<16 | 'a'<<8 | 'y':
		return 5
	case 'j'<<16 | 'u'<<8 | 'n':
		return 6
	case 'j'<<16 | 'u'<<8 | 'l':
		return 7
	case 'a'<<16 | 'u'<<8 | 'g':
		return 8
	case 's'<<16 | 'e'<<8 | 'p':
		return 9
	case 'o'<<16 | 'c'<<8 | 't':
		return 10
	case 'n'<<16 | 'o'<<8 | 'v':
		return 11
	case 'd'<<16 | 'e'<<8 | 'c':
		return 12
	}
	return 0
}

// leap marks a second of day that was written as second 60: leap is added to it.
const leap = 1 << 20

// clock reads hh:mm:ss as seconds of the day.
func clock(b []byte) (sec int, ok bool) {
	_ = b[7]
	h, m, s := two(b[0], b[1]), two(b[3], b[4]), two(b[6], b[7])
	if h|m|s < 0 || b[2] != ':' || b[5] != ':' || h > 23 || m > 59 || s > 60 {
		return 0, false
	}
	sec = h*3600 + m*60 + s
	if s == 60 {
		sec += leap
	}
	return sec, true
}

// two is the number two digits make, negative when one of them is none.
func two(a, b byte) int {
	a, b = a-'0', b-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}

var monthDays = [13]uint8{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func date(y, m, d int) bool {
	if m < 1 || m > 12 || d < 1 {
		return false
	}
	if d <= int(monthDays[m]) {
		return true
	}
	return m == 2 && d == 29 && leapYear(y)
}

// cutFraction reads an optional fraction of a second; more than 9 digits are cut.
func cutFraction(b []byte) (nanos, digits int, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' && b[0] != ',' {
		return 0, 0, b, len(b) == 0 || b[0]-'0' > 9
	}
	i := 1
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		if digits < 9 {
			nanos = nanos*10 + int(b[i]-'0')
			digits++
		}
	}
	if i == 1 {
		// A comma or full stop that ends a sentence.
		return 0, 0, b, true
	}
	for d := digits; d < 9; d++ {
		nanos *= 10
	}
	return nanos, digits, b[i:], true
}
