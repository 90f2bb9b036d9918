package tree

import (
	"math"

	"github.com/siemfwd/siemfwd/formatters/text"
)

// Numbers says how numbers are written.
type Numbers uint8

const (
	// AsSent writes a number as the vendor wrote it.
	AsSent Numbers = iota
	// Safe is for readers that hold numbers as doubles: an integer beyond 2^53-1, and
	// what overflows a double, is a string; an exponent is written out below 1e21.
	Safe
)

// Append appends s, which is a number as JSON has them.
func (n Numbers) Append(dst, s []byte) []byte {
	if n == AsSent || len(s) <= 15 && !hasExponent(s) {
		return append(dst, s...)
	}
	if hasExponent(s) {
		return appendPlainly(dst, s)
	}
	if _, integer := text.Number(s); integer && !exact(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	return append(dst, s...)
}

func hasExponent(s []byte) bool {
	for _, c := range s {
		if c|0x20 == 'e' {
			return true
		}
	}
	return false
}

// exact reports whether an integer is one that a double holds with both neighbours.
func exact(s []byte) bool {
	const most = 1<<53 - 1
	if s[0] == '-' {
		s = s[1:]
	}
	if len(s) > 16 {
		return false
	}
	var v uint64
	for _, c := range s {
		v = v*10 + uint64(c-'0')
	}
	return v <= most
}

// parts is a number that has an exponent, taken apart: its digits, without the dot, and
// how many of them stand before the dot once the exponent is written out.
type parts struct {
	negative bool
	whole    []byte // digits before the dot, as sent
	fraction []byte // and behind it
	point    int
}

func split(s []byte) (p parts) {
	if s[0] == '-' {
		p.negative, s = true, s[1:]
	}
	i := 0
	for s[i]-'0' <= 9 {
		i++
	}
	p.whole, s = s[:i], s[i:]
	if s[0] == '.' {
		i = 1
		for s[i]-'0' <= 9 {
			i++
		}
		p.fraction, s = s[1:i], s[i:]
	}
	s = s[1:]
	down := s[0] == '-'
	if down || s[0] == '+' {
		s = s[1:]
	}
	exponent := 0
	for _, c := range s {
		exponent = min(exponent*10+int(c-'0'), math.MaxInt32)
	}
	if down {
		exponent = -exponent
	}
	p.point = len(p.whole) + exponent
	return p
}

// digit i of the whole number, counted from the first; '0' outside.
func (p *parts) digit(i int) byte {
	switch {
	case i < 0, i >= len(p.whole)+len(p.fraction):
		return '0'
	case i < len(p.whole):
		return p.whole[i]
	}
	return p.fraction[i-len(p.whole)]
}

// first is the index of the first digit that is not zero; the number of digits when
// there is none.
func (p *parts) first() int {
	n := len(p.whole) + len(p.fraction)
	for i := range n {
		if p.digit(i) != '0' {
			return i
		}
	}
	return n
}

// appendPlainly appends a number that has an exponent.
func appendPlainly(dst, s []byte) []byte {
	const (
		large = 21  // digits before the dot from which on the exponent stays
		huge  = 308 // and from which on no double holds it
		small = -21
	)
	p := split(s)
	n := len(p.whole) + len(p.fraction)
	first := p.first()
	if first == n {
		return append(dst, '0')
	}
	switch size := p.point - first; {
	case size > huge:
		return append(append(append(dst, '"'), s...), '"')
	case size > large || size < small:
		return append(dst, s...)
	}
	if p.negative {
		dst = append(dst, '-')
	}
	if first >= p.point {
		dst = append(dst, '0')
	}
	for i := first; i < p.point; i++ {
		dst = append(dst, p.digit(i))
	}
	last := n
	for last > p.point && p.digit(last-1) == '0' {
		last--
	}
	if last > p.point {
		dst = append(dst, '.')
		for i := p.point; i < last; i++ {
			dst = append(dst, p.digit(i))
		}
	}
	return dst
}
