package record

import "time"

// Time is an instant with the number of fraction digits its sender gave, so that it
// can be shown with the same precision. The zero Time means none.
type Time struct {
	Nanos  int64 // since 1970-01-01T00:00:00Z
	Digits uint8 // 0–9, as given
	set    bool
}

// At is t with the digits of its own precision.
func At(t time.Time) Time {
	n := t.UnixNano()
	d := uint8(9)
	switch {
	case n%1e6 == 0:
		d = 3
	case n%1e3 == 0:
		d = 6
	}
	return Time{n, d, !t.IsZero()}
}

// Unix is the instant nanos after 1970 with the given number of fraction digits.
func Unix(nanos int64, digits uint8) Time { return Time{nanos, digits, true} }

// IsZero reports whether there is no time.
func (t Time) IsZero() bool { return !t.set }

// Millis is the instant in milliseconds since 1970, truncated towards the past.
func (t Time) Millis() int64 { return floor(t.Nanos, 1e6) }

// Go is the instant as a time.Time in UTC.
func (t Time) Go() time.Time { return time.Unix(0, t.Nanos).UTC() }

// Append appends the instant as RFC 3339 in UTC with exactly digits fraction digits
// (0–9), truncated.
func (t Time) Append(dst []byte, digits int) []byte {
	sec := floor(t.Nanos, 1e9)
	days := floor(sec, 86400)
	rem := uint32(sec - days*86400)
	y, m, d := civil(days)
	b := [...]byte{4: '-', 7: '-', 10: 'T', 13: ':', 16: ':', 19: '.', 30: 0}
	two(b[0:], y/100)
	two(b[2:], y%100)
	two(b[5:], m)
	two(b[8:], d)
	two(b[11:], rem/3600)
	two(b[14:], rem/60%60)
	two(b[17:], rem%60)
	n := 19
	if digits > 0 {
		frac := uint32(t.Nanos - sec*1e9)
		three(b[20:], frac/1e6)
		if digits > 3 {
			three(b[23:], frac/1e3%1e3)
			three(b[26:], frac%1e3)
		}
		n += 1 + digits
	}
	b[n] = 'Z'
	return append(dst, b[:n+1]...)
}

// AppendJSON appends the instant as the record's JSON shows it: at least 3 digits,
// more where the sender gave more.
func (t Time) AppendJSON(dst []byte) []byte { return t.Append(dst, max(3, int(t.Digits))) }

func floor(n, by int64) int64 {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

// civil converts days since 1970-01-01 to a date of the proleptic Gregorian calendar,
// for every day that nanoseconds in an int64 reach.
func civil(days int64) (y, m, d uint32) {
	z := uint32(days + 719468)
	era := z / 146097
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = doy - (153*mp+2)/5 + 1
	m = mp + 3
	y = yoe + era*400
	if m > 12 {
		m -= 12
		y++
	}
	return y, m, d
}

// Days is the number of days from 1970-01-01 to a date of the proleptic Gregorian
// calendar; the inverse of what Append prints.
func Days(y, m, d int) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := floor(int64(y), 400)
	yoe := int64(y) - era*400
	doy := int64((153*(m-3)+2)/5 + d - 1)
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

func two(b []byte, n uint32) {
	b[0], b[1] = byte('0'+n/10), byte('0'+n%10)
}

func three(b []byte, n uint32) {
	b[0], b[1], b[2] = byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10)
}
