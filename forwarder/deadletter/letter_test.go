package deadletter

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEnvelope(t *testing.T) {
	l := Letter{Source: "s", Sink: "-", Reason: "no", Answer: "400", UID: "ab", Attempts: 300, First: time.Unix(0, -1).UTC(), Received: time.Unix(0, 0).UTC(), Index: 5, Raw: []byte{0}, Size: 9, Rendered: []byte("r"), ID: 7, Peer: netip.MustParseAddrPort("[::1]:1")}
	want := "\x01" + "\x01\x01s" + "\x02\x01-" + "\x03\x02no" + "\x04\x03400" + "\x05\x02ab" + "\x06\x02\xac\x02" + "\x07\x01\x01" + "\x08\x01\x00" +
		"\x09\x01\x05" + "\x0a\x01\x09" + "\x0b\x01\x00" + "\x0c\x01r"
	assert.Equal(t, "before"+want, string(l.Append([]byte("before"))))
	got, err := Decode([]byte(want))
	require.NoError(t, err)
	l.ID, l.Peer = 0, netip.AddrPort{}
	assert.Equal(t, l, got)

	empty := (&Letter{}).Append(nil)
	assert.Equal(t, []byte{version}, empty)
	got, err = Decode(empty)
	require.NoError(t, err)
	assert.Equal(t, Letter{}, got)
}

func TestEnvelopeOfALaterVersion(t *testing.T) {
	got, err := Decode([]byte("\x01\x63\x03new\x01\x01s"))
	require.NoError(t, err)
	assert.Equal(t, Letter{Source: "s"}, got)
}

func TestDecodeErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":              "empty",
		"\x02":          "version 2, this reads 1",
		"\x01\x80":      "a part without a number",
		"\x01\x01":      "part 1 reaches beyond the end",
		"\x01\x01\x02s": "part 1 reaches beyond the end",
		"\x01\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01": "part 11 reaches beyond the end",
		"\x01\x06\x00":         "part 6: not a number",
		"\x01\x06\x01\x80":     "part 6: not a number",
		"\x01\x07\x02\x00\x00": "part 7: not a number",
		"\x01\x09\x02\x00\x00": "part 9: not a number",
	} {
		got, err := Decode([]byte(in))
		assert.EqualError(t, err, want, "%q", in)
		assert.Equal(t, Letter{}, got)
	}
}

func FuzzDecode(f *testing.F) {
	l := letter(1)
	f.Add(l.Append(nil))
	f.Add([]byte("\x01\x63\x03new\x01\x01s"))
	f.Add([]byte("\x01\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("\x01\x0a\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Decode(b)
		if err != nil {
			return
		}
		assert.GreaterOrEqual(t, l.Size, len(l.Raw))
		assert.LessOrEqual(t, len(l.Raw)+len(l.Rendered), len(b))
		again, err := Decode(l.Append(nil))
		require.NoError(t, err)
		assert.Equal(t, Letter{}, Letter{ID: again.ID, At: again.At}, "not in an envelope")
		if len(l.Raw) == 0 {
			l.Raw = nil
		}
		if len(l.Rendered) == 0 {
			l.Rendered = nil
		}
		assert.Equal(t, l, again)
	})
}

// TestSet holds the runs against a map.
func TestSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s set
		want := map[uint64]bool{}
		for _, id := range rapid.SliceOf(rapid.Uint64Range(1, 40)).Draw(t, "ids") {
			s = s.add(id)
			want[id] = true
		}
		for id := range uint64(42) {
			assert.Equal(t, want[id], s.has(id))
		}
		for i, r := range s {
			assert.Less(t, r.first, r.end)
			if i > 0 {
				assert.Less(t, s[i-1].end, r.first, "runs that touch are one")
			}
		}
		again, err := parseSet(s.append(nil))
		require.NoError(t, err)
		assert.Equal(t, s, again)
	})
}

func TestSetIsSmall(t *testing.T) {
	var s set
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(10_000) {
		s = s.add(uint64(i + 1))
	}
	assert.Equal(t, set{{1, 10_001}}, s)
}

func FuzzMarks(f *testing.F) {
	f.Add(set{{1, 5}, {7, 8}}.append(nil))
	f.Add(appendCounts(nil, map[pair]uint64{{"edge", "qradar"}: 3}))
	f.Add([]byte{5, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseSet(b); err == nil {
			again, err := parseSet(s.append(nil))
			require.NoError(t, err)
			assert.Equal(t, s, again)
		}
		counts := map[pair]uint64{}
		if err := parseCounts(b, counts); err == nil {
			again := map[pair]uint64{}
			require.NoError(t, parseCounts(appendCounts(nil, counts), again))
			assert.Equal(t, counts, again)
		}
	})
}
