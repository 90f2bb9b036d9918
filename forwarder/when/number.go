package when

// number is a JSON number, taken apart so that two can be compared exactly, without a
// detour through a float: ±0.DIGITS × 10^exp, where digits begins with a digit other
// than 0 and may hold the decimal point, which counts for nothing.
type number struct {
	digits string // empty: zero
	exp    int
	neg    bool
}

// parseNumber reads s, which must be a JSON number (RFC 8259 section 6) as a whole:
// no plus sign, no leading zeros. The number points into s.
func parseNumber(s string) (n number, ok bool) {
	i := 0
	if i < len(s) && s[i] == '-' {
		n.neg = true
		i++
	}
	start := i
	i = digits(s, i)
	whole := i - start
	if whole == 0 || whole > 1 && s[start] == '0' {
		return number{}, false
	}
	end := i
	if i < len(s) && s[i] == '.' {
		end = digits(s, i+1)
		if end == i+1 {
			return number{}, false
		}
		i = end
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if n.exp, i, ok = exponent(s, i+1); !ok {
			return number{}, false
		}
	}
	if i != len(s) {
		return number{}, false
	}
	n.exp += whole
	n.digits = s[start:end]
	for n.digits != "" && (n.digits[0] == '0' || n.digits[0] == '.') {
		if n.digits[0] == '0' {
			n.exp--
		}
		n.digits = n.digits[1:]
	}
	if n.digits == "" {
		return number{}, true
	}
	return n, true
}

// exponent reads [+-]DIGITS at s[i:], of which the magnitude stays below 10^9.
func exponent(s string, i int) (exp, next int, ok bool) {
	neg := false
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		neg = s[i] == '-'
		i++
	}
	next = digits(s, i)
	if next == i || next-i > 9 {
		return 0, next, false
	}
	for ; i < next; i++ {
		exp = exp*10 + int(s[i]-'0')
	}
	if neg {
		exp = -exp
	}
	return exp, next, true
}

func digits(s string, i int) int {
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	return i
}

// compare returns -1, 0 or 1 as n is below, equal to or above m.
func (n number) compare(m number) int {
	switch {
	case n.digits == "" && m.digits == "":
		return 0
	case n.digits == "":
		return sign(m.neg)
	case m.digits == "":
		return -sign(n.neg)
	case n.neg != m.neg:
		return -sign(n.neg)
	}
	if n.exp != m.exp {
		return sign((n.exp > m.exp) != n.neg)
	}
	return magnitude(n.digits, m.digits) * sign(!n.neg)
}

// sign is 1 for true and -1 for false.
func sign(positive bool) int {
	if positive {
		return 1
	}
	return -1
}

// magnitude compares digits that stand at the same power of ten.
func magnitude(a, b string) int {
	for i, j := 0, 0; i < len(a) || j < len(b); {
		var x, y byte
		x, i = digit(a, i)
		y, j = digit(b, j)
		if x != y {
			return sign(x > y)
		}
	}
	return 0
}

// digit returns the digit at s[i:], past a decimal point, and where the next one is;
// beyond the end there are only zeros.
func digit(s string, i int) (d byte, next int) {
	if i < len(s) && s[i] == '.' {
		i++
	}
	if i >= len(s) {
		return '0', i
	}
	return s[i], i + 1
}
