package kit_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/siemfwd/siemfwd/parsers/kit"
)

func TestIsIP(t *testing.T) {
	for in, want := range map[string]bool{
		"198.51.100.23": true, "2001:db8::1": true, "::": true, "::ffff:192.0.2.1": true,
		"0000:0000:0000:0000:0000:ffff:255.255.255.255": true,
		"": false, ":": false, "1.2.3": false, "1.2.3.4.5": false, "256.1.1.1": false, "fe80::1%eth0": false, "fe80::1%": false,
		"1.2.3.4/8": false, " 1.2.3.4": false, "unknown": false, strings.Repeat("1", 50): false,
	} {
		assert.Equal(t, want, kit.IsIP([]byte(in)), in)
	}
	v4, v6 := []byte("198.51.100.23"), []byte("2001:db8::1")
	assert.Zero(t, testing.AllocsPerRun(100, func() { kit.IsIP(v4); kit.IsIP(v6) }))
}

func TestIsHostName(t *testing.T) {
	for in, want := range map[string]bool{
		"payments.example.net": true, "a.b": true, "A-1.example.COM.": true, "xn--bcher-kva.example": true, "1.2.3.example": true,
		"": false, ".": false, "payments": false, "payments api": false, "-a.example": false, "a-.example": false, "a..b": false,
		".a.b": false, "*.example.net": false, "a_b.example": false, "192.0.2.1": false, "1.2.3": false, "bücher.example": false,
		"a.b/": false, "a.b:443": false, "a.@b": false, "a.[b": false, "a.`b": false, "a.{b": false,
		strings.Repeat("a", 63) + ".b":  true,
		strings.Repeat("a", 64) + ".b":  false,
		strings.Repeat("a.", 126) + "b": true,
		strings.Repeat("a.", 127) + "b": false,
	} {
		assert.Equal(t, want, kit.IsHostName([]byte(in)), in)
	}
}

func FuzzIsIP(f *testing.F) {
	f.Add("192.0.2.1")
	f.Add("2001:db8::192.0.2.1")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := netip.ParseAddr(s)
		assert.Equal(t, err == nil && a.Zone() == "", kit.IsIP([]byte(s)), s)
	})
}
