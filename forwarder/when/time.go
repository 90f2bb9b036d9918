package when

import "github.com/siemfwd/siemfwd/forwarder/record"

// parseTime reads an RFC 3339 time, with T or a space between date and time and any
// number of fraction digits (those beyond the ninth count for nothing), and returns it
// in nanoseconds since 1970.
func parseTime(b []byte) (nanos int64, ok bool) {
	const shape = "dddd-dd-ddTdd:dd:dd"
	if len(b) < len(shape)+1 {
		return 0, false
	}
	for i := range len(shape) {
		switch {
		case shape[i] == 'd':
			ok = b[i]-'0' <= 9
		case shape[i] == 'T':
			ok = b[i] == 'T' || b[i] == 't' || b[i] == ' '
		default:
			ok = b[i] == shape[i]
		}
		if !ok {
			return 0, false
		}
	}
	y, m, d := two(b[0:])*100+two(b[2:]), two(b[5:]), two(b[8:])
	hour, minute, second := two(b[11:]), two(b[14:]), two(b[17:])
	if y < 1678 || y > 2261 || m < 1 || m > 12 || d < 1 || d > 31 || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	b = b[len(shape):]
	fraction := int64(0)
	if b[0] == '.' {
		i := 1
		for unit := int64(1e8); i < len(b) && b[i]-'0' <= 9; i++ {
			fraction += int64(b[i]-'0') * unit
			unit /= 10
		}
		if i == 1 {
			return 0, false
		}
		b = b[i:]
	}
	offset, ok := zone(b)
	seconds := record.Days(y, m, d)*86400 + int64(hour*3600+minute*60+second-offset)
	return seconds*1e9 + fraction, ok
}

// zone reads Z or ±hh:mm and returns the seconds east of UTC.
func zone(b []byte) (seconds int, ok bool) {
	switch {
	case len(b) == 1:
		return 0, b[0] == 'Z' || b[0] == 'z'
	case len(b) != 6 || b[0] != '+' && b[0] != '-' || b[3] != ':':
		return 0, false
	}
	for _, i := range [...]int{1, 2, 4, 5} {
		if b[i]-'0' > 9 {
			return 0, false
		}
	}
	seconds = two(b[1:])*3600 + two(b[4:])*60
	if b[0] == '-' {
		seconds = -seconds
	}
	return seconds, two(b[1:]) <= 23 && two(b[4:]) <= 59
}

func two(b []byte) int { return int(b[0]-'0')*10 + int(b[1]-'0') }
