package when

import (
	"errors"
	"math/big"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{"severity >= high", `fields."a b".c !~ "x\x00"`, "src.ip = 10.0.0.0/8", "name = 'it''s'", "fields.n > 1e400", "time<2026-11-20", "a = b and c = d", "user.name exists", "x==y"} {
		f.Add(s)
	}
	r := sample()
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			var e *Error
			require.True(t, errors.As(err, &e))
			assert.NotEmpty(t, e.Text)
			assert.True(t, 0 <= e.Offset && 0 <= e.Len && e.Offset+e.Len <= len(text), "%d+%d of %d: %s", e.Offset, e.Len, len(text), e.Text)
			return
		}
		got := c.Match(r)
		again, err := Parse(c.String())
		require.NoError(t, err)
		assert.Equal(t, got, again.Match(r))
		if opposite := map[op]op{equal: notEqual, match: notMatch, exists: missing}; c.op == equal || c.op == match || c.op == exists {
			negated := *c
			negated.op = opposite[c.op]
			assert.Equal(t, !got, negated.Match(r))
		}
		c.AppendValue(nil, r)
	})
}

func FuzzNumber(f *testing.F) {
	for _, s := range [][2]string{{"0", "-0.0e7"}, {"1", "1.0"}, {"0.05", "5e-2"}, {"-10", "-9.9"}, {"100", "1e2"}, {"18446744073709551616", "18446744073709551617"}, {"007", "7"}, {"1.5", "1.49999"}, {"123.456", "123.4560001"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, ok := parseNumber(a)
		y, both := parseNumber(b)
		if !ok || !both || max(x.exp, -x.exp, y.exp, -y.exp) > 2000 {
			return
		}
		p, ok := new(big.Rat).SetString(a)
		require.True(t, ok, a)
		q, ok := new(big.Rat).SetString(b)
		require.True(t, ok, b)
		assert.Equal(t, p.Cmp(q), x.compare(y), "%s and %s", a, b)
		assert.Equal(t, q.Cmp(p), y.compare(x), "%s and %s", b, a)
	})
}

func TestNumberGrammar(t *testing.T) {
	for _, s := range []string{"0", "-0", "7", "-7", "10.50", "1e5", "1E+5", "1.5e-3", "0.0", "12345678901234567890"} {
		_, ok := parseNumber(s)
		assert.True(t, ok, s)
	}
	for _, s := range []string{"", "-", "+1", "007", "00", "1.", ".5", "1e", "1e+", "1e1234567890", "0x10", "1 ", " 1", "1,5", "NaN", "1_0", "--1", "1.5.2"} {
		_, ok := parseNumber(s)
		assert.False(t, ok, s)
	}
}

func FuzzTime(f *testing.F) {
	// RFC 3339 to the letter: time.Parse alone takes more.
	shape := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.]\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	for _, s := range []string{"2026-11-20T10:00:00Z", "2026-11-20 10:00:00.123456789123+05:30", "2024-02-29T23:59:59-23:59", "1970-01-01t00:00:00z", "2026-11-20T10:00:00", "2026-13-20T10:00:00Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseTime([]byte(s))
		want, err := time.Parse(time.RFC3339Nano, s)
		if err == nil && shape.MatchString(s) && 1679 <= want.Year() && want.Year() <= 2260 {
			require.True(t, ok, s)
			assert.Equal(t, want.UnixNano(), got, s)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	for _, text := range []string{"severity >= high", "vendor = okta", "user.name ~ ^admin", "src.ip = 192.168.0.0/16", "fields.a.items.k = 3", "fields.risk > 99"} {
		c, err := Parse(text)
		require.NoError(b, err)
		filter := Filter{When: []*Cond{c}}
		r := sample()
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if pass, _ := filter.Decide(r); pass {
					b.Fatal("passes")
				}
			}
		})
	}
}
