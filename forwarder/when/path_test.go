package when_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

func TestPath(t *testing.T) {
	b := func(s string) []byte { return []byte(s) }
	r := &record.Record{
		ID: b("id"), Severity: 7, Source: "src", Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Peer: netip.MustParseAddr("::ffff:192.0.2.1"), Host: b("fw1"),
	}
	r.Set(record.UserName, b("bob"))
	r.SetTime(record.Start, record.Unix(1700000000123000000, 3))
	r.Warn("odd", b("x"))
	r.Warn("cut", nil)
	r.Add(b("a.b"), record.String, b("dotted"))
	r.Open(b("a"), record.Map)
	r.Add(b("b"), record.Number, b("1.50"))
	r.Close()
	r.Open(b("list"), record.List)
	r.Add(nil, record.String, b("x"))
	r.Add(nil, record.Null, nil)
	r.Add(nil, record.String, b("y"))
	r.Close()
	r.Add(b("when"), record.String, b("2023-11-14T22:13:20.5+01:00"))
	r.Add(b("s"), record.Number, b("1700000000"))
	r.Add(b("ms"), record.Number, b("1700000000123"))
	for path, want := range map[string]string{
		"id": "id", "severity": "7", "source": "src", "received": "2026-01-02T03:04:05.000Z", "time": "2026-01-02T03:04:05.000Z", "observer.ip": "192.0.2.1", "observer.host": "fw1",
		"user.name": "bob", "user.id": "", "start": "2023-11-14T22:13:20.123Z", "end": "", "warnings": "odd, cut", "fields.a.b": "dotted, 1.50", "fields.a": "", "fields.list": "x, y",
		"fields.nothing": "", "message": "",
	} {
		p, err := when.ParsePath(path)
		require.NoError(t, err)
		assert.Equal(t, path, p.String())
		assert.Equal(t, want, string(p.Text(r)), path)
		assert.Zero(t, testing.AllocsPerRun(20, func() { p.Text(r); p.Time(r) }), path)
	}
	for path, want := range map[string]int64{
		"start": 1700000000123, "end": 0, "received": 1767323045000, "time": 1767323045000, "fields.when": 1699996400500, "fields.s": 1700000000000, "fields.ms": 1700000000123,
		"fields.a.b": 0, "id": 0,
	} {
		p, err := when.ParsePath(path)
		require.NoError(t, err)
		at := p.Time(r)
		assert.Equal(t, want != 0, !at.IsZero(), path)
		assert.Equal(t, want, at.Millis(), path)
	}
	for path, want := range map[string]when.Type{"id": when.Text, "severity": when.Number, "src.port": when.Number, "src.ip": when.IP, "time": when.Time, "end": when.Time, "fields.x": when.Any} {
		p, err := when.ParsePath(path)
		require.NoError(t, err)
		assert.Equal(t, want, p.Type(), path)
	}
	_, err := when.ParsePath("usr.name")
	var bad *when.Error
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, "did you mean user.name?", bad.Hint)
}
