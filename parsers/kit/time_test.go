package kit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

func TestParseTime(t *testing.T) {
	for _, c := range []struct {
		in, want string
		digits   uint8
		zone     kit.Zone
	}{
		{"2026-11-20T10:11:12Z", "2026-11-20T10:11:12Z", 0, kit.ZoneGiven},
		{"2026-11-20t10:11:12z", "2026-11-20T10:11:12Z", 0, kit.ZoneGiven},
		{"2026-11-20 10:11:12", "2026-11-20T10:11:12Z", 0, kit.ZoneNone},
		{"2026-11-20 10:11:12 UTC", "2026-11-20T10:11:12Z", 0, kit.ZoneGiven},
		{"2026-11-20 10:11:12 +0200", "2026-11-20T08:11:12Z", 0, kit.ZoneGiven},
		{"2026-11-20T10:11:12.5-08:00", "2026-11-20T18:11:12.5Z", 1, kit.ZoneGiven},
		{"2026-11-20T10:11:12,042+05", "2026-11-20T05:11:12.042Z", 3, kit.ZoneGiven},
		{"2021-01-19T12:04:15.714371+00:00", "2021-01-19T12:04:15.714371Z", 6, kit.ZoneGiven},
		{"2021-01-19T12:04:15.714371", "2021-01-19T12:04:15.714371Z", 6, kit.ZoneNone},
		{"2026-11-20T10:11:12.123456789Z", "2026-11-20T10:11:12.123456789Z", 9, kit.ZoneGiven},
		{"2026-11-20T10:11:12.1234567899999Z", "2026-11-20T10:11:12.123456789Z", 9, kit.ZoneGiven},
		{"2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999999Z", 0, kit.ZoneGiven},
		{"2016-12-31T18:59:60.250-05:00", "2016-12-31T23:59:59.999999999Z", 3, kit.ZoneGiven},
		{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", 0, kit.ZoneGiven},
		{"1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z", 3, kit.ZoneGiven},
		{"May 17 2019 03:31:52.000 UTC", "2019-05-17T03:31:52Z", 3, kit.ZoneGiven},
		{"Mar  3 2025 08:59:58.120 GMT", "2025-03-03T08:59:58.12Z", 3, kit.ZoneGiven},
		{"mar 3 2025 08:59:58 Z", "2025-03-03T08:59:58Z", 0, kit.ZoneGiven},
		{"MAR 03 2025 08:59:58Z", "2025-03-03T08:59:58Z", 0, kit.ZoneGiven},
		{"Mar 03 2025 08:59:58 +0530", "2025-03-03T03:29:58Z", 0, kit.ZoneGiven},
		{"Mar 03 2025 08:59:58 -08:00", "2025-03-03T16:59:58Z", 0, kit.ZoneGiven},
		{"Mar 03 2025 08:59:58 GMT+05:30", "2025-03-03T03:29:58Z", 0, kit.ZoneGiven},
		{"Mar 03 2025 08:59:58 CEST", "2025-03-03T08:59:58Z", 0, kit.ZoneUnknown},
		{"Mar 03 2025 08:59:58", "2025-03-03T08:59:58Z", 0, kit.ZoneNone},
		{"Dec 31 2016 23:59:60 UTC", "2016-12-31T23:59:59.999999999Z", 0, kit.ZoneGiven},
	} {
		got, zone, ok := kit.ParseTimeZone([]byte(c.in))
		require.True(t, ok, c.in)
		assert.Equal(t, c.want, got.Go().Format(time.RFC3339Nano), c.in)
		assert.Equal(t, c.digits, got.Digits, c.in)
		assert.Equal(t, c.zone, zone, c.in)
		_, ok = kit.ParseTime([]byte(c.in))
		assert.True(t, ok, c.in)
	}
	for _, in := range []string{
		"", "x", "2026-11-20", "2026-11-20T10:11", "2026-11-20T10:11:12Zx", "2026-11-20T10:11:123Z", "2026-13-20T10:11:12Z",
		"2026-02-30T10:11:12Z", "2025-02-29T10:11:12Z", "1900-02-29T00:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T10:60:12Z",
		"2026-11-20T10:11:61Z", "2026-00-20T10:11:12Z", "2026-11-00T10:11:12Z", "2026-11-20T10:11:12.Z", "2026-11-20T10:11:12+1",
		"2026-11-20T10:11:12+24:00", "2026-11-20T10:11:12+02:60", "2026-11-20T10:11:12+02:000", "2026-11-20_10:11:12Z",
		"2026-11-20T10-11-12Z", "20x6-11-20T10:11:12Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
		"Nox 20 2026 10:11:12", "Nov 32 2026 10:11:12", "Nov 0 2026 10:11:12", "Nov 20 10:11:12", "Nov 20 2026 10:11:12 host",
		"Nov 20 2026 10:11:12 UTCxy", "Feb 29 2025 10:11:12", "November 20 2026 10:11:12", "Nov 20 2026 10:11:12 UTC host",
		"Nov 120 2026 10:11:12", "Nov 20  2026 10:11:12", "false positive text", "1.2.3-4.5-6 and more text",
	} {
		_, ok := kit.ParseTime([]byte(in))
		assert.False(t, ok, in)
	}
}

// The closest year: around New Year, leap days and the 24-hour rule.
func TestParseStamp3164Year(t *testing.T) {
	for _, c := range []struct{ in, received, want string }{
		{"Nov 20 10:11:12", "2026-11-20T10:11:13Z", "2026-11-20T10:11:12Z"},
		{"Aug 15 16:58:16", "2026-11-20T10:11:13Z", "2026-08-15T16:58:16Z"},
		{"Dec 31 23:59:59", "2026-11-20T10:11:13Z", "2025-12-31T23:59:59Z"},
		{"Dec 31 23:59:59", "2027-01-01T00:00:00Z", "2026-12-31T23:59:59Z"},
		{"Jan  1 00:00:01", "2026-12-31T23:59:59Z", "2027-01-01T00:00:01Z"},
		{"Jan 01 00:00:01", "2026-12-30T23:59:59Z", "2026-01-01T00:00:01Z"},
		{"Nov 21 10:11:13", "2026-11-20T10:11:13Z", "2026-11-21T10:11:13Z"},
		{"Nov 21 10:11:14", "2026-11-20T10:11:13Z", "2025-11-21T10:11:14Z"},
		{"Feb 29 12:00:00", "2026-11-20T10:11:13Z", "2024-02-29T12:00:00Z"},
		{"Feb 29 12:00:00", "2028-03-01T00:00:00Z", "2028-02-29T12:00:00Z"},
		{"Feb 29 12:00:00", "2103-03-01T00:00:00Z", "2096-02-29T12:00:00Z"},
		{"Nov 20 10:11:12.042", "2026-11-20T10:11:13Z", "2026-11-20T10:11:12.042Z"},
		{"Dec 31 23:59:60", "2027-01-01T00:00:00Z", "2026-12-31T23:59:59.999999999Z"},
	} {
		received, err := time.Parse(time.RFC3339, c.received)
		require.NoError(t, err)
		got, ok := kit.ParseStamp3164([]byte(c.in), received, nil)
		require.True(t, ok, c.in)
		assert.Equal(t, c.want, got.Go().Format(time.RFC3339Nano), "%s received %s", c.in, c.received)
	}
	for _, in := range []string{"", "Nov 20", "Nov 31 10:11:12", "Feb 30 10:11:12", "Nov 20 10:11:12 x", "Nov 20 25:11:12", "2026-11-20T10:11:12Z"} {
		_, ok := kit.ParseStamp3164([]byte(in), time.Now(), nil)
		assert.False(t, ok, in)
	}
}

// Whatever the zone, a stamp written by a clock of that zone comes back as the
// instant it was written at, also around daylight saving and New Year.
func TestParseStamp3164Zones(t *testing.T) {
	zones := []string{
		"Europe/Berlin", "Europe/London", "America/New_York", "America/Los_Angeles", "America/St_Johns", "America/Sao_Paulo",
		"America/Caracas", "Asia/Tokyo", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran", "Asia/Dubai", "Asia/Shanghai",
		"Australia/Sydney", "Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Kiritimati",
		"Pacific/Pago_Pago", "Africa/Cairo", "Africa/Johannesburg", "Atlantic/Azores", "America/Anchorage",
	}
	var moments []time.Time
	for _, at := range []string{"2026-12-31T00:00:00Z", "2026-03-08T00:00:00Z", "2026-03-29T00:00:00Z", "2026-04-05T00:00:00Z", "2026-10-04T00:00:00Z", "2026-10-25T00:00:00Z", "2026-11-01T00:00:00Z", "2026-02-28T12:00:00Z", "2028-02-28T12:00:00Z"} {
		start, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		for m := 0; m < 48*60; m += 10 {
			moments = append(moments, start.Add(time.Duration(m)*time.Minute))
		}
	}
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Skipf("no time zone data: %v", err)
		}
		for _, at := range moments {
			text := at.In(zone).Format(time.Stamp)
			got, ok := kit.ParseStamp3164([]byte(text), at.Add(3*time.Second), zone)
			require.True(t, ok)
			require.Equal(t, at.UnixNano(), got.Nanos, "%s %s: %s", name, text, got.Go())
		}
	}
}

func TestParseEpoch(t *testing.T) {
	for _, c := range []struct {
		in, want string
		digits   uint8
	}{
		{"0", "1970-01-01T00:00:00Z", 0},
		{"1611733052", "2021-01-27T07:37:32Z", 0},
		{"1611733052.123", "2021-01-27T07:37:32.123Z", 3},
		{"1611733052.000", "2021-01-27T07:37:32Z", 3},
		{"1.611733052e9", "2021-01-27T07:37:32Z", 0},
		{"16117330520E-1", "2021-01-27T07:37:32Z", 1},
		{"1611733052123", "2021-01-27T07:37:32.123Z", 3},
		{"1611733052123.5", "2021-01-27T07:37:32.1235Z", 4},
		{"1611733052123456789", "2021-01-27T07:37:32.123456789Z", 9},
		{"13569465599", "2399-12-31T23:59:59Z", 0},
		{"253402300799", "1978-01-11T21:31:40.799Z", 3},
	} {
		got, ok := kit.ParseEpoch([]byte(c.in))
		if c.in == "13569465599" {
			require.False(t, ok, "does not fit 64 bits of nanoseconds")
			continue
		}
		require.True(t, ok, c.in)
		assert.Equal(t, c.want, got.Go().Format(time.RFC3339Nano), c.in)
		assert.Equal(t, c.digits, got.Digits, c.in)
	}
	for _, in := range []string{"", ".", "1.", ".5", "-1", "+1", "x", "12x", "1e", "1e+", "1e9999", "1e99", "99999999999999999999", "1.2.3", "NaN", "0x10"} {
		_, ok := kit.ParseEpoch([]byte(in))
		assert.False(t, ok, in)
	}
}

func TestAddTime(t *testing.T) {
	var r record.Record
	kit.AddTime(&r, []byte("a"), record.Unix(1611733052e9, 0))
	kit.AddTime(&r, []byte("b"), record.Unix(1611733052123456000, 6))
	require.Len(t, r.Fields, 2)
	assert.Equal(t, "2021-01-27T07:37:32.000Z", string(r.Fields[0].Text))
	assert.Equal(t, "2021-01-27T07:37:32.123456Z", string(r.Fields[1].Text))
	assert.Equal(t, record.String, r.Fields[0].Kind)
	assert.True(t, r.Fields[0].Plain)
}

func TestParseAny(t *testing.T) {
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	zone := time.FixedZone("", 3600)
	for in, want := range map[string]string{
		"1763632800000":              "2025-11-20T10:00:00Z",
		"1763632800":                 "2025-11-20T10:00:00Z",
		"2026-11-20T10:11:12Z":       "2026-11-20T10:11:12Z",
		"2026-11-20 10:11:12":        "2026-11-20T09:11:12Z",
		"Nov 20 2026 10:11:12.5 UTC": "2026-11-20T10:11:12.5Z",
		"Nov 20 2026 10:11:12":       "2026-11-20T09:11:12Z",
		"Nov 20 10:11:12":            "2026-11-20T09:11:12Z",
		"Nov 20 10:11:12.042 GMT":    "2026-11-20T10:11:12.042Z",
		"Dec  1 10:11:12":            "2025-12-01T09:11:12Z",
	} {
		got, ok := kit.ParseAny([]byte(in), at, zone)
		require.True(t, ok, in)
		assert.Equal(t, want, got.Go().Format(time.RFC3339Nano), in)
	}
	for _, in := range []string{"", "x", "Nov 20", "Nov 20 10:11:12 host", "Nov 20 10:11:12 CET", "20/11/2026"} {
		_, ok := kit.ParseAny([]byte(in), at, zone)
		assert.False(t, ok, in)
	}
}

func TestTimesAllocateNothing(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	texts := [][]byte{[]byte("2026-11-20T10:11:12.042+02:00"), []byte("May 17 2019 03:31:52.000 UTC"), []byte("Nov 20 10:11:12"), []byte("1611733052.123")}
	var r record.Record
	kit.AddTime(&r, nil, record.At(at))
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		r.Reset()
		for _, b := range texts {
			got, _ := kit.ParseTime(b)
			kit.AddTime(&r, nil, got)
			kit.ParseStamp3164(b, at, zone)
			kit.ParseEpoch(b)
		}
	}))
}

// What time.Parse reads as RFC 3339, ParseTime reads as the same instant.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-11-20T10:11:12Z", "2026-11-20T10:11:12.042+02:00", "May 17 2019 03:31:52.000 UTC", "Nov  2 2026 10:11:12 CEST", "Nov 20 10:11:12", "1.5e9"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := kit.ParseTime(b)
		want, err := time.Parse(time.RFC3339Nano, string(b))
		if err == nil && want.Year() > 1678 && want.Year() < 2261 && len(b) > 18 {
			require.True(t, ok)
			require.Equal(t, want.UnixNano(), got.Nanos)
		}
		if ok {
			again, ok := kit.ParseTime(got.AppendJSON(nil))
			require.True(t, ok)
			require.Equal(t, got.Go().Truncate(time.Millisecond), again.Go().Truncate(time.Millisecond))
		}
		kit.ParseEpoch(b)
		kit.ParseStamp3164(b, time.Unix(1795168800, 0), time.UTC)
	})
}

func TestParseTimeAgainstStdlib(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		at := time.Unix(rnd.Int64N(8e9)-2e9, rnd.Int64N(1e9)).In(time.FixedZone("", (int(rnd.Int64N(113))-56)*900))
		for _, layout := range []string{time.RFC3339Nano, time.RFC3339, "2006-01-02 15:04:05.000Z07:00", "Jan _2 2006 15:04:05.000000 -0700", "Jan 2 2006 15:04:05 -07:00"} {
			text := at.Format(layout)
			want, err := time.Parse(layout, text)
			require.NoError(t, err)
			got, ok := kit.ParseTime([]byte(text))
			require.True(t, ok, text)
			require.Equal(t, want.UnixNano(), got.Nanos, text)
		}
	}
}

func BenchmarkParseTime(b *testing.B) {
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for _, s := range []string{"2026-11-20T10:11:12.042Z", "May 17 2019 03:31:52.000 UTC"} {
		text := []byte(s)
		b.Run(fmt.Sprint(len(s)), func(b *testing.B) {
			for b.Loop() {
				kit.ParseTime(text)
			}
		})
	}
	b.Run("3164", func(b *testing.B) {
		text := []byte("Nov 20 10:11:12")
		for b.Loop() {
			kit.ParseStamp3164(text, at, nil)
		}
	})
}
