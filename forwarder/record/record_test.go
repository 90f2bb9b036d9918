package record

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEveryFactAndSlotHasItsNames(t *testing.T) {
	names := map[string]bool{}
	for k, info := range Keys {
		require.NotEmpty(t, info.Name, "key %d", k)
		assert.False(t, names[info.Name], "%s twice", info.Name)
		names[info.Name] = true
	}
	for s, info := range Slots {
		assert.NotEmpty(t, info.CEF, "slot %d", s)
		assert.Equal(t, info.CEF+"Label", info.Label)
	}
}

func TestFactsAreRememberedUntilReset(t *testing.T) {
	var r Record
	r.Set(UserName, []byte("zoë"))
	r.Set(SrcIP, nil)
	r.SetTime(Start, Unix(5e9, 3))
	r.Set(Reason, []byte("why"))
	var got []Key
	set := r.Facts()
	for k, ok := set.Next(0); ok; k, ok = set.Next(k + 1) {
		got = append(got, k)
	}
	assert.Equal(t, []Key{Start, UserName, Reason}, got)
	assert.Equal(t, "zoë", string(r.Get(UserName)))
	assert.Equal(t, Unix(5e9, 3), r.GetTime(Start))
	assert.Nil(t, r.Get(SrcIP))
	r.SetSlot(CS3, "Where", []byte("here"))
	r.SetSlot(CN1, "Empty", nil)
	s, ok := r.NextSlot(0)
	assert.True(t, ok)
	assert.Equal(t, CS3, s)
	_, ok = r.NextSlot(CS3 + 1)
	assert.False(t, ok)
	r.Reset()
	assert.False(t, r.Has(UserName))
	assert.Nil(t, r.Get(UserName))
	assert.False(t, r.HasSlot(CS3))
	_, text, _ := r.GetSlot(CS3)
	assert.Nil(t, text)
}

func TestFieldsAreATreeInPreOrder(t *testing.T) {
	var r Record
	r.Add([]byte("a"), Number, []byte("1"))
	r.Open([]byte("m"), Map)
	r.Open([]byte("l"), List)
	r.Add(nil, String, []byte("x"))
	r.Add(nil, Null, nil)
	r.Close()
	r.Add([]byte("b"), Bool, []byte("true"))
	r.Close()
	r.Add([]byte("z"), String, []byte("last"))
	sizes := []int32{}
	for _, f := range r.Fields {
		sizes = append(sizes, f.Size)
	}
	assert.Equal(t, []int32{0, 4, 2, 0, 0, 0, 0}, sizes)
	m := r.Find(-1, "m")
	assert.Equal(t, 1, m)
	assert.Equal(t, 5, r.Find(m, "b"))
	assert.Equal(t, -1, r.Find(m, "z"))
	assert.Equal(t, "last", string(r.Text("z")))
	r.Undo(2)
	assert.Len(t, r.Fields, 2)
}

func TestScratchKeepsWhatItHandedOut(t *testing.T) {
	var r Record
	rapid.Check(t, func(t *rapid.T) {
		r.Reset()
		texts := rapid.SliceOfN(rapid.StringN(0, 200, 400), 0, 60).Draw(t, "texts")
		var got [][]byte
		for i, s := range texts {
			switch i % 3 {
			case 0:
				got = append(got, append(r.Scratch(len(s))[:0], s...))
			case 1:
				got = append(got, r.End(append(r.Begin(len(s)), s...)))
			case 2:
				got = append(got, r.Join(", ", []byte(s), nil, []byte(s)))
			}
		}
		for i, s := range texts {
			if i%3 == 2 && s != "" {
				s += ", " + s
			}
			assert.Equal(t, s, string(got[i]))
		}
	})
}

func TestUIDIsTheSameForTheSameIdentity(t *testing.T) {
	a := Record{Source: "one", Identity: []byte("dt|x"), Position: 1}
	b := Record{Source: "two", Identity: []byte("dt|x"), Position: 2, Received: time.Unix(9, 9)}
	assert.Equal(t, a.AppendUID(nil), b.AppendUID(nil))
	assert.Len(t, a.AppendUID(nil), 64)
	a.Identity, b.Identity = nil, nil
	assert.NotEqual(t, a.AppendUID(nil), b.AppendUID(nil))
	assert.Zero(t, testing.AllocsPerRun(100, func() { var buf [64]byte; a.AppendUID(buf[:0]) }))
}

func TestTimesPrintAsTheStandardLibraryDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "nanos")
		at := Unix(n, 9)
		std := time.Unix(0, n).UTC()
		if std.Year() < 1 || std.Year() > 9999 {
			return
		}
		assert.Equal(t, std.Format("2006-01-02T15:04:05.000000000Z"), string(at.Append(nil, 9)))
		assert.Equal(t, std.Truncate(time.Second).Format("2006-01-02T15:04:05Z"), string(at.Append(nil, 0)))
		assert.Equal(t, std.UnixMilli(), at.Millis())
		assert.Equal(t, std.Unix(), Days(std.Year(), int(std.Month()), std.Day())*86400+int64(std.Hour()*3600+std.Minute()*60+std.Second()))
	})
	assert.Equal(t, "1969-12-31T23:59:59.999Z", string(Unix(-1, 3).Append(nil, 3)), "truncated towards the past")
	assert.Equal(t, "2026-11-20T10:00:00.120Z", string(At(time.Date(2026, 11, 20, 10, 0, 0, 12e7, time.UTC)).AppendJSON(nil)))
	assert.True(t, At(time.Time{}).IsZero())
}
