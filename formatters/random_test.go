package formatters_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// generator makes records that a parser could make of what somebody hostile sent.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 42))} }

func (g generator) one(of ...string) string { return of[g.IntN(len(of))] }

// plain and hostile are what texts are put together from.
var (
	plain   = strings.Fields("alert user upload box Quarantine 42 C:\\Temp 10.0.0.1 https://x.example/?a=b&c=d zoë 日本 report.xlsx")
	hostile = []string{
		"=", "|", `\`, "\n", "\r", "\r\n", "\x00", "\t", "^", "]", "[", `"`, "'", "\u2028", "\u2029", "\u0085", "\u200f", "\u202e", "\ufeff", "\x7f", "\x1b[31m", "\u0080",
		"<13>1 ", "<14>Nov 14 22:13:20 h ", "CEF:0|a|b|1|c|n|9|", "LEEF:2.0|a|b|1|c|^|", " src=1.2.3.4", "^src=1.2.3.4", "\tsrc=1.2.3.4", "|10|src=6.6.6.6", ` cs1Label=evil`,
		`\n`, `\r`, `\=`, `\|`, `\"`, `"] [evil@1 a="b`, `","src":{"ip":"6.6.6.6"},"x":"`, "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x80", "0 ", "17 <13>1 x", "🔥",
		"</script>", "%s", "${env:X}", "#012", "#", " ", "  ", "-",
	}
)

func (g generator) text() []byte {
	switch n := g.IntN(20); {
	case n < 8:
		var b []string
		for range 1 + g.IntN(3) {
			b = append(b, g.one(plain...))
		}
		return []byte(strings.Join(b, " "))
	case n < 15:
		var b []byte
		for range 1 + g.IntN(5) {
			b = append(append(b, g.one(hostile...)...), g.one(append(plain, "", "")...)...)
		}
		return b
	case n < 17:
		b := make([]byte, g.IntN(20))
		for i := range b {
			b[i] = byte(g.Uint32())
		}
		return b
	case n < 18:
		var b strings.Builder
		for range g.IntN(12) {
			b.WriteRune(rune(g.IntN(0x3000)))
		}
		return []byte(b.String())
	case n < 19:
		return bytes.Repeat([]byte(g.one("é", "ab", `\`, "=", "| ")), g.IntN(700))
	}
	return nil
}

var (
	numbers   = []string{"0", "7", "443", "2147483647", "2147483648", "5000000000", "9007199254740993", "9223372036854775807", "-1", "-0", "007", "2.000", "1.5", "1e3", "many", " 42 "}
	addresses = []string{"192.0.2.1", "10.0.0.255", "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.7", "::FFFF:192.0.2.7", "::", "1.2.3", "laptop-7", "1.2.3.4 src=6.6.6.6", "01.2.3.4"}
	macs      = []string{"00:50:56:c0:00:08", "00-50-56-C0-00-08", "0050.56c0.0008", "00:50:56", "mac"}
	labels    = []string{"PolicyName", "Tags", "Row0", "TenantId", "Asset Type", "src", "msg", "cs1", "", "é=", "x src=1.2.3.4", "a^b|c\n", "adTruncated", "Truncated"}
)

func (g generator) time() record.Time {
	return record.Unix([]int64{0, -1, 1700000000_123456789, 999999999_999999999, 1e18, -1e18, g.Int64N(4e18)}[g.IntN(7)], uint8(g.IntN(10)))
}

// record fills r. Everything it points to is its own.
func (g generator) record(r *record.Record) {
	r.Reset()
	r.Source, r.Position = g.one("skyhigh", "a b", "é"), g.Uint64N(1000)
	r.Received = time.Unix(1_700_000_000+g.Int64N(1e8), g.Int64N(1e9)).UTC()
	r.Raw = g.text()
	if g.IntN(10) > 0 {
		r.Time = g.time()
	}
	for _, p := range []*[]byte{&r.Vendor, &r.Product, &r.Version, &r.ID, &r.Class, &r.Name, &r.Category, &r.Action, &r.Outcome, &r.Message, &r.Host, &r.Identity} {
		if g.IntN(4) > 0 {
			*p = g.text()
		}
	}
	r.Severity = g.IntN(14) - 2
	if g.IntN(3) == 0 {
		r.Peer = netip.MustParseAddr(g.one("192.0.2.9", "2001:db8::9", "::ffff:10.0.0.1"))
	}
	for k := range record.Key(len(record.Keys)) {
		if g.IntN(3) > 0 {
			continue
		}
		switch {
		case record.Keys[k].Kind == record.FactTime:
			r.SetTime(k, g.time())
		case record.Keys[k].Kind == record.FactNumber:
			r.Set(k, []byte(g.one(numbers...)))
		case record.Keys[k].Kind == record.FactIP:
			r.Set(k, []byte(g.one(addresses...)))
		case k == record.SrcMAC || k == record.DstMAC:
			r.Set(k, []byte(g.one(macs...)))
		default:
			r.Set(k, g.text())
		}
	}
	for s := range record.Slot(len(record.Slots)) {
		switch {
		case g.IntN(5) > 0:
		case s >= record.FlexDate1:
			r.SetSlotTime(s, g.one(labels...), g.time())
		case s <= record.CN3 || s == record.FlexNumber1 || s == record.FlexNumber2:
			r.SetSlot(s, g.one(labels...), []byte(g.one(numbers...)))
		case s == record.C6A1 || s == record.C6A4:
			r.SetSlot(s, g.one(labels...), []byte(g.one(addresses...)))
		default:
			r.SetSlot(s, g.one(labels...), g.text())
		}
	}
	g.fields(r, 3, true)
	for range g.IntN(3) {
		r.Warn(g.one("guessed", "truncated", "missing_equals"), g.text())
	}
}

// fields adds members or items, whose names are different within one map.
func (g generator) fields(r *record.Record, depth int, named bool) {
	for i := range g.IntN(5) {
		var name []byte
		if named {
			name = fmt.Appendf(g.text(), "%d", i)
		}
		switch kind := record.Kind(g.IntN(6)); {
		case (kind == record.List || kind == record.Map) && depth > 0:
			r.Open(name, kind)
			g.fields(r, depth-1, kind == record.Map)
			r.Close()
		case kind == record.Number:
			r.Add(name, kind, []byte(g.one(numbers...)))
		case kind == record.Bool:
			r.Add(name, kind, []byte(g.one("true", "false")))
		case kind == record.Null:
			r.Add(name, kind, nil)
		default:
			r.Add(name, record.String, g.text())
		}
	}
}
