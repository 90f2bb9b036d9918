package kit

import "math"

// decimal is a non-negative number: digits × 10^exp, trailing zeros of the fraction
// as written.
type decimal struct {
	digits uint64
	exp    int
}

func readDecimal(b []byte) (n decimal, ok bool) {
	i, seen, point := 0, 0, -1
	for ; i < len(b); i++ {
		c := b[i]
		if c == '.' && point < 0 && seen > 0 {
			point = i
			continue
		}
		if c-'0' > 9 {
			break
		}
		seen++
		switch {
		case n.digits < (math.MaxUint64-9)/10:
			n.digits = n.digits*10 + uint64(c-'0')
			if point >= 0 {
				n.exp--
			}
		case point < 0:
			n.exp++
		}
	}
	if seen == 0 || point == i-1 {
		return n, false
	}
	if i < len(b) {
		e, ok := readExponent(b[i:])
		n.exp += e
		return n, ok
	}
	return n, true
}

func readExponent(b []byte) (e int, ok bool) {
	if len(b) < 2 || b[0]|0x20 != 'e' {
		return 0, false
	}
	b = b[1:]
	neg := b[0] == '-'
	if neg || b[0] == '+' {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 3 {
		return 0, false
	}
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		e = e*10 + int(c-'0')
	}
	if neg {
		e = -e
	}
	return e, true
}

// scaled is the number times 10^shift, truncated; false when it does not fit.
func (n decimal) scaled(shift int) (int64, bool) {
	v, e := n.digits, n.exp+shift
	for ; e > 0 && v != 0; e-- {
		if v > math.MaxInt64/10 {
			return 0, false
		}
		v *= 10
	}
	for ; e < 0 && v != 0; e++ {
		v /= 10
	}
	return int64(v), v <= math.MaxInt64
}

// decimals is how many digits stand behind the decimal point.
func (n decimal) decimals() int { return min(9, max(0, -n.exp)) }
